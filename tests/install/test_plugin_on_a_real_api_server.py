from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelrollout.adapters.kubernetes.command_annotation import COMMAND, command_of
from modelrollout.api.base import GROUP, KIND, PLURAL
from modelrollout.api.crd import crd
from modelrollout.cli import access, steer
from modelrollout.cli.main import main
from modelrollout.cli.runbooks import sections
from modelrollout.core.observation import Command
from tests.expect import expect
from tests.install.conftest import Bare
from tests.lab import Kube, gateway_api
from tests.unit.api.manifests import manifest
from tests.unit.cli.rollouts import stepping

pytestmark = [pytest.mark.lab, pytest.mark.oldest]

API = f"{GROUP}/v1alpha1"
ROUTES = "gateway.networking.k8s.io/v1"


@pytest.fixture(scope="module")
def cluster(bare: Bare) -> Bare:
    bare.kube.create(crd())
    for definition in gateway_api():
        if definition["spec"]["names"]["kind"] in ("HTTPRoute", "GatewayClass"):
            bare.kube.create(definition)
    bare.kube.wait_served([f"/apis/{API}/{PLURAL}", f"/apis/{ROUTES}/httproutes", f"/apis/{ROUTES}/gatewayclasses"])
    bare.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "vision"}})
    return bare


@pytest.fixture
def kube(cluster: Bare, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kube]:
    """A rollout in mid-step whose route says 20 % where 25 % is desired; KUBECONFIG as a user would set it."""
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    monkeypatch.setenv("COLUMNS", "160")
    cluster.kube.create(manifest())
    set_status(cluster.kube, stepping()["status"])
    cluster.kube.create(route(20))
    yield cluster.kube
    cluster.kube.delete(API, KIND, "vision", "digits")
    cluster.kube.delete(ROUTES, "HTTPRoute", "vision", "digits")


def set_status(kube: Kube, status: dict[str, Any]) -> None:
    kube.resource(API, KIND).status.patch(
        body={"status": status}, name="digits", namespace="vision", content_type="application/merge-patch+json"
    )


def route(weight: int) -> dict[str, Any]:
    backends = [
        {"name": "digits-v1", "port": 8000, "weight": 100 - weight},
        {"name": "digits-v2", "port": 8000, "weight": weight},
    ]
    notes = {
        "modelrollout.dev/stable": "1",
        "modelrollout.dev/candidate": "2",
        "modelrollout.dev/services": '{"1":"digits-v1:8000","2":"digits-v2:8000"}',
    }
    return {
        "apiVersion": ROUTES,
        "kind": "HTTPRoute",
        "metadata": {"name": "digits", "namespace": "vision", "annotations": notes},
        "spec": {"parentRefs": [{"name": "inference"}], "rules": [{"name": "split", "backendRefs": backends}]},
    }


def test_status_shows_the_weight_that_the_route_has_now(kube: Kube, capsys: pytest.CaptureFixture[str]):
    assert main(["status", "digits", "-n", "vision"]) == 0
    out = capsys.readouterr().out
    assert "25 % desired, 20 % on the route" in out
    assert "2/3 at 25 %" in out


