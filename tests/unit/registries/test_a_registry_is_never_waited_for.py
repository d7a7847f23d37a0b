"""A registry that hangs, fails or refuses costs a pass nothing; only the newest standing of a rollout waits."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from modelrollout.api.config.registries import ModelRegistry
from modelrollout.core.registry import Standing
from modelrollout.ports import Undelivered
from modelrollout.runtime.metrics import MemoryMetrics
from modelrollout.runtime.outside import registrar as module
from modelrollout.runtime.outside.registrar import Registrar, Registrars
from tests.unit.registries.standings import promoted, rolled_back, standing, status, trying
from tests.unit.runtime.in_memory import MemoryRouter, made, one_pass, reconciler_over

UPDATES = "modelrollout_operator_registry_updates_total"


class Way:
    """`outcomes` of the first calls: an exception, or what was left; then all is well."""

    def __init__(self, *outcomes: Exception | tuple[str, ...]) -> None:
        self.outcomes, self.shown, self.hangs = list(outcomes), list[Standing](), False

    async def follow(self, standing: Standing) -> tuple[bool, tuple[str, ...]]:
        if self.hangs:
            await asyncio.Event().wait()
        outcome = self.outcomes.pop(0) if self.outcomes else ()
        if isinstance(outcome, Exception):
            raise outcome
        self.shown.append(standing)
        return True, outcome

    async def close(self) -> None:
        pass


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def config(**changes: Any) -> ModelRegistry:
    found = {"name": "mlflow", "url": "http://mlflow.test", "perMinute": 6000} | changes
    return ModelRegistry.model_validate(found, by_alias=True)


def made_for(way: Way, **changes: Any) -> tuple[Registrar, Counter[str], Time]:
    counts, time = Counter[str](), Time()
    return Registrar(config(**changes), way, lambda _, outcome: counts.update([outcome]), time), counts, time


async def emptied(registrar: Registrar) -> None:
    async with asyncio.timeout(10):
        if registrar._work is not None:
            await registrar._work


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.001)


async def test_only_the_newest_standing_of_a_rollout_waits_and_namespaces_take_turns():
    way = Way()
    registrar, _, _ = made_for(way)
    for name in ("one", "two"):
        for found in (status(), trying(), promoted()):
            registrar.follow(standing(found, name))
    registrar.follow(standing(status(), "three", namespace="quiet"))
    assert registrar.waiting == 3
    await emptied(registrar)
    assert [(one.name, one.champion) for one in way.shown] == [("one", "2"), ("three", "1"), ("two", "2")]


async def test_what_has_not_changed_is_compared_again_now_and_then_alone():
    way = Way()
    registrar, counts, time = made_for(way)
    for after in (0.0, 10.0, module.RECHECK):
        time.now += after
        registrar.follow(standing(status()))
        await emptied(registrar)
    assert (len(way.shown), counts) == (2, {"written": 2})


async def test_a_registry_that_is_gone_is_asked_until_it_answers_and_said_once(caplog: pytest.LogCaptureFixture):
    gone = [Undelivered("no answer: Connection refused"), RuntimeError("http://user:T0KEN@x"), TimeoutError()]
    way = Way(*gone)
    registrar, counts, _ = made_for(way)
    registrar.follow(standing(trying()))
    await asyncio.sleep(0)
    registrar.follow(standing(rolled_back()))
    await emptied(registrar)
    assert [one.candidate for one in way.shown] == [None], "what is out of date is not shown any more"
    assert counts == {"retried": 3, "written": 1}
    assert caplog.text.count("tried again until it answers") == 1
    assert "T0KEN" not in caplog.text


async def test_what_failed_does_not_come_back_over_what_is_newer():
    way = Way()
    way.hangs = True
    registrar, _, _ = made_for(way, timeout="10ms")
    registrar.follow(standing(trying()))
    async with asyncio.timeout(10):
        while registrar.waiting:  # noqa: ASYNC110 - until it is being shown
            await asyncio.sleep(0)
    registrar.follow(standing(rolled_back()))
    await asyncio.sleep(0.02)
    way.hangs = False
    await emptied(registrar)
    assert [one.candidate for one in way.shown] == [None]


async def test_a_refusal_holds_nobody_else_up_and_is_said_once(caplog: pytest.LogCaptureFixture):
    way = Way(Undelivered("it answered 400", final=True), ("there is no version 2",), ("there is no version 2",))
    registrar, counts, time = made_for(way)
    for _ in range(2):
        registrar.follow(standing(status(), "bad"))
        registrar.follow(standing(trying(), "digits"))
        await emptied(registrar)
        time.now += module.RECHECK
    assert counts == {"refused": 1, "incomplete": 2, "written": 1}
    assert caplog.text.count("vision/bad: registry mlflow does not say it all: it answered 400") == 1
    assert caplog.text.count("vision/digits: registry mlflow does not say it all: there is no version 2") == 1


async def test_more_than_the_rate_waits():
    way = Way()
    registrar, _, _ = made_for(way, perMinute=2)
    for number in range(5):
        registrar.follow(standing(status(), f"digits-{number}"))
    await asyncio.sleep(0.02)
    assert (len(way.shown), registrar.waiting) == (2, 3)
    await registrar.close()


@pytest.mark.slow
async def test_a_pass_waits_for_no_registry_and_tells_it_of_its_own_namespaces_alone():
    plain, watch, cluster, clock = made()
    ways = {"ours": Way(), "hangs": Way(), "theirs": Way()}
    ways["hangs"].hangs = True
    namespaces = {"ours": ["vis*"], "hangs": ["*"], "theirs": ["speech"]}
    metrics = MemoryMetrics()
    configured = {name: (config(name=name, namespaces=namespaces[name]), way) for name, way in ways.items()}
    reconciler = reconciler_over(cluster, MemoryRouter(), clock, plain.config, lambda: True)
    registrars = reconciler.writer.registrars = Registrars(configured, metrics)
    async with asyncio.timeout(30):  # the second hangs for ever
        while cluster.obj.get("status", {}).get("stable") != "2":
            await one_pass(reconciler, watch, cluster, clock)
            await asyncio.sleep(0.001)
    assert {one.candidate for one in ways["ours"].shown} == {None, "2"}
    assert (ways["ours"].shown[-1].champion, ways["theirs"].shown) == ("2", [])
    assert metrics.value(UPDATES, "ours", "written") >= 3
    await reconciler.writer.close()
    assert all(one._work is None or one._work.cancelling() or one._work.done() for one in registrars._all)


async def test_of_a_rollout_that_is_gone_the_end_is_shown_and_nothing_kept():
    way = Way()
    registrar, _, _ = made_for(way)
    registrar.follow(standing(status()))
    await emptied(registrar)
    registrar.follow(standing(status(), gone=True))
    registrar.forget(("vision", "digits"))
    await emptied(registrar)
    assert [one.gone for one in way.shown] == [False, True]
    assert registrar._shown == {}
