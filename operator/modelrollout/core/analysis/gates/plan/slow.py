"""A Latency gate before stable's histogram; a worse candidate has so many times as many slow requests."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.plan.leaning import leans_bad
from modelrollout.core.analysis.gates.plan.path import Course, Path, course_of
from modelrollout.core.analysis.stats.arrays import Array, Index
from modelrollout.core.analysis.stats.latency_evidence import LatencyHistory, LatencyTicks, at_most, versus_stable

_MOST_BUCKETS = 5
_GOLDEN = (math.sqrt(5) - 1) / 2
_WHOLE = 200_000
"""Requests up to which each is put into a bucket of its own."""


@dataclass(frozen=True)
class LatencyTest:
    """One limit on the quantile: `limit` seconds, or stable's moved up by `buckets` where that is None.

    `needed` are the log odds at which it fails alone; `known` and `allowed` are indices of edges.
    """

    limit: float | None
    buckets: int
    needed: float
    known: int
    allowed: int


@dataclass(frozen=True)
class LatencyPlan:
    """The tests of one gate. `edges` (B,) in seconds, `tails` (B,) the share of stable's requests above each."""

    name: str
    required: bool
    tests: tuple[LatencyTest, ...]
    least: int
    quantile: float
    per_second: float
    edges: Array
    tails: Array
    history: LatencyHistory | None = None
    noun: str = "requests"

    def course(self, path: Path, multiple: float) -> Course:
        """As GatePlan has it."""
        return course_of(self._judged(test, path, multiple) for test in self.tests)

    def _judged(self, test: LatencyTest, path: Path, multiple: float) -> Course:
        candidate, stable = path.whole(self.per_second)
        ticks = LatencyTicks(
            path.seconds,
            self.edges,
            _histogram(candidate, self._tails_of(test, multiple)),
            _histogram(stable, self.tails),
            restart=path.restarts,
            ignore=path.warming,
        )
        if test.limit is not None:
            found = at_most(ticks, test.limit, self.quantile, minimum_requests=self.least)
        else:
            found = versus_stable(ticks, self.quantile, test.buckets, history=self.history, minimum_requests=self.least)
        seen = (np.cumsum(np.where(path.warming, 0, np.diff(candidate, prepend=0))) > 0) & (stable > 0)
        leaning = np.logical_or.reduce([leans_bad(part.evidence) for part in found.parts]) | ~seen
        return Course(found.log_bad >= test.needed, found.passing & seen, leaning)

    def _tails_of(self, test: LatencyTest, multiple: float) -> Array:
        """The candidate's tails: stable's own, or so many times stable's slow requests above what is allowed."""
        if multiple == 1:
            return self.tails
        slow = min(float(self.tails[test.known]) * multiple, 1.0)
        return np.where(np.arange(len(self.tails)) <= test.allowed, np.maximum(self.tails, slow), self.tails)

    @property
    def main(self) -> LatencyTest:
        """The test that the gate is named for: the strictest."""
        return min(self.tests, key=lambda test: test.allowed)

    def allows(self, multiple: float) -> bool:
        """Whether so many times stable's slow requests are within the limit."""
        main = self.main
        allowed = 1 - self.quantile if main.limit is not None else float(self.tails[main.known])
        return float(self.tails[main.known]) * multiple <= allowed

    @property
    def stable_words(self) -> str:
        """The bucket that holds stable's quantile."""
        at = np.flatnonzero(self.tails <= 1 - self.quantile + 1e-12)
        edge = say.seconds(float(self.edges[at[0]])) if len(at) else f"> {say.seconds(float(self.edges[-1]))}"
        return f"P{100 * self.quantile:g} {edge}"

    @property
    def allowed_words(self) -> str:
        """The edge that the quantile may reach."""
        return f"<= {say.seconds(float(self.edges[self.main.allowed]))}"

    def share_words(self, multiple: float) -> str:
        """Of slow requests."""
        main = self.main
        return f"{say.percent(min(float(self.tails[main.known]) * multiple, 1.0))} slow"

    def busier(self, times: float) -> LatencyPlan:
        """The same gate at so many times the traffic."""
        return replace(self, per_second=self.per_second * times)

    def wider(self) -> tuple[tuple[str, LatencyPlan], ...]:
        """The same gate with a wider limit each, and how it is written."""
        main, last = self.main, len(self.edges) - 1
        found = []
        for more in range(1, _MOST_BUCKETS):
            allowed = main.allowed + more
            if allowed > last:
                break
            limit = None if main.limit is None else float(self.edges[allowed])
            wide = replace(
                main,
                limit=limit,
                buckets=main.buckets + more,
                allowed=allowed,
                known=main.known + more * (limit is not None),
            )
            words = f"versusStable {{buckets: {wide.buckets}}}" if limit is None else f"max: {limit * 1000:g}ms"
            tests = tuple(wide if test is main else test for test in self.tests)
            found.append((words, replace(self, tests=tests)))
        return tuple(found)


def _histogram(requests: Index, tails: Array) -> Array:
    """Requests per tick and bucket, (T, B+1), of a running count (T,) with these tails (B,).

    Whole ones, each put into a bucket by a sequence that fills all of them evenly; fractions where there are many.
    """
    total, ticks = int(requests[-1]), np.diff(requests, prepend=0)
    if total > _WHOLE:
        whole = np.concatenate([[1.0], tails, [0.0]])
        return np.asarray(ticks[:, None] * (whole[:-1] - whole[1:]))
    bucket = np.searchsorted(-tails, -(((np.arange(total) + 0.5) * _GOLDEN) % 1.0), side="left")
    tick = np.repeat(np.arange(len(ticks)), ticks)
    width = len(tails) + 1
    return np.bincount(tick * width + bucket, minlength=len(ticks) * width).reshape(-1, width).astype(float)
