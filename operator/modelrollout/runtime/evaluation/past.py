"""What is remembered of one rollout's samples: a cache of Prometheus, and every part of it is read again in time.

Samples may come late or out of order, be rewritten or vanish. Every query asks for the last LATE seconds again. All
else is read again before the weight may be raised, and every READ_AGAIN seconds, so that a process that has been
running comes to what a new one would.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from modelrollout.api.config import PrometheusServer
from modelrollout.core.analysis.metrics.model_series import Selection
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.evaluation import EvaluationRequest
from modelrollout.ports import Ledger, LedgerFailure
from modelrollout.runtime.evaluation.question import oldest

LATE = 300.0
"""Seconds: a sample that can be read so long after its scrape, or sooner, counts in the next evaluation.

A later one counts when everything is read again: before any raise, and otherwise within READ_AGAIN."""
READ_AGAIN = 1800.0
"""Seconds after which all evidence is read again though nothing is to be raised."""
CHUNK = 900.0
"""Seconds of samples per query when a rollout's past is fetched; halved where an answer is too large."""
SMALLEST_CHUNK = 30.0
AT_ONCE = 1.0
"""Seconds that one evaluation may spend on reading the past again; the rest is for the next: a tick may not wait."""
MOST_BYTES = 96 * 2**20
"""Of one rollout; more is refused, for one rollout must not take what all others need."""


@dataclass
class Reading:
    """The samples of one query, complete from the oldest that counts up to `until`."""

    store: SampleStore = field(default_factory=SampleStore)
    until: float | None = None
    chunk: float = CHUNK


@dataclass
class Past:
    """The readings of one rollout by origin, and those that are to replace them."""

    readings: dict[str, Reading] = field(default_factory=dict)
    again: dict[str, Reading] = field(default_factory=dict)
    read_at: float | None = None
    """When everything was read the last time."""

    @property
    def bytes(self) -> int:
        """About what is held in memory."""
        return sum(one.store.bytes for one in (*self.readings.values(), *self.again.values()))

    def stores(self) -> list[SampleStore]:
        """What the verdict rests on."""
        return [one.store for one in self.readings.values()]


@dataclass(frozen=True)
class PastReader:
    """Fetches one rollout's samples up to `now`."""

    ledger: Ledger
    request: EvaluationRequest
    server: PrometheusServer
    now: float

    async def bring_up(self, past: Past, selections: list[Selection]) -> LedgerFailure | None:
        """What is new, and the last LATE seconds again; what was fetched before a failure is kept."""
        past.readings = {one.origin: past.readings.get(one.origin, Reading()) for one in selections}
        new = any(reading.until is None for reading in past.readings.values())
        found = await asyncio.gather(*(self._read(one, past.readings[one.origin]) for one in selections))
        failure = next((one for one in found if one is not None), None)
        if failure is None and new:
            past.read_at = self.now
        return failure or _too_much(past.readings)

    async def read_again(self, past: Past, selections: list[Selection]) -> bool:
        """Read everything into new readings for AT_ONCE seconds; whether they are complete and have taken over."""
        past.again = {one.origin: past.again.get(one.origin, Reading()) for one in selections}
        end = time.monotonic() + AT_ONCE
        found = await asyncio.gather(*(self._read(one, past.again[one.origin], end) for one in selections))
        if any(one is not None for one in found) or any(one.until != self.now for one in past.again.values()):
            return False
        if _too_much(past.again):
            past.again = {}
            return False
        past.readings, past.again, past.read_at = past.again, {}, self.now
        return True

    async def _read(self, one: Selection, reading: Reading, until: float | None = None) -> LedgerFailure | None:
        """Bring one reading up to `now`, or as far as that goes until monotonic `until`."""
        first = oldest(self.request, self.server, self.now)
        start = first if reading.until is None else max(reading.until - LATE, first)
        while start < self.now:
            end = min(start + reading.chunk, self.now)
            answer = await self.ledger.range(self.server, one.text, start, end)
            if isinstance(answer, LedgerFailure):
                if answer.reason != "AnswerTooLarge" or end - start <= SMALLEST_CHUNK:
                    return answer
                reading.chunk = max((end - start) / 2, SMALLEST_CHUNK)
                continue
            reading.store = await asyncio.to_thread(reading.store.replaced, answer, start, end)
            reading.until = start = end
            if until is not None and time.monotonic() > until:
                break
        reading.store = reading.store.since(first)
        return _too_much({one.origin: reading})


def _too_much(readings: dict[str, Reading]) -> LedgerFailure | None:
    held = sum(one.store.bytes for one in readings.values())
    if held <= MOST_BYTES:
        return None
    series = sum(len(one.store.series) for one in readings.values())
    text = f"{series} series need {held // 2**20} MiB, more than {MOST_BYTES // 2**20} MiB: narrow the matchers"
    return LedgerFailure("TooManySeries", text)
