"""Random worlds of processes that count, and of what happens to their series before the operator reads them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.grid import make_grid
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series import Series, make_series
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.core.analysis.metrics.tick_table import TickTable, make_tick_table
from tests.unit.analysis.recorded import request_of, spec_of

START, EVERY = 100_000.0, 5.0
GRID = make_grid(START - 15, 15.0, 0, 60)
READER = SeriesReader(request_of(spec_of({"name": "errors", "type": "ErrorRate"}), dialect=None))
BAD = (float("nan"), float("inf"), float("-inf"), -1.0, 1e308, 2.0**70)
SPELLINGS = {"0.5": ("0.5", ".5", "5e-1", "0.50"), "1": ("1", "1.0", "1e0", "+1"), "+Inf": ("+Inf", "Inf", "inf")}
MOVES = ("add", "remove", "rename", "value", "job", "port")


@dataclass
class Name:
    """The labels under which a process's series stand from one scrape to another."""

    first: int
    last: int
    labels: dict[str, str]
    spelling: int
    moved: bool
    """Whether job or instance are new, so that Prometheus knows of no scrape before."""


@dataclass
class Process:
    """One process: what its counters have grown by at every scrape, and what befell it."""

    pod: int
    growth: dict[tuple[str, str], list[int]]
    """By metric and edge; of a histogram growth up to the edge."""
    life: int
    restarts: set[int]
    bad: dict[int, float]
    names: list[Name] = field(default_factory=list)

    @property
    def scrapes(self) -> int:
        return len(next(iter(self.growth.values())))

    def series(self, rng: random.Random) -> list[Series]:
        """What Prometheus has of it: at each bad scrape one counter of each metric is bad."""
        found = []
        for (metric, edge), growth in self.growth.items():
            values, value = [], float(self.life * (metric != s.FAILURE) + 3 * (metric == s.FAILURE))
            for at, step in enumerate(growth):
                value = float(step) if at in self.restarts else value + step * (at > 0)
                spoilt = at in self.bad and (edge in {"", "1"} or rng.random() < 0.5)
                values.append(self.bad[at] if spoilt else value)
            found += [self._under(name, metric, edge, values) for name in self.names]
        return found

    def _under(self, name: Name, metric: str, edge: str, values: list[float]) -> Series:
        target = {"job": "triton", "instance": f"10.0.0.{self.pod}:8000"}
        labels = {"__name__": metric, **target, "model": "digits", "version": "2", **name.labels}
        if edge:
            labels["le"] = SPELLINGS[edge][name.spelling % len(SPELLINGS[edge])]
        span = range(name.first, min(name.last, self.scrapes - 1) + 1)
        return make_series(labels, [(START + self.pod * 0.7 + EVERY * at, values[at]) for at in span])

    def true(self, metric: str, edge: str = "") -> int:
        """What a reader can see that knows the first scrape: everything after it."""
        return sum(self.growth[metric, edge][1:])

    def hidden(self, metric: str, edge: str = "") -> int:
        """The bound that is promised: growth around a restart (from the second good scrape before to the second after),
        across a move, and across another name where it is far beyond the usual.
        """
        growth = self.growth[metric, edge]
        spans = [(self._after_good(at), self._next(at, 2)) for at in sorted(self.restarts)]
        # what was counted before the first scrape, or between two names, tells nobody what is usual
        under_one = {at for name in self.names for at in range(name.first + 1, name.last + 1)}
        seen = sorted(grown for at, grown in enumerate(growth) if at in under_one) or [0]
        burst = 7 * seen[9 * (len(seen) - 1) // 10]
        for name in self.names:
            since = self._after_the_last_before(name)
            if name.moved or sum(growth[since : name.first + 1]) > burst:
                spans.append((since, self._next(name.first, 1)))
        unseen = {at for first, last in spans for at in range(first, last)}
        unseen |= set(range(self._last_confirmed(), self.scrapes))
        return sum(growth[at] for at in unseen if at > 0)

    def _after_the_last_before(self, name: Name) -> int:
        """The scrape after the last one under another name: what was counted since is seen at the first of `name`."""
        return min(max((one.last + 1 for one in self.names if one.first < name.first), default=0), name.first)

    def _next(self, at: int, good: int) -> int:
        """The scrape after `good` good ones from `at` on."""
        while good and at < self.scrapes:
            good -= at not in self.bad
            at += 1
        return at

    def _after_good(self, at: int) -> int:
        """The last good scrape before `at`, which the next one may not have confirmed, or a bad one before it."""
        at -= 1
        while at > 1 and (at in self.bad or at - 1 in self.bad):
            at -= 1
        return at

    def _last_confirmed(self) -> int:
        """The newest growth may still wait for the scrape that confirms it, and bad ones at the end hide theirs."""
        at = self.scrapes - 1
        while at > 0 and at in self.bad:
            at -= 1
        return at


def process(rng: random.Random, pod: int, *, restarts: bool = True, bad: bool = True) -> Process:
    """One random process."""
    scrapes = rng.randrange(8, 60)
    rate, errors = rng.choice([0, 1, 7, 66]), rng.choice([0, 0, 1, 5])

    def grown(most: int) -> list[int]:
        return [rng.randrange(2 * most + 1) + (rng.random() < 0.02) * 10 * most for _ in range(scrapes)]

    fast, slow, late = grown(rate), grown(errors), grown(errors)
    growth = {(s.SUCCESS, ""): grown(rate), (s.FAILURE, ""): grown(errors)}
    growth |= {
        (s.DURATION, "0.5"): fast,
        (s.DURATION, "1"): [a + b for a, b in zip(fast, slow, strict=True)],
        (s.DURATION, "+Inf"): [a + b + c for a, b, c in zip(fast, slow, late, strict=True)],
    }
    found = Process(
        pod,
        growth,
        rng.choice([0, 50, 1_300_000]),
        {at for at in range(2, scrapes) if restarts and rng.random() < 0.03},
        {at: rng.choice(BAD) for at in range(1, scrapes) if bad and rng.random() < 0.05},
    )
    found.names = _names(rng, scrapes, pod)
    return found


def _names(rng: random.Random, scrapes: int, pod: int) -> list[Name]:
    names, labels, at, moved = [], {"pod": "a", "zone": "b"}, 0, False
    while at < scrapes:
        following = at + rng.randrange(2, 40)
        overlap = rng.randrange(1, 4) if rng.random() < 0.3 else 0
        names.append(Name(at, following - 1 + overlap, dict(labels), rng.randrange(4), moved))
        at, kind = following, rng.choice(MOVES)
        moved = kind in {"job", "port"}
        if kind == "port":  # two ports that are scraped at once are two processes
            names[-1].last = following - 1
        if kind == "remove" and labels:
            labels.pop(rng.choice(sorted(labels)))
        else:
            changed = {
                "job": {"job": f"triton-{at}"},
                "port": {"instance": f"10.0.0.{pod}:{9000 + at}"},
                "value": {"pod": f"p{at}"},
            }
            labels |= changed.get(kind, {f"team{at}": "vision"})
        if kind == "rename" and "zone" in labels:
            labels[f"region{at}"] = labels.pop("zone")
    return names


def delivered(series: list[Series], rng: random.Random) -> SampleStore:
    """The samples in pieces, shuffled, some of them twice."""
    pieces = []
    for one in (one for one in series if len(one.times)):
        cut = rng.randrange(len(one.times) + 1)
        if cut:
            pieces.append(Series(one.labels, one.times[:cut], one.values[:cut]))
        pieces.append(Series(one.labels, one.times[max(cut - 1, 0) :], one.values[max(cut - 1, 0) :]))
    pieces += rng.sample(pieces, len(pieces) // 2)
    rng.shuffle(pieces)
    store = SampleStore()
    while pieces:
        store = store.merged([pieces.pop() for _ in range(min(len(pieces), rng.randrange(1, 4)))])
    return store


def table_of(store: SampleStore) -> TickTable:
    """What the operator makes of the samples."""
    return make_tick_table([store], READER, GRID, EVERY)


def counted(table: TickTable) -> dict[tuple[str, str], float]:
    """Growth over everything, by metric and edge."""
    found: dict[tuple[str, str], float] = {}
    for channel, grown in table.growth.items():
        edge = channel.detail
        found[channel.metric, edge] = found.get((channel.metric, edge), 0.0) + float(np.sum(grown))
    return found
