"""kubectl wait on a real API server, kstatus' own library and Argo CD's interpreter, on the status of every phase."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelrollout.api.base import KIND, PLURAL
from modelrollout.api.crd import crd
from tests import ROOT
from tests.install.conftest import Bare
from tests.kstatus import CURRENT, FAILED, IN_PROGRESS, TERMINATING, kstatus
from tests.lab import Kube, gitops_refusal, read_by_tools
from tests.unit.api.manifests import manifest
from tests.unit.rollout.conditions.test_whoever_waits_gets_an_end import PHASES

pytestmark = [pytest.mark.lab, pytest.mark.oldest]

API = "modelrollout.dev/v1alpha1"
ARGO = {CURRENT: "Healthy", IN_PROGRESS: "Progressing", FAILED: "Degraded"}
HEALTH = ROOT / "examples/argo-cd/health.yaml"


@pytest.fixture(scope="module")
def kube(bare: Bare) -> Kube:
    bare.kube.create(crd())
    bare.kube.wait_served([f"/apis/{API}/{PLURAL}"])
    bare.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "vision"}})
    return bare.kube


@pytest.fixture
def resource(kube: Kube) -> Iterator[Kube]:
    kube.create(manifest())
    yield kube
    kube.delete(API, KIND, "vision", "digits")


def stored(kube: Kube) -> dict[str, Any]:
    found = kube.get(API, KIND, "vision", "digits")
    assert found is not None
    return found


def write(kube: Kube, status: dict[str, Any], generation: int = 1) -> None:
    """As the operator would have, of this generation."""
    conditions = [{**one, "observedGeneration": generation} for one in status["conditions"]]
    found = {**status, "observedGeneration": generation, "conditions": conditions}
    kube.resource(API, KIND).status.patch(
        body={"status": found}, name="digits", namespace="vision", content_type="application/merge-patch+json"
    )


def waited(bare: Bare, condition: str) -> bool:
    """Whether kubectl wait comes to an end within a second."""
    kubectl = [str(Path(sys.executable).with_name("kubectl")), f"--kubeconfig={bare.kubeconfig}", "-n", "vision"]
    asked = [*kubectl, "wait", f"--for=condition={condition}", "modelrollout/digits", "--timeout=1s"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=60)
    assert found.returncode == 0 or "timed out waiting" in found.stderr, found.stderr
    return found.returncode == 0


@pytest.mark.parametrize("phase", PHASES)
def test_kubectl_wait_ends_where_the_rollout_does(phase: str, resource: Kube, bare: Bare):
    make, expected = PHASES[phase]  # type: ignore[index] # its keys are these
    write(resource, make().status)
    assert kstatus(stored(resource)) == expected
    assert (waited(bare, "Ready"), waited(bare, "Stalled")) == (expected == CURRENT, expected == FAILED)


def test_kubectl_wait_does_not_take_an_edit_that_nobody_has_seen_for_done(resource: Kube, bare: Bare):
    write(resource, PHASES["Serving"][0]().status)
    assert waited(bare, "Ready")
    resource.merge(API, KIND, "vision", "digits", {"spec": {"model": {"version": "9"}}})
    assert kstatus(stored(resource)) == IN_PROGRESS
    assert not waited(bare, "Ready")


def test_kubectl_wait_does_not_take_a_resource_without_any_pass_for_done(resource: Kube, bare: Bare):
    assert kstatus(stored(resource)) == IN_PROGRESS
    assert not waited(bare, "Ready")


def test_the_libraries_of_flux_and_argo_cd_read_every_phase_alike(tmp_path: Path):
    """kstatus' own library, where Go is at hand; elsewhere this holds our copy of its rules to the table alone."""
    (script,) = yaml.safe_load(HEALTH.read_text())["data"].values()
    (tmp_path / "health.lua").write_text(script)
    made = {phase: make() for phase, (make, _) in PHASES.items()}
    objects = {
        phase: {"kind": KIND, "apiVersion": API, "metadata": {"generation": world.generation}, "status": world.status}
        for phase, world in made.items()
    }
    unseen = {**objects["Serving"], "metadata": {"generation": 9}}
    leaving = {**objects["Serving"], "metadata": {"generation": 1, "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    new = {**unseen, "status": {"observedGeneration": -1}}
    asked = [*objects.values(), unseen, new, leaving]
    expected = [each for _, each in PHASES.values()] + [IN_PROGRESS, IN_PROGRESS, TERMINATING]
    assert [kstatus(one) for one in asked] == expected
    if gitops_refusal():
        return
    found = read_by_tools(asked, tmp_path / "health.lua")
    assert [one["kstatus"] for one in found] == expected
    argo = {name: ARGO[each] for name, (_, each) in PHASES.items()} | {"AwaitingApproval": "Suspended"}
    assert [one["argo"] for one in found] == [*argo.values(), "Progressing", "Progressing", "Healthy"]
    assert all(one["said"] for one in found)
