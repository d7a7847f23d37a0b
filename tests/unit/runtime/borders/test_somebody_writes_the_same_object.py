"""Whoever writes a ModelRollout all the time holds no raise that means the same, and causes none that does not."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.api.status import Status
from modelrollout.core.evaluation import MetricsOutage
from modelrollout.core.observation import Event, ObservedRoute, RoutePlan
from modelrollout.ports import Conflict, Subject
from modelrollout.runtime.recording.contested import MANY, TRIES
from modelrollout.runtime.watch import Watch
from tests.expect import present
from tests.unit.runtime.in_memory import Clock, MemoryCluster, MemoryRouter, copied, made, one_pass, reconciler_over

Foreign = Callable[[dict[str, Any]], None]
ABORT = '{"verb": "abort", "nonce": "n1", "version": "2", "step": 0, "by": "ann"}'


@dataclass
class Shared(MemoryCluster):
    """A store that fences, with another writer who writes just after every reading, as often as `foreign` says."""

    foreign: list[Foreign] = field(default_factory=list)
    told: list[Event] = field(default_factory=list)
    recorded: dict[str, Any] = field(default_factory=dict)
    """The newest status that the operator wrote."""

    async def get(self, _namespace: str, _name: str) -> dict[str, Any]:
        read = self._stored()
        if self.foreign:
            self.foreign.pop(0)(self.obj)
            self._changed()
        return read

    async def write_status(self, obj: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
        if obj["metadata"]["resourceVersion"] != self.obj["metadata"].get("resourceVersion", "0"):
            raise Conflict("the object has been modified")
        if self.obj.get("status") != status:
            self.obj["status"] = copied(status)
            self._changed()
        self.recorded = copied(status)
        return self._stored()

    async def consume_command(self, obj: dict[str, Any]) -> None:
        self.obj["metadata"].pop("annotations", None)

    async def send(self, _subject: Subject, event: Event) -> None:
        self.told.append(event)

    def _stored(self) -> dict[str, Any]:
        self.obj["metadata"].setdefault("resourceVersion", "0")
        return copied(self.obj)

    def _changed(self) -> None:
        meta = self.obj["metadata"]
        meta["resourceVersion"] = str(int(meta.get("resourceVersion", "0")) + 1)


class Witness(MemoryRouter):
    """A route that nobody raises beyond what the operator itself recorded last."""

    cluster: Shared

    async def apply(self, *given: Any) -> ObservedRoute:
        plan: RoutePlan = given[3]
        before = self.route.weight_of(plan.candidate) if self.route and plan.candidate else 0
        if plan.weight > before:
            said = Status.model_validate(self.cluster.recorded)
            assert said.step is not None
            assert plan.weight <= said.step.weight
            assert plan.weight == said.weight.desired
        return await super().apply(*given)


@dataclass
class Stage:
    watch: Watch
    cluster: Shared
    router: Witness
    clock: Clock
    one_pass: Callable[[], Any]

    def weight(self) -> int:
        return present(self.router.route).weight_of("2")


async def due_for_a_raise() -> Stage:
    """A rollout whose next pass starts its first step, or goes from 5 to 25 percent."""
    plain, watch, unheard, clock = made()
    cluster, router = Shared(unheard.obj), Witness()
    router.cluster = cluster
    reconciler = reconciler_over(cluster, router, clock, plain.config, lambda: True)

    async def again() -> None:
        await one_pass(reconciler, watch, cluster, clock)
        await asyncio.sleep(0)

    stage = Stage(watch, cluster, router, clock, again)
    for _ in range(60):
        kept = copied(cluster.obj)
        route, time = router.route, clock.time
        await again()
        if router.route is not None and stage.weight() == 25:
            cluster.obj, router.route, clock.time = kept, route, time
            cluster.recorded = copied(kept["status"])
            cluster.told.clear()
            return stage
    raise AssertionError("the candidate never got to 25 %")


numbers = itertools.count()


def annotates(obj: dict[str, Any]) -> None:
    obj["metadata"]["annotations"] = {"example.com/seen": str(next(numbers))}


def rewrites_the_message(obj: dict[str, Any]) -> None:
    obj["status"]["message"] = f"hello {next(numbers)}"


def adds_conditions(obj: dict[str, Any]) -> None:
    one = {"type": "Ready", "status": "True", "reason": "Mine", "lastTransitionTime": "2023-11-14T22:13:20Z"}
    obj["status"]["conditions"] = [one]


def adds_warnings(obj: dict[str, Any]) -> None:
    obj["status"]["warnings"] = [f"beware {next(numbers)}"]


def aborts(obj: dict[str, Any]) -> None:
    obj["metadata"]["annotations"] = {"modelrollout.dev/command": ABORT}


def edits_the_spec(obj: dict[str, Any]) -> None:
    obj["spec"]["steps"] = [{"weight": 7, "hold": "1m"}]
    obj["metadata"]["generation"] += 1


def deletes(obj: dict[str, Any]) -> None:
    obj["metadata"]["deletionTimestamp"] = "2023-11-14T22:13:20Z"


def creates_another(obj: dict[str, Any]) -> None:
    obj["metadata"]["uid"] = f"other-{next(numbers)}"


def forges_the_step(obj: dict[str, Any]) -> None:
    obj["status"].get("step", {})["startedAt"] = "2033-11-14T22:13:20Z"


def wipes_the_status(obj: dict[str, Any]) -> None:
    obj["status"] = {}


TEXTS: list[Foreign] = [annotates, rewrites_the_message, adds_conditions, adds_warnings]
MATTERS: list[Foreign] = [aborts, edits_the_spec, deletes, creates_another, forges_the_step, wipes_the_status]


@pytest.mark.slow
@pytest.mark.alike(2)
@pytest.mark.parametrize("times", range(TRIES))
@pytest.mark.parametrize("foreign", TEXTS)
async def test_a_pass_records_and_raises_beside_whoever_writes_texts(foreign: Foreign, times: int):
    stage = await due_for_a_raise()
    stage.cluster.foreign = [foreign] * times
    await stage.one_pass()
    assert stage.weight() == 25
    assert stage.cluster.recorded["step"]["weight"] == 25
    assert stage.watch.conflicts == 0


@pytest.mark.slow
async def test_whoever_writes_faster_than_that_holds_the_raise_and_people_are_told_once():
    stage = await due_for_a_raise()
    for _ in range(MANY + 3):
        stage.cluster.foreign = [annotates] * TRIES
        with pytest.raises(Conflict):
            await stage.one_pass()
        await asyncio.sleep(0)
        assert stage.weight() == 5
        assert stage.cluster.foreign == [], "bounded, and all of it tried"
    assert [event.reason for event in stage.cluster.told] == ["StatusContested"]
    for _ in range(3):
        await stage.one_pass()
    assert stage.weight() == 25
    assert stage.watch.conflicts == 0


@pytest.mark.slow
async def test_whoever_writes_faster_than_that_keeps_no_traffic_from_an_abort():
    stage = await due_for_a_raise()
    aborts(stage.cluster.obj)
    stage.cluster.foreign = [rewrites_the_message] * TRIES
    with pytest.raises(Conflict):
        await stage.one_pass()
    assert stage.weight() == 0


@pytest.mark.slow
@pytest.mark.alike(2)
@pytest.mark.parametrize("foreign", MATTERS)
async def test_what_means_something_else_is_the_next_passs(foreign: Foreign):
    stage = await due_for_a_raise()
    before, stage.cluster.foreign = copied(stage.cluster.recorded), [foreign]
    with pytest.raises(Conflict):
        await stage.one_pass()
    assert stage.weight() == 5
    assert stage.cluster.recorded == before
    assert stage.cluster.foreign == []


@pytest.mark.slow
async def test_metrics_that_go_in_between_raise_nothing():
    stage = await due_for_a_raise()

    def outage(obj: dict[str, Any]) -> None:
        annotates(obj)
        stage.watch.evaluation = None
        stage.watch.outage = MetricsOutage("PrometheusUnreachable", "gone", stage.clock.time)

    stage.cluster.foreign = [annotates, outage]
    with pytest.raises(Conflict):
        await stage.one_pass()
    assert stage.weight() == 5


@pytest.mark.slow
@given(st.lists(st.lists(st.sampled_from([*TEXTS, *MATTERS]), max_size=TRIES + 1), min_size=1, max_size=6))
def test_whatever_others_write_nothing_is_raised_beyond_what_was_recorded(writes: list[list[Foreign]]):
    async def passes() -> None:
        stage = await due_for_a_raise()
        for foreign in writes:
            stage.cluster.foreign = list(foreign)
            if stage.cluster.obj["metadata"].get("deletionTimestamp"):
                return
            with contextlib.suppress(Conflict):
                await stage.one_pass()  # Witness tells whether a raise was recorded

    asyncio.run(passes())
