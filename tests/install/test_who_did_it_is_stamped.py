"""Who sent a command and who changed the version is what the API server says, however a client writes it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from modelrollout.adapters.kubernetes.command_annotation import COMMAND, COMMAND_BY, VERSION_BY
from modelrollout.api.base import GROUP, KIND, PLURAL
from tests.install.conftest import HOME, Bare, chart_in_force
from tests.install.test_a_command_needs_its_own_right import APPROVAL, _bind, applied, kubectl, with_command
from tests.install.test_chart_renders import CHART
from tests.unit.api.manifests import manifest

pytestmark = pytest.mark.lab

API = f"{GROUP}/v1alpha1"
ANN, BOB = "system:serviceaccount:vision:ann", "system:serviceaccount:vision:bob"
FORGED = "system:serviceaccount:vision:mallory"


@pytest.fixture(scope="module")
def installed(bare: Bare) -> Iterator[Bare]:
    """The chart in force for the namespace `vision`; in it `ann` and `bob` may edit and send commands."""
    if not bare.version.has_stamps:  # there the chart makes none, and names are marked as claimed
        pytest.skip(f"Kubernetes {bare.version} has no MutatingAdmissionPolicy")  # status says `claimed` there
    with chart_in_force(bare, CHART, {"watch": {"namespaces": ["vision"]}}, ["vision"]):
        for user in ("ann", "bob"):
            for role in ("view", "edit", "commands"):
                _bind(bare.kube, user, f"{HOME}:mro-modelrollout:{role}", namespaces=("vision",))
        bare.kube.apply(manifest())
        end = time.monotonic() + 60
        while True:
            annotate(bare, "ann", f"{COMMAND}={APPROVAL}")
            if stamps(bare)[0] == ANN:
                break
            assert time.monotonic() < end, "the policy is not in force after 60 s"
            annotate(bare, "ann", f"{COMMAND}-")
            time.sleep(0.2)
        yield bare


@pytest.fixture
def fresh(installed: Bare) -> Bare:
    """A rollout that `ann` made, without a command."""
    installed.kube.delete(API, KIND, "vision", "digits")
    assert applied(installed, "ann", manifest()).returncode == 0
    return installed


def annotate(bare: Bare, user: str, *texts: str) -> None:
    kubectl(bare, user, "annotate", "--overwrite", "-n", "vision", PLURAL, "digits", *texts)


def notes(bare: Bare) -> dict[str, str]:
    found = bare.kube.get(API, KIND, "vision", "digits")
    assert found is not None
    return dict(found["metadata"].get("annotations") or {})


def stamps(bare: Bare) -> tuple[str | None, str | None]:
    """(who sent the command, who changed the version) as they stand."""
    found = notes(bare)
    return found.get(COMMAND_BY), found.get(VERSION_BY)


def test_a_command_carries_the_name_of_who_sent_it_by_every_way(fresh: Bare) -> None:
    annotate(fresh, "bob", f"{COMMAND}={APPROVAL}")
    assert stamps(fresh) == (BOB, ANN)
    assert applied(fresh, "ann", with_command(APPROVAL.replace('"a"', '"b"'))).returncode == 0
    assert stamps(fresh) == (ANN, ANN)
    other = with_command(APPROVAL.replace('"a"', '"c"'))
    assert applied(fresh, "bob", other, "--server-side", "--force-conflicts").returncode == 0
    assert stamps(fresh) == (BOB, ANN)
    patch = json.dumps({"metadata": {"annotations": {COMMAND: APPROVAL}}})
    done = kubectl(fresh, "ann", "patch", "-n", "vision", PLURAL, "digits", "--type=merge", "-p", patch)
    assert (done.returncode, stamps(fresh)) == (0, (ANN, ANN))


def test_a_forged_name_is_put_right_alone_and_beside_a_command(fresh: Bare) -> None:
    annotate(fresh, "bob", f"{COMMAND_BY}={FORGED}", f"{VERSION_BY}={FORGED}")
    assert stamps(fresh) == (None, ANN)
    annotate(fresh, "bob", f"{COMMAND}={APPROVAL}", f"{COMMAND_BY}={FORGED}")
    assert stamps(fresh) == (BOB, ANN)
    annotate(fresh, "ann", f"{COMMAND_BY}={FORGED}")
    assert stamps(fresh) == (BOB, ANN)
    annotate(fresh, "ann", f"{COMMAND_BY}-", f"{VERSION_BY}-")
    assert stamps(fresh) == (BOB, ANN)


def test_a_forged_name_at_creation_is_put_right(fresh: Bare) -> None:
    fresh.kube.delete(API, KIND, "vision", "digits")
    made = with_command(APPROVAL)
    made["metadata"]["annotations"] |= {COMMAND_BY: FORGED, VERSION_BY: FORGED}
    assert kubectl(fresh, "bob", "create", "-f", "-", stdin=yaml.safe_dump(made)).returncode == 0
    assert stamps(fresh) == (BOB, BOB)


def test_the_name_goes_with_the_command(fresh: Bare) -> None:
    annotate(fresh, "bob", f"{COMMAND}={APPROVAL}")
    annotate(fresh, "ann", f"{COMMAND}-")
    assert COMMAND not in notes(fresh)
    assert stamps(fresh) == (None, ANN)


def test_other_edits_change_no_name_and_another_version_does(fresh: Bare) -> None:
    kubectl(fresh, "bob", "label", "-n", "vision", PLURAL, "digits", "team=speech")
    assert stamps(fresh) == (None, ANN)
    changed: dict[str, Any] = manifest("model.version", "7")
    assert kubectl(fresh, "bob", "replace", "-f", "-", stdin=yaml.safe_dump(changed)).returncode == 0
    assert stamps(fresh) == (None, BOB)
    assert kubectl(fresh, "ann", "replace", "-f", "-", stdin=yaml.safe_dump(changed)).returncode == 0
    assert stamps(fresh) == (None, BOB)
