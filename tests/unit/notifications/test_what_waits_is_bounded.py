"""An outbox costs a pass nothing: bounded, by turns of namespaces, at a rate, tried again, given up in the end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from modelrollout.core.notice import Notice
from modelrollout.ports import Undelivered
from modelrollout.runtime.outside import outbox as module
from modelrollout.runtime.outside.outbox import MOST_EACH, Outbox, Terms
from tests.unit.notifications.told import notice


class Channel:
    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes, self.sent, self.hangs = list(outcomes), list[Notice](), False

    async def deliver(self, told: Notice) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is not None:
            raise outcome
        self.sent.append(told)

    async def close(self) -> None:
        pass


class Counts(dict[str, int]):
    def add(self, _sink: str, outcome: str) -> None:
        self[outcome] = self.get(outcome, 0) + 1


def outbox(channel: Channel, **terms: Any) -> tuple[Outbox, Counts]:
    counts = Counts()
    return Outbox("chat", channel, Terms(lambda _: True, **{"per_minute": 600} | terms), counts.add), counts


async def emptied(box: Outbox) -> None:
    assert box._work is not None
    async with asyncio.timeout(10):
        await box._work


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.001)


async def test_a_sink_that_hangs_costs_whoever_tells_it_nothing_and_the_queue_stays_bounded():
    channel = Channel()
    channel.hangs = True
    box, counts = outbox(channel)
    async with asyncio.timeout(30):  # a delivery hangs for ever
        for number in range(10 * MOST_EACH):
            box.post(replace(notice(), namespace=f"n{number % 2}"))
            await asyncio.sleep(0)
    assert box.waiting <= 2 * MOST_EACH
    assert counts["dropped"] >= 8 * MOST_EACH - 2
    await box.close()


async def test_what_a_person_must_act_on_is_dropped_last():
    channel = Channel()
    channel.hangs = True
    box, _ = outbox(channel)
    box.post(replace(notice(), ident="first"))
    await asyncio.sleep(0.01)  # that one hangs
    box.post(replace(notice(), ident="urgent"))
    for number in range(3 * MOST_EACH):
        box.post(replace(notice("StepStarted", warning=False), kind="Advanced", ident=str(number)))
    waiting = [told.ident for _, told in box._lines["vision"]]
    assert waiting[0] == "urgent"
    assert waiting[-1] == str(3 * MOST_EACH - 1), "and of the others the oldest"
    await box.close()


async def test_a_failure_is_tried_again_and_a_refusal_is_not():
    channel = Channel(Undelivered("it answered 503", retry_after=0.002), RuntimeError("http://secret"), None)
    box, counts = outbox(channel)
    box.post(notice())
    await emptied(box)
    assert (len(channel.sent), dict(counts)) == (1, {"retried": 2, "sent": 1})
    channel.outcomes = [Undelivered("it answered 400", final=True)]
    box.post(notice())
    await emptied(box)
    assert counts["failed"] == 1


async def test_it_is_given_up_in_the_end_and_no_address_is_in_the_log(caplog: pytest.LogCaptureFixture):
    box, counts = outbox(Channel(*[RuntimeError("https://hooks/T0KEN")] * 99), keep_trying=0.01)
    box.post(notice())
    await emptied(box)
    assert counts["failed"] == 1
    assert "vision/digits: GateFailed was not told to sink chat: RuntimeError" in caplog.text
    assert "T0KEN" not in caplog.text


async def test_namespaces_take_turns():
    channel = Channel()
    box, _ = outbox(channel)
    for namespace in ("loud", "loud", "loud", "quiet"):
        box.post(replace(notice(), namespace=namespace))
    await emptied(box)
    assert [told.namespace for told in channel.sent] == ["loud", "quiet", "loud", "loud"]


async def test_more_than_the_rate_waits():
    channel = Channel()
    box, _ = outbox(channel, per_minute=2)
    for _ in range(4):
        box.post(notice())
    await asyncio.sleep(0.02)
    assert (len(channel.sent), box.waiting) == (2, 2)
    await box.close()