def test_status_without_a_route_still_answers(kube: Kube, capsys: pytest.CaptureFixture[str]):
    kube.delete(ROUTES, "HTTPRoute", "vision", "digits")
    assert main(["status", "digits", "-n", "vision"]) == 0
    assert "on the route when last read" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing", "-n", "vision"], 'no ModelRollout "nothing" in namespace "vision"; list those there are'),
        (["digits"], 'no ModelRollout "digits" in namespace "default"'),
        (["digits", "--kubeconfig", "/nowhere"], "there is no kubeconfig"),
        (["digits", "--context", "elsewhere"], "the kubeconfig cannot be used"),
    ],
)
def test_what_cannot_be_shown_is_a_sentence_with_the_next_thing_to_do(
    arguments: list[str], says: str, kube: Kube, capsys: pytest.CaptureFixture[str]
):
    assert main(["status", *arguments]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert says in said.err
    assert said.err.startswith("error: ")


def test_watch_without_a_terminal_prints_one_line_per_change(kube: Kube, cluster: Bare):
    plugin = str(Path(sys.executable).with_name("kubectl-modelrollout"))
    watching = subprocess.Popen(
        [plugin, "watch", "digits", "-n", "vision"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"KUBECONFIG": str(cluster.kubeconfig), "PYTHONUNBUFFERED": "1"},
    )
    with watching as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        kube.merge(ROUTES, "HTTPRoute", "vision", "digits", {"spec": {"rules": route(25)["spec"]["rules"]}})
        second = process.stdout.readline()
        process.terminate()
    assert "Stepping (StepHolding) 1 -> 2 weight 25 % desired, 20 % on the route" in first
    assert "25 % desired, 25 % on the route" in second


def answer_as_the_operator_does(kube: Kube, result: str) -> None:
    """Consume the command as soon as it stands there, and record `result`."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        obj = kube.get(API, KIND, "vision", "digits")
        found = command_of(obj) if obj else None
        if found is not None:
            last = {"verb": "approve", "nonce": found.nonce, "result": result, "at": "2026-01-01T00:00:00Z"}
            kube.merge(API, KIND, "vision", "digits", {"metadata": {"annotations": {COMMAND: None}}})
            set_status(kube, {"lastCommand": last})
            return
        time.sleep(0.05)


@pytest.mark.parametrize(("result", "code"), [("applied", 0), ("refused: nothing to approve in phase Stepping", 1)])
def test_a_command_prints_the_operators_answer(result: str, code: int, kube: Kube, capsys: pytest.CaptureFixture[str]):
    operator = threading.Thread(target=answer_as_the_operator_does, args=(kube, result))
    operator.start()
    assert main(["approve", "digits", "-n", "vision"]) == code
    operator.join()
    assert capsys.readouterr().out == f"approve digits: {result}\n"


def test_a_command_names_version_step_author_and_why_and_waits_for_its_answer(
    kube: Kube, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(steer, "_ANSWER_WITHIN", 0.5)
    assert main(["approve", "digits", "-n", "vision", "--why", "checked"]) == 1
    assert "the operator has not answered" in capsys.readouterr().err
    obj = kube.get(API, KIND, "vision", "digits")
    assert obj is not None
    found = expect(Command, command_of(obj))
    assert (found.verb, found.version, found.step, found.why) == ("approve", "2", 1, "checked")
    assert found.by
    assert found.manager == "kubectl-modelrollout"


def test_a_second_command_does_not_overwrite_one_that_still_waits(
    kube: Kube, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(steer, "_ANSWER_WITHIN", 0.5)
    main(["pause", "digits", "-n", "vision"])
    assert main(["resume", "digits", "-n", "vision"]) == 1
    assert "another command still waits" in capsys.readouterr().err


def written_after_the_read(kube: Kube, monkeypatch: pytest.MonkeyPatch, status: dict[str, Any], times: int) -> None:
    """The operator writes `status` between what the plugin reads and what it writes, `times` times."""
    read, left = access.get_resource, iter(range(times))

    async def then_written(*given: Any) -> dict[str, Any]:
        found = await read(*given)
        if (number := next(left, None)) is not None:
            set_status(kube, status | {"message": f"look {number}"})
        return found

    monkeypatch.setattr(access, "get_resource", then_written)
    monkeypatch.setattr(steer, "_ANSWER_WITHIN", 0.5)


def test_a_status_written_meanwhile_is_no_reason_to_ask_again(
    kube: Kube, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    written_after_the_read(kube, monkeypatch, {}, times=3)
    main(["approve", "digits", "-n", "vision"])
    assert "approve is written" in capsys.readouterr().err
    found = expect(Command, command_of(kube.get(API, KIND, "vision", "digits") or {}))
    assert (found.verb, found.version, found.step) == ("approve", "2", 1)


@pytest.mark.parametrize(
    ("verb", "change", "times", "says"),
    [
        ("approve", {"step": {"index": 2}}, 1, "the rollout has just moved on"),
        ("resume", {"phase": "Inconclusive"}, 1, "the rollout has just moved on"),
        ("abort", {"candidate": "3"}, 1, "the rollout has just moved on"),
        ("abort", {"step": {"index": 2}}, 1, "abort is written"),
        ("abort", {}, 9, "changes too often"),
    ],
)
def test_a_command_is_not_carried_over_to_something_else(
    verb: str,
    change: dict[str, Any],
    times: int,
    says: str,
    kube: Kube,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    written_after_the_read(kube, monkeypatch, change, times)
    assert main([verb, "digits", "-n", "vision"]) == 1
    assert says in capsys.readouterr().err
    found = command_of(kube.get(API, KIND, "vision", "digits") or {})
    assert (found is not None) == ("abort is written" in says)


def test_every_command_of_the_runbooks_is_one_that_kubectl_and_the_server_know(
    kube: Kube, cluster: Bare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """What is not there may be missed; a kind, a flag or a verb that nobody knows may not."""
    (tmp_path / "rollout.yaml").write_text(yaml.safe_dump(manifest()))
    names = {"OPERATOR_NAMESPACE": "vision", "NAMESPACE": "vision", "NAME": "digits", "rollout.yaml": "rollout.yaml"}
    found = {command for _, text in sections().values() for command in re.findall(r"`(kubectl [^`]+)`", text)}
    others = sorted(one for one in found if not one.startswith("kubectl modelrollout"))
    assert len(others) > 15
    for command in others:
        for name, value in names.items():
            command = command.replace(name, value)  # noqa: PLW2901 - as a person would
        words = [str(Path(sys.executable).with_name("kubectl")), *shlex.split(command)[1:]]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
        assert done.returncode == 0 or "NotFound" in done.stderr, f"{command}: {done.stderr}"
    for words in (
        ["status", "digits", "-n", "vision"],
        ["explain", "GateFailed"],
        ["lint", str(tmp_path / "rollout.yaml")],
    ):
        assert main(words) == 0, (words, capsys.readouterr())
