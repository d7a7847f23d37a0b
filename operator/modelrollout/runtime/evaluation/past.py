"""What is remembered of one rollout's samples: a cache of Prometheus, and every part of it is read again in time.

Samples may come late or out of order, be rewritten or vanish. Every query asks for the last LATE seconds again. All
else is read again before the weight may be raised, and every READ_AGAIN seconds, so that a process that has been
running comes to what a new one would.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from modelrollout.api.config import PrometheusServer
from modelrollout.core.analysis.metrics.model_series import Selection
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series import Series
from modelrollout.core.evaluation import EvaluationRequest
from modelrollout.ports import Ledger, LedgerFailure
from modelrollout.runtime.evaluation.crew import Crew
from modelrollout.runtime.evaluation.question import SHORTER, looks_of, oldest, table_bytes

LATE = 300.0
"""Seconds: a sample that can be read so long after its scrape, or sooner, counts in the next evaluation.

A later one counts when everything is read again: before a raise, unless that was done with the same verdicts less than
LATE before, and otherwise within READ_AGAIN."""
READ_AGAIN = 1800.0
"""Seconds after which all evidence is read again though nothing is to be raised."""
CHUNK = 900.0
"""Seconds of samples per query when a rollout's past is fetched; halved where an answer is too large."""
SMALLEST_CHUNK = 30.0
NARROW = "export fewer, or narrow the matchers"
AT_ONCE = 1.0
"""Seconds that one evaluation may spend on reading the past again; the rest is for the next: a tick may not wait."""
MOST_BYTES = 64 * 2**20
"""Of one rollout's samples and the table of its ticks; where more is needed, evidence reaches back less far."""


@dataclass
class Reading:
    """The samples of one query, complete from the oldest that counts up to `until`."""

    store: SampleStore = field(default_factory=SampleStore)
    until: float | None = None
    chunk: float = CHUNK


@dataclass
class Readings:
    """What is held of one rollout, by origin of the query; `cuts`: how often its past was shortened to fit."""

    of: dict[str, Reading] = field(default_factory=dict)
    cuts: int = 0

    @property
    def bytes(self) -> int:
        """About what the samples take in memory."""
        return sum(one.store.bytes for one in self.of.values())

    @property
    def series(self) -> int:
        """The number of series."""
        return sum(len(one.store.series) for one in self.of.values())

    def ask_for(self, selections: list[Selection]) -> None:
        """Exactly one reading for each."""
        self.of = {one.origin: self.of.get(one.origin, Reading()) for one in selections}


@dataclass
class Past:
    """The readings of one rollout, and those that are to replace them."""

    readings: Readings = field(default_factory=Readings)
    again: Readings = field(default_factory=Readings)
    read_at: float | None = None
    """When everything was read the last time."""

    @property
    def bytes(self) -> int:
        """About what is held in memory."""
        return self.readings.bytes + self.again.bytes

    @property
    def size(self) -> int:
        """Number of samples that the verdict rests on."""
        return sum(store.size for store in self.stores())

    @property
    def cuts(self) -> int:
        """How often the past was shortened: the more, the fewer ticks count."""
        return self.readings.cuts

    def stores(self) -> list[SampleStore]:
        """What the verdict rests on."""
        return [one.store for one in self.readings.of.values()]


@dataclass(frozen=True)
class PastReader:
    """Fetches one rollout's samples up to `now`."""

    ledger: Ledger
    request: EvaluationRequest
    server: PrometheusServer
    now: float
    crew: Crew
    allow: Callable[[], LedgerFailure | None]
    """Why the process cannot hold what was read so far; None where it can."""

    async def bring_up(self, past: Past, selections: list[Selection]) -> LedgerFailure | None:
        """What is new, and the last LATE seconds again; what was fetched before a failure is kept."""
        readings = past.readings
        readings.ask_for(selections)
        new = any(reading.until is None for reading in readings.of.values())
        found = await asyncio.gather(*(self._read(one, readings) for one in selections))
        failure = next((one for one in found if one is not None), None)
        if failure is None and new:
            past.read_at = self.now
        return failure

    async def read_again(self, past: Past, selections: list[Selection]) -> bool:
        """Read everything into new readings for AT_ONCE seconds; whether they are complete and have taken over."""
        again = past.again
        again.ask_for(selections)
        end = time.monotonic() + AT_ONCE
        found = await asyncio.gather(*(self._read(one, again, end) for one in selections))
        if any(one is not None and one.reason == "TooManySeries" for one in found):
            past.again = Readings()
            return False
        if any(one is not None for one in found) or any(one.until != self.now for one in again.of.values()):
            return False
        past.readings, past.again, past.read_at = again, Readings(), self.now
        return True

    async def _read(self, one: Selection, readings: Readings, until: float | None = None) -> LedgerFailure | None:
        """Bring one reading up to `now`, or as far as that goes until monotonic `until`."""
        reading = readings.of[one.origin]
        start = self._first(readings) if reading.until is None else reading.until - LATE
        while (start := max(start, self._first(readings))) < self.now:
            end = min(start + reading.chunk, self.now)
            answer = await self.ledger.range(self.server, one.text, start, end)
            if isinstance(answer, LedgerFailure):
                if answer.reason != "AnswerTooLarge" or end - start <= SMALLEST_CHUNK:
                    return answer
                reading.chunk = max((end - start) / 2, SMALLEST_CHUNK)
                continue
            first, samples = self._first(readings), reading.store.size + sum([len(each.times) for each in answer])
            reading.store = await self.crew.run(samples, _renewed, reading.store, answer, (start, end), first)
            del answer  # its room in the process is free for the next one
            if self._first(readings) != first:  # cut meanwhile, for the other query
                reading.store = reading.store.since(self._first(readings))
            reading.until = start = end
            failure = self._fitted(readings) or self.allow()
            if failure is not None:
                return failure
            if until is not None and time.monotonic() > until:
                break
        return None

    def _first(self, readings: Readings) -> float:
        return oldest(self.request, self.server, self.now, readings.cuts)

    def _fitted(self, readings: Readings) -> LedgerFailure | None:
        """Shorten the past until it fits: what counts depends on the samples, never on what else the process holds."""
        while (needed := self._needed(readings)) > MOST_BYTES:
            if readings.cuts + 1 == len(SHORTER):
                text = f"{readings.series} series need {needed // 2**20} MiB for {SHORTER[-1]} ticks"
                return LedgerFailure("TooManySeries", f"{text}, more than {MOST_BYTES // 2**20} MiB: {NARROW}")
            readings.cuts += 1
            for one in readings.of.values():
                one.store = one.store.since(self._first(readings))
        return None

    def _needed(self, readings: Readings) -> int:
        return readings.bytes + table_bytes(
            looks_of(self.request, self.server), readings.series, self.now, readings.cuts
        )


def _renewed(store: SampleStore, fresh: Sequence[Series], span: tuple[float, float], first: float) -> SampleStore:
    """With what was answered for `span`, and nothing from before `first`."""
    return store.replaced(fresh, *span).since(first)
