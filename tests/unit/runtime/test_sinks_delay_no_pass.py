"""A sink that raises, hangs or is slow costs a pass nothing, and costs no other sink its Events."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import cast

import pytest

from modelrollout.api.config.notifications import Sink
from modelrollout.core.notice import Notice
from modelrollout.core.observation import Event
from modelrollout.ports import Channel, EventSink, Subject
from modelrollout.runtime import notifier as module
from modelrollout.runtime.metrics import MemoryMetrics
from modelrollout.runtime.notifier import Notifier
from modelrollout.runtime.reconcile import Reconciler
from modelrollout.runtime.watch import Watch
from tests.unit.runtime.in_memory import Clock, MemoryCluster, MemoryRouter, made, one_pass, reconciler_over

PATIENCE = 60.0
ABOUT = Subject("vision", "digits")
COUNTER = "modelrollout_operator_notifications_total"


class Listening:
    def __init__(self) -> None:
        self.sent: list[str] = []

    async def send(self, _subject: Subject, event: Event) -> None:
        self.sent.append(event.reason)


class Raising:
    async def send(self, _subject: Subject, _event: Event) -> None:
        raise RuntimeError("no such channel")


class RaisingAtOnce:
    def send(self, _subject: Subject, _event: Event) -> None:
        raise RuntimeError("no coroutine at all")


class Hanging:
    async def send(self, _subject: Subject, _event: Event) -> None:
        await asyncio.Event().wait()


async def delivered(notifier: Notifier, sink: str) -> None:
    """Until nothing is under way to that sink."""
    async with asyncio.timeout(30):
        while notifier._under_way[sink]:
            await asyncio.wait(notifier._under_way[sink])


def over(sinks: dict[str, EventSink]) -> tuple[Reconciler, Watch, MemoryCluster, Clock, MemoryMetrics]:
    plain, watch, cluster, clock = made()
    metrics = MemoryMetrics()
    reconciler = reconciler_over(cluster, MemoryRouter(), clock, plain.config, lambda: True)
    reconciler.writer.notifier = Notifier(sinks, metrics, patience=PATIENCE)
    return reconciler, watch, cluster, clock, metrics


@pytest.mark.slow
@pytest.mark.alike(1)
@pytest.mark.parametrize("sink", [Raising(), RaisingAtOnce(), Hanging()])
async def test_passes_go_on_and_the_other_sinks_hear_everything(sink: EventSink):
    healthy = Listening()
    reconciler, watch, cluster, clock, metrics = over({"broken": sink, "healthy": healthy})
    notifier = reconciler.writer.notifier
    async with asyncio.timeout(PATIENCE / 2):  # a pass that waits for the sink waits for all of its patience
        for _ in range(12):
            await one_pass(reconciler, watch, cluster, clock)
        await delivered(notifier, "healthy")
        if not isinstance(sink, Hanging):
            await delivered(notifier, "broken")
    assert cluster.obj["status"]["phase"] != "Adopting"
    assert len(healthy.sent) >= 3
    failed = metrics.value(COUNTER, "broken", "failed")
    assert failed + len(notifier._under_way["broken"]) == len(healthy.sent)
    assert metrics.value(COUNTER, "healthy", "sent") == len(healthy.sent)


async def test_a_hanging_delivery_ends_with_its_patience(caplog: pytest.LogCaptureFixture):
    metrics = MemoryMetrics()
    notifier = Notifier({"slow": Hanging()}, metrics, patience=0.02)
    with caplog.at_level(logging.WARNING):
        notifier.tell(ABOUT, Event("Promoted", "1 -> 2"))
        await delivered(notifier, "slow")
    assert metrics.value(COUNTER, "slow", "failed") == 1
    assert "Event Promoted was not written: slow took too long" in caplog.text
    assert not notifier._under_way["slow"]


async def test_what_is_under_way_is_bounded_and_the_rest_is_dropped(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MOST_UNDER_WAY", 3)
    metrics, healthy = MemoryMetrics(), Listening()
    notifier = Notifier({"slow": Hanging(), "healthy": healthy}, metrics, patience=PATIENCE)
    for number in range(10):
        notifier.tell(ABOUT, Event("Promoted", str(number)))
        await asyncio.sleep(0)
    assert len(notifier._under_way["slow"]) == 3
    assert metrics.value(COUNTER, "slow", "dropped") == 7
    for one in notifier._under_way["slow"]:
        one.cancel()
    await delivered(notifier, "slow")
    assert len(healthy.sent) == 10, "a full queue of one sink is none of another's"
    notifier.tell(ABOUT, Event("Promoted", "again"))
    assert len(notifier._under_way["slow"]) == 1, "and it is tried again afterwards"


async def test_telling_sinks_that_hang_takes_no_time():
    notifier = Notifier({name: Hanging() for name in "abc"}, MemoryMetrics(), patience=PATIENCE)
    began = time.perf_counter()
    for _ in range(20):
        notifier.tell(ABOUT, Event("GateFailed", "a message"))
    assert time.perf_counter() - began < 1.0


async def test_what_cannot_be_told_outside_is_an_event_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def broken(*_: object) -> Notice:
        raise RuntimeError("a defect")

    monkeypatch.setattr(module, "make_notice", broken)
    inside, sink = Listening(), Sink.model_validate({"name": "chat", "apprise": {"urlFile": "/none"}}, by_alias=True)
    notifier = Notifier({"inside": inside}, MemoryMetrics(), outside={"chat": (sink, cast("Channel", None))})
    notifier.tell(ABOUT, Event("GateFailed", "a message"))
    await delivered(notifier, "inside")
    assert inside.sent == ["GateFailed"]
    assert "nobody outside was told of GateFailed" in caplog.text
