"""An event wakes a pass once: not for what a pass has read, nor for a record of its own that left nothing to do."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, cast

import pytest

from modelrollout.ports import Conflict, Unreachable
from modelrollout.runtime.service import Service
from modelrollout.runtime.waking.news import REMEMBERED, News
from modelrollout.runtime.watch import Watch
from tests.unit.runtime.in_memory import Clock, MemoryCluster, made, one_pass


def test_a_version_that_a_pass_has_read_wakes_nobody():
    news = News()
    news.begin()
    news.seen("resource", "7")
    news.end()
    news.told(("resource", "7"))
    assert not news.wake.is_set()
    news.told(("route", "7"))
    assert news.wake.is_set()


def test_what_is_told_during_a_pass_is_judged_at_its_end():
    news = News()
    news.begin()
    news.told(("resource", "8"))
    news.seen("resource", "8")
    news.end()
    assert not news.wake.is_set()
    news.begin()
    news.told(("resource", "9"))
    news.end()
    assert news.wake.is_set()


@pytest.mark.parametrize("version", [None, ("resource", "")])
def test_what_has_no_version_always_wakes(version: Any):
    news = News()
    news.seen("resource", "")
    news.told(version)
    assert news.wake.is_set()


def test_a_pass_that_is_woken_by_something_else_meanwhile_is_followed_by_another():
    news = News()
    news.begin()
    news.wake.set()
    news.end()
    assert news.wake.is_set()


def test_only_so_many_versions_are_remembered():
    news = News()
    for version in range(1000):
        news.seen("resource", version)
    assert len(news._seen) == REMEMBERED


@dataclass
class Versioned(MemoryCluster):
    """Each write makes a new version, and each is shown to `service` at once, as a watch does."""

    service: Service | None = None

    def stored(self) -> None:
        self.version += 1
        self.obj["metadata"]["resourceVersion"] = str(self.version)
        if self.service is not None:
            self.service.wake("vision", "digits", ("resource", str(self.version)))

    async def write_status(self, obj: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
        before = self.version
        written = await super().write_status(obj, status)
        if written is not obj:
            self.stored()
            assert self.version > before
            written = written | {"metadata": dict(self.obj["metadata"])}
        return written


class Counted:
    """How many passes there were, and how each is made to end."""

    def __init__(self, run: Any) -> None:
        self.run_real, self.passes, self.fails = run, 0, list[Exception]()

    async def run(self, watch: Watch) -> float | None:
        self.passes += 1
        if self.fails:
            raise self.fails.pop()
        delay = await self.run_real(watch)
        return None if delay is None else cast("float", max(delay, 5.0))


async def in_a_step() -> tuple[Service, Counted, Versioned, Watch, Clock]:
    """A rollout in its first step, with a worker that sleeps."""
    reconciler, watch, plain, clock = made()
    cluster = Versioned(plain.obj)
    cluster.stored()
    writer = reconciler.writer
    writer.store = cast("Any", cluster)
    for _ in range(8):
        await one_pass(reconciler, watch, cluster, clock)
    assert cluster.obj["status"]["phase"] == "Stepping"
    counted = Counted(reconciler.run)
    service = Service(cast("Any", counted), lambda *_: watch, clock)
    cluster.service = service
    service.wake("vision", "digits")
    await settled()
    return service, counted, cluster, watch, clock


async def settled() -> None:
    for _ in range(200):
        await asyncio.sleep(0)


@pytest.mark.slow
async def test_the_record_of_an_evaluation_makes_one_pass_and_not_two():
    service, counted, cluster, watch, clock = await in_a_step()
    before, version = counted.passes, cluster.version
    clock.time += 15
    assert watch.polling.request is not None
    await watch._evaluate(watch.polling.request)
    await settled()
    assert cluster.version == version + 1
    assert counted.passes == before + 1
    await service.stop()


@pytest.mark.slow
async def test_a_hand_on_the_resource_makes_a_pass_at_once():
    service, counted, cluster, _, _ = await in_a_step()
    before = counted.passes
    cluster.obj["spec"]["paused"] = False
    cluster.stored()
    await settled()
    assert counted.passes == before + 1
    service.wake("vision", "digits", ("resource", str(cluster.version)))
    await settled()
    assert counted.passes == before + 1
    await service.stop()


@pytest.mark.slow
async def test_a_record_that_changes_the_phase_is_looked_at_again():
    service, counted, cluster, _, _ = await in_a_step()
    before = counted.passes
    cluster.obj["spec"]["model"]["version"] = "1"  # a revert: traffic goes back, and the phase changes
    cluster.obj["metadata"]["generation"] += 1
    cluster.stored()
    await settled()
    assert cluster.obj["status"]["phase"] != "Stepping"
    assert counted.passes >= before + 2
    await service.stop()


@pytest.mark.slow
@pytest.mark.parametrize("failure", [Conflict("changed"), Unreachable("ApiError", "500"), ValueError("a defect")])
async def test_a_pass_that_failed_is_repeated_though_nothing_is_news(failure: Exception):
    service, counted, cluster, _, _ = await in_a_step()
    before = counted.passes
    counted.fails = [failure]
    cluster.obj["spec"]["attempt"] = 0
    cluster.stored()
    for _ in range(200):
        if counted.passes >= before + 2:
            break
        await asyncio.sleep(0.02)
    assert counted.passes >= before + 2
    await service.stop()


@pytest.mark.slow
async def test_liveness_is_about_the_pass_that_is_most_overdue():
    service, _, _, watch, _ = await in_a_step()
    assert service.overdue() < 0
    watch.due -= 500
    assert service.overdue() > 400
    await service.stop()
