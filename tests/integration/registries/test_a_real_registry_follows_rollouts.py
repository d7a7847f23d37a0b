"""Aliases and tags of a real MLflow follow the passes of rollouts, through outages and restarts."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from modelrollout.adapters.registries import Mlflow
from modelrollout.api.config.registries import ModelRegistry
from modelrollout.runtime.metrics import MemoryMetrics
from modelrollout.runtime.outside import registrar as module
from modelrollout.runtime.outside.registrar import Registrars
from tests import ROOT, lab
from tests.unit.registries.standings import ROLLED_BACK, entry, promoted, rolled_back, status, trying
from tests.unit.runtime.in_memory import MemoryRouter, made, one_pass, reconciler_over

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from modelrollout.api.status import Status

#: It starts for twenty seconds, and longer where both cores are busy.
pytestmark = pytest.mark.timeout(400)
_WHO = "-c user.name=a -c user.email=a@example.com"
UPDATES = "modelrollout_operator_registry_updates_total"


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.ModelRegistry]:
    """The server; each test has a registered model of its own, with four versions."""
    if missing := lab.ModelRegistry.missing():
        pytest.skip(missing)  # a desk without `make mlflow`; CI sets REQUIRED and fails instead
    server = lab.ModelRegistry(tmp_path_factory.mktemp("mlflow"), f"mlflow-{os.getpid()}")
    try:
        server.start()
        yield server
    finally:
        server.stop()


class Operator:
    """One process of it: what it knows of the registry goes with it."""

    def __init__(self, url: str, **changes: Any) -> None:
        found = {"name": "mlflow", "url": url} | changes
        config = ModelRegistry.model_validate(found, by_alias=True)
        self.metrics, self._way = MemoryMetrics(), Mlflow(config)
        self.registrars = Registrars({"mlflow": (config, self._way)}, self.metrics)

    async def shows(self, model: str, found: Status, *, namespace: str = "vision", gone: bool = False) -> str:
        """How the comparison with that status ended."""
        before = dict(self.outcomes())
        obj = {"metadata": {"namespace": namespace, "name": "digits"}, "spec": {"model": {"name": model}}}
        self.registrars.follow(obj, found, gone=gone)
        await self.settled()
        return next(name for name, number in self.outcomes().items() if number != before.get(name, 0))

    def outcomes(self) -> dict[str, float]:
        return {name: value for (_, name), value in self.metrics.counters[UPDATES].values.items()}

    async def settled(self) -> None:
        async with asyncio.timeout(60):
            for one in self.registrars._all:
                if one._work is not None:
                    await one._work


@pytest.fixture
async def operators() -> AsyncIterator[Any]:
    made: list[Operator] = []

    def make(url: str, **changes: Any) -> Operator:
        made.append(Operator(url, **changes))
        return made[-1]

    yield make
    for one in made:
        await one.registrars.close()


async def test_passes_of_a_rollout_move_the_aliases(mlflow: lab.ModelRegistry, operators: Any):
    mlflow.model("digits", 2)
    operator = operators(mlflow.url)
    plain, watch, cluster, clock = made()
    reconciler = reconciler_over(cluster, MemoryRouter(), clock, plain.config, lambda: True)
    reconciler.writer.registrars = operator.registrars
    seen: list[dict[str, str]] = []
    async with asyncio.timeout(120):
        while cluster.obj.get("status", {}).get("stable") != "2":
            phase = cluster.obj.get("status", {}).get("phase")
            await one_pass(reconciler, watch, cluster, clock)
            if cluster.obj["status"]["phase"] != phase:
                await operator.settled()
                seen.append(mlflow.aliases("digits"))
    await operator.settled()
    distinct = [one for index, one in enumerate(seen) if one and (index == 0 or one != seen[index - 1])]
    assert distinct == [{"champion": "1"}, {"champion": "1", "candidate": "2"}, {"champion": "2"}]
    champion, before = mlflow.tags("digits", "2"), mlflow.tags("digits", "1")
    assert (champion["modelrollout.state"], champion["modelrollout.rollout"]) == ("champion", "vision/digits")
    assert (before["modelrollout.state"], champion["modelrollout.reason"]) == ("previous", "Promoted")


async def test_a_rejected_version_has_its_reason_and_nothing_of_others_is_touched(
    mlflow: lab.ModelRegistry, operators: Any
):
    mlflow.model("rejected", 4)
    mlflow.call("POST", "registered-models/alias", {"name": "rejected", "alias": "shadow", "version": "4"})
    mlflow.call("POST", "model-versions/set-tag", {"name": "rejected", "version": "2", "key": "team", "value": "ours"})
    operator = operators(mlflow.url)
    assert await operator.shows("rejected", trying()) == "written"
    assert mlflow.aliases("rejected") == {"champion": "1", "candidate": "2", "shadow": "4"}
    assert await operator.shows("rejected", rolled_back()) == "written"
    assert mlflow.aliases("rejected") == {"champion": "1", "shadow": "4"}
    tags = mlflow.tags("rejected", "2")
    assert tags.pop("team") == "ours"
    assert tags["modelrollout.state"] == "rejected"
    assert tags["modelrollout.message"] == ROLLED_BACK
    assert mlflow.tags("rejected", "4") == {}
    assert await operator.shows("rejected", status("Serving"), namespace="speech") == "incomplete", "another rollout"
    assert mlflow.tags("rejected", "1")["modelrollout.rollout"] == "vision/digits"


async def test_after_a_restart_the_registry_says_what_status_says(mlflow: lab.ModelRegistry, operators: Any):
    mlflow.model("again", 3)
    assert await operators(mlflow.url).shows("again", promoted()) == "written"
    assert await operators(mlflow.url).shows("again", promoted()) == "same"
    mlflow.call("POST", "registered-models/alias", {"name": "again", "alias": "champion", "version": "3"})
    assert await operators(mlflow.url).shows("again", promoted()) == "written"
    assert mlflow.aliases("again") == {"champion": "2"}


async def test_a_server_that_is_gone_for_a_while_is_told_when_it_is_back(
    mlflow: lab.ModelRegistry, operators: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.05)
    mlflow.model("gone", 2)
    port = lab.free_port()
    operator = operators(f"http://127.0.0.1:{port}")
    told = asyncio.create_task(operator.shows("gone", trying()))
    async with asyncio.timeout(60):
        while operator.outcomes().get("retried", 0) < 3:  # noqa: ASYNC110 - a counter has nothing to wait on
            await asyncio.sleep(0.01)
    async with await asyncio.start_server(_hand_on(mlflow.port), "127.0.0.1", port):
        await told
    assert mlflow.aliases("gone") == {"champion": "1", "candidate": "2"}


async def test_what_the_registry_does_not_have_is_said_and_the_rest_is_done(
    mlflow: lab.ModelRegistry, operators: Any, caplog: pytest.LogCaptureFixture
):
    operator = operators(mlflow.url, registeredModel="{namespace}-{model}")
    assert await operator.shows("partly", trying()) == "incomplete"
    assert "there is no registered model vision-partly" in caplog.text
    mlflow.model("vision-partly", 1)
    assert await operator.shows("partly", trying(candidate="int8/2", history=[entry("Aborted", "9")])) == "incomplete"
    assert "there is no version int8/2" in caplog.text
    assert mlflow.aliases("vision-partly") == {"champion": "1"}


def test_the_workflow_makes_a_commit_of_an_alias(mlflow: lab.ModelRegistry, tmp_path: Path):
    mlflow.model("wanted", 3)
    (job,) = yaml.safe_load((ROOT / "examples/github-actions/roll-out-an-alias.yaml").read_text())["jobs"].values()
    here, origin = tmp_path / "here", tmp_path / "origin.git"
    shutil.copytree(ROOT / "examples/kustomize", here / "models")
    for words in ("init -q", "add .", f"{_WHO} commit -qm first", f"clone -q --bare . {origin}"):
        subprocess.run(["git", *words.split()], cwd=here, check=True, timeout=30)
    for words in (f"remote add origin {origin}", "push -qu origin HEAD"):
        subprocess.run(["git", *words.split()], cwd=here, check=True, timeout=30)
    env = os.environ | job["env"] | {"MODEL": "wanted", "MLFLOW": mlflow.url, "MLFLOW_TOKEN": "none", "no_proxy": "*"}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"

    def ran() -> tuple[int, str]:
        script = ["bash", "-c", job["steps"][-1]["run"]]
        found = subprocess.run(script, cwd=here, env=env, capture_output=True, text=True, check=False, timeout=60)
        log = ["git", "--git-dir", str(origin), "log", "-1", "--format=%s"]
        return found.returncode, subprocess.run(log, capture_output=True, text=True, check=True).stdout.strip()

    status, newest = ran()
    assert (status != 0, newest) == (True, "first"), "nothing is requested yet"
    mlflow.call("POST", "registered-models/alias", {"name": "wanted", "alias": "requested", "version": "3"})
    assert [ran(), ran()] == [(0, "wanted: version 3 is requested")] * 2
    assert 'version: "3"' in (here / "models/base/rollout.yaml").read_text()


def _hand_on(port: int) -> Any:
    """Every connection goes to that port of this machine."""

    async def copy(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        while part := await source.read(65536):
            to.write(part)
            await to.drain()
        to.close()

    async def connected(client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        server, there = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(client, there), copy(server, back), return_exceptions=True)

    return connected
