"""Whoever never gets ready is asked more and more rarely, wakes nobody by failing again, and is found when ready."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.core.evaluation import GateResult
from modelrollout.fair.tenant import is_urgent
from modelrollout.ports import NotAsked, Unreachable
from modelrollout.runtime import watch as module
from modelrollout.runtime.evaluation.evaluator import Evaluator
from modelrollout.runtime.service import Service
from modelrollout.runtime.watch import PollingPlan, Target, Watch
from tests.expect import present
from tests.unit.borders.cluster import at_25_percent
from tests.unit.runtime.in_memory import Clock, GrowingLedger

TARGET = Target("2", "digits-v2", 8000, "digits")


@dataclass
class Server:
    says: str = "no addresses"
    probes: int = 0

    async def probe(self, *_: object) -> tuple[int, str]:
        self.probes += 1
        return 1, self.says


def made(server: Server, interval: float = 2.0) -> Watch:
    config = OperatorConfig(prometheus=[PrometheusServer(url="http://p")], probe_interval=interval)
    watch = Watch("vision", "digits", config, server, Evaluator(GrowingLedger(), config), Clock())
    watch.polling = PollingPlan((TARGET,))
    return watch


async def naps(watch: Watch, number: int) -> list[float]:
    found = []
    for _ in range(number):
        await watch._probe(TARGET)
        found.append(present(watch._until_next_probe()))
    return found


@pytest.mark.parametrize("says", ["no addresses", NotAsked("may not be asked")])
async def test_it_is_asked_more_and_more_rarely_up_to_a_bound(says: str):
    server = Server(says)
    watch = made(server)
    found = await naps(watch, module.PATIENT + 20)
    assert found[: module.PATIENT] == [2.0] * module.PATIENT
    assert found[module.PATIENT :][:5] == [4.0, 8.0, 16.0, 30.0, 30.0]
    assert found[-1] == module.LONGEST_NAP
    server.says = ""
    assert await naps(watch, 1) == [2.0]
    server.says = "gone"
    assert await naps(watch, 3) == [2.0] * 3


async def test_a_longer_interval_is_not_shortened_and_one_that_is_ready_keeps_the_pace_of_both():
    assert (await naps(made(Server(), 60.0), module.PATIENT + 5))[-1] == 60.0
    watch, ready = made(Server()), replace(TARGET, version="1")
    watch.polling = PollingPlan((TARGET, ready))
    await naps(watch, module.PATIENT + 5)
    watch._unready[ready] = 0
    assert watch._until_next_probe() == 2.0


async def test_another_failure_of_the_same_kind_wakes_nobody_and_a_loss_is_urgent():
    server = Server("")
    watch = made(server)
    woken, alarmed = [], []
    for says in ("", "", "down", "down", "down", "down", "", "other"):
        server.says = says
        watch.wake.clear()
        await watch._probe(TARGET)
        woken.append(watch.wake.is_set())
        alarmed.append(watch.alarm)
        watch.alarm = False
    assert woken == [True, False, True, True, False, False, True, True]
    assert alarmed == [False, False, False, True, False, False, False, False]


async def test_evidence_that_has_turned_bad_is_urgent_once():
    rollout = at_25_percent()
    rollout.fail(GateResult("errors", "ErrorRate", "FAIL", "bad", required=True))
    bad = present(rollout.watch.evaluation)
    good = replace(bad, gates=())
    watch = made(Server())
    alarmed = []
    for found in (good, bad, bad, good, bad):
        watch.found(found)
        alarmed.append(watch.alarm)
        watch.alarm = False
    assert alarmed == [False, True, False, False, True]


class Passing:
    """A pass that notes whether it was urgent; in it something turns bad, or it fails."""

    def __init__(self) -> None:
        self.urgent: list[bool] = []
        self.finds, self.fails = False, False

    async def run(self, watch: Watch) -> float:
        self.urgent.append(is_urgent())
        watch.alarm = watch.alarm or self.finds
        if self.fails:
            raise Unreachable("ApiTimeout", "gone")
        return 1.0


async def test_what_turns_bad_during_a_pass_or_was_not_acted_on_is_urgent_in_the_next_one():
    watch, passing = made(Server()), Passing()
    service = Service(cast("Any", passing), lambda *_: watch, Clock())
    for passing.finds, passing.fails in [(True, False), (False, True), (False, False), (False, False)]:
        await service._pass(watch, 0)
    assert passing.urgent == [False, True, True, False]
