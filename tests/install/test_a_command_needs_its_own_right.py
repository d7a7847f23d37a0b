"""Where the API server can tell: editing a rollout is one right, sending it commands another."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelrollout.adapters.kubernetes.command_annotation import COMMAND
from modelrollout.api.base import GROUP, KIND, PLURAL
from modelrollout.cli.main import main
from tests.install.conftest import HOME, Bare, chart_in_force
from tests.install.test_chart_renders import CHART
from tests.lab import Kube, write_kubeconfig
from tests.unit.api.manifests import manifest
from tests.unit.cli.rollouts import stepping

pytestmark = pytest.mark.lab

API, RIGHTS = f"{GROUP}/v1alpha1", "rbac.authorization.k8s.io/v1"
KUBECTL = str(Path(sys.executable).with_name("kubectl"))
APPROVAL = json.dumps({"verb": "approve", "nonce": "a", "version": "2"})


@pytest.fixture(scope="module")
def installed(bare: Bare) -> Iterator[Bare]:
    """The chart in force for the namespace `vision` alone; in it `editor` may edit and `approver` send commands too."""
    if not bare.version.has_policies:  # there the chart makes none, and whoever may edit may send commands
        pytest.skip(f"Kubernetes {bare.version} has no ValidatingAdmissionPolicy")  # the pages say what holds there
    values = {"watch": {"namespaces": ["vision"]}, "rbac": {"aggregateCommands": False}}
    with chart_in_force(bare, CHART, values, ["vision", "other"]):
        for user, roles in {"editor": {"edit"}, "approver": {"edit", "commands"}, "pusher": {"commands"}}.items():
            for role in {"view", *roles}:
                _bind(bare.kube, user, f"{HOME}:mro-modelrollout:{role}")
        bare.kube.apply(manifest())
        _wait_in_force(bare)
        yield bare


def _wait_in_force(bare: Bare) -> None:
    end = time.monotonic() + 60
    while not refused(_annotated(bare, "editor", APPROVAL)):
        assert time.monotonic() < end, "the policy is not in force after 60 s"
        time.sleep(0.2)
        _annotated(bare, "approver", "")


@pytest.fixture
def fresh(installed: Bare) -> Bare:
    """A rollout without a command."""
    installed.kube.delete(API, KIND, "vision", "digits")
    installed.kube.create(manifest())
    return installed


def _bind(kube: Kube, user: str, role: str, *, namespaces: tuple[str, ...] = ("vision", "other")) -> None:
    for namespace in namespaces:
        kube.apply(
            {
                "apiVersion": RIGHTS,
                "kind": "RoleBinding",
                "metadata": {"name": f"{user}-{role.rpartition(':')[2]}", "namespace": namespace},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                "subjects": [{"kind": "ServiceAccount", "name": user, "namespace": "vision"}],
            }
        )


def kubectl(bare: Bare, user: str | None, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """kubectl as that account; as an administrator where none is named."""
    who = [f"--as=system:serviceaccount:vision:{user}"] if user else []
    found = [KUBECTL, f"--kubeconfig={bare.kubeconfig}", *who, *args]
    return subprocess.run(found, input=stdin, capture_output=True, text=True, check=False, timeout=60)


def _annotated(bare: Bare, user: str, text: str, namespace: str = "vision") -> subprocess.CompletedProcess[str]:
    return kubectl(bare, user, "annotate", "--overwrite", "-n", namespace, PLURAL, "digits", f"{COMMAND}={text}")


def applied(bare: Bare, user: str, obj: dict[str, Any], *more: str) -> subprocess.CompletedProcess[str]:
    return kubectl(bare, user, "apply", *more, "-f", "-", stdin=yaml.safe_dump(obj))


def with_command(text: str | None) -> dict[str, Any]:
    found = manifest("analysis.interval", "20s")
    found["metadata"]["annotations"] = {"team": "vision", **({} if text is None else {COMMAND: text})}
    return found


def command_on(bare: Bare) -> str | None:
    found = bare.kube.get(API, KIND, "vision", "digits")
    assert found is not None
    said: str | None = found["metadata"].get("annotations", {}).get(COMMAND)
    return said


def refused(done: subprocess.CompletedProcess[str]) -> bool:
    return done.returncode != 0 and "create modelrollouts/commands in namespace vision" in done.stderr


def test_who_may_only_edit_sends_no_command(fresh: Bare):
    assert refused(_annotated(fresh, "editor", APPROVAL))
    assert refused(applied(fresh, "editor", with_command(APPROVAL)))
    assert refused(applied(fresh, "editor", with_command(APPROVAL), "--server-side", "--force-conflicts"))
    patch = json.dumps([{"op": "add", "path": "/metadata/annotations", "value": {COMMAND: APPROVAL}}])
    assert refused(kubectl(fresh, "editor", "patch", "-n", "vision", PLURAL, "digits", "--type=json", "-p", patch))
    fresh.kube.delete(API, KIND, "vision", "digits")
    assert refused(kubectl(fresh, "editor", "create", "-f", "-", stdin=yaml.safe_dump(with_command(APPROVAL))))


def test_who_may_only_edit_may_edit_all_else_and_clear_a_command(fresh: Bare):
    assert applied(fresh, "editor", with_command(None)).returncode == 0
    assert _annotated(fresh, "approver", APPROVAL).returncode == 0
    label = kubectl(fresh, "editor", "label", "-n", "vision", PLURAL, "digits", "team=speech")
    assert (label.returncode, command_on(fresh)) == (0, APPROVAL)
    assert applied(fresh, "editor", with_command(APPROVAL)).returncode == 0  # the command that is there already
    assert refused(_annotated(fresh, "editor", APPROVAL.replace("approve", "promote")))
    assert kubectl(fresh, "editor", "annotate", "-n", "vision", PLURAL, "digits", f"{COMMAND}-").returncode == 0
    assert command_on(fresh) is None


def test_who_may_only_send_commands_may_edit_nothing(fresh: Bare):
    done = _annotated(fresh, "pusher", APPROVAL)
    assert (done.returncode, "forbidden" in done.stderr.lower()) == (1, True)


def test_the_policy_is_about_the_served_namespaces_alone(fresh: Bare):
    elsewhere = manifest()
    elsewhere["metadata"]["namespace"] = "other"
    fresh.kube.apply(elsewhere)
    assert _annotated(fresh, "editor", APPROVAL, "other").returncode == 0


def test_the_plugin_says_which_right_is_missing(fresh: Bare, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    fresh.kube.resource(API, KIND).status.patch(
        body={"status": stepping()["status"]},
        name="digits",
        namespace="vision",
        content_type="application/merge-patch+json",
    )
    fresh.kube.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "editor", "namespace": "vision"}}
    )
    token = kubectl(fresh, None, "create", "token", "-n", "vision", "editor").stdout.strip()
    authority = fresh.control.certificates.authority
    config = write_kubeconfig(tmp_path / "kubeconfig", fresh.control.url, authority, token)
    assert main(["approve", "digits", "-n", "vision", f"--kubeconfig={config}"]) != 0
    said = capsys.readouterr().err
    assert "create modelrollouts/commands in namespace vision: ask for a role that has it" in said
    assert "role view" not in said
    assert command_on(fresh) is None


def test_a_misspelt_field_is_refused_by_kubectl_apply_and_named(fresh: Bare):
    wrong = manifest()
    wrong["spec"]["bakee"] = "10m"
    wrong["spec"]["model"]["verion"] = "3"
    done = kubectl(fresh, None, "apply", "-f", "-", stdin=yaml.safe_dump(wrong))
    assert done.returncode != 0
    assert 'unknown field "spec.bakee"' in done.stderr
    assert 'unknown field "spec.model.verion"' in done.stderr
