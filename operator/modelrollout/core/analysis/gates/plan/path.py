"""The way of a rollout over its steps: which weight in which tick, where the gates let it go on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from modelrollout.api.spec import Spec
from modelrollout.core.analysis.stats.arrays import Array, Flags, Index

MOST_TICKS = 1000
"""A longer deadline is looked at in longer ticks: a forecast may be that coarse, and must be quick."""
_MEDIAN = 0.307
"""The median of a Poisson count is about its expectation less 1 - ln 2: bad ones come that much later than expected."""


@dataclass(frozen=True)
class Path:
    """Ticks from the first weight to the deadline. `weight` (T,) is the candidate's part of the requests."""

    interval: float
    weight: Array
    begins: tuple[int, ...]
    """The tick in which each step so far begins."""
    warmup: float = 0.0

    @property
    def seconds(self) -> Array:
        """Ends of the ticks, counted from the first weight."""
        ends: Array = self.interval * np.arange(1.0, len(self.weight) + 1)
        return ends

    @property
    def restarts(self) -> Flags:
        """The first tick under each weight."""
        flags = np.zeros(len(self.weight), dtype=bool)
        flags[list(self.begins)] = True
        return flags

    @property
    def warming(self) -> Flags:
        """Ticks within the warm-up after a raise."""
        flags = np.zeros(len(self.weight), dtype=bool)
        for begin in self.begins:
            flags[begin : begin + math.ceil(self.warmup / self.interval - 1e-9)] = True
        return flags

    def whole(self, per_second: float) -> tuple[Index, Index]:
        """(candidate's, stable's) requests up to the end of each tick, in whole ones, at so many of both a second."""
        sent = per_second * self.interval * np.stack([self.weight, 1 - self.weight])
        both = np.floor(np.cumsum(sent, axis=-1) + 1e-9).astype(np.intp)
        return both[0], both[1]


def bad_of(requests: Index, share: float, *, median: bool = True) -> Array:
    """Bad ones per tick among so many requests so far: as many as the median (or as the mean) of a rollout has."""
    bad = np.floor(requests * min(share, 1.0) + (_MEDIAN if median else 0.5))
    return np.diff(bad, prepend=0.0)


def per_tick(so_far: Index) -> Array:
    """Increments of a running count."""
    return np.diff(so_far, prepend=0).astype(float)


@dataclass(frozen=True)
class Course:
    """What one gate says at the end of each tick, (T,)."""

    failing: Flags
    passing: Flags
    leaning: Flags
    """Whether it would hold a step."""


def course_of(tests: Iterable[Course]) -> Course:
    """Of a gate with several tests, at least one: it fails by any, passes by all, and leans by any."""
    every = list(tests)
    failing = np.logical_or.reduce([one.failing for one in every])
    passing = np.logical_and.reduce([one.passing for one in every])
    return Course(failing, passing & ~failing, np.logical_or.reduce([one.leaning for one in every]))


class GatePlan(Protocol):
    """One gate before stable's traffic."""

    @property
    def name(self) -> str: ...

    @property
    def required(self) -> bool: ...

    @property
    def stable_words(self) -> str: ...

    @property
    def allowed_words(self) -> str: ...

    def course(self, path: Path, multiple: float) -> Course:
        """Along `path`, where the candidate has `multiple` times stable's share of bad ones."""

    def allows(self, multiple: float) -> bool:
        """Whether so many times stable's share is within the limit."""

    def share_words(self, multiple: float) -> str:
        """So many times stable's share, as people read it."""

    def busier(self, times: float) -> GatePlan:
        """The same gate at so many times the traffic."""


@dataclass(frozen=True)
class Walk:
    """A rollout to its deadline, and what each gate said on the way."""

    path: Path
    courses: tuple[Course, ...]


def before_traffic(spec: Spec) -> float:
    """Seconds of the deadline that a ready candidate spends at weight 0: the pre-flight, and copies of requests."""
    copies = spec.mirrored.hold if spec.mirrored is not None else 0.0
    asked = spec.preflight
    return copies if asked is None else copies + spec.analysis.interval + (asked.sending or 0.0)


def walk(spec: Spec, requests_per_second: float, gates: Sequence[GatePlan], multiple: float = 1.0) -> Walk:
    """Each step lasts its hold, and until the requests are there and none of the required `gates` leans bad."""
    analysis = spec.analysis
    span = max(analysis.deadline - analysis.ready_for - before_traffic(spec), analysis.interval)
    steps = spec.weighted
    interval = max(analysis.interval, span / MOST_TICKS)
    count = max(1, math.floor(span / interval + 1e-9))
    path = Path(interval, np.full(count, steps[0].weight / 100), (0,), analysis.warmup)
    for index, step in enumerate(steps):
        courses = tuple(gate.course(path, multiple) for gate in gates)
        if index + 1 == len(steps):
            break
        begin = path.begins[-1]
        candidate, _ = path.whole(requests_per_second)
        enough = candidate - (candidate[begin - 1] if begin else 0) >= analysis.minimum_requests
        held = np.zeros(count, dtype=bool)
        for gate, course in zip(gates, courses, strict=True):
            held |= course.leaning & gate.required
        done = np.flatnonzero(enough & ~held & (np.arange(count) + 1 >= begin + step.hold / interval - 1e-9))
        if not len(done) or done[0] + 1 >= count:
            break
        weight = path.weight.copy()
        weight[done[0] + 1 :] = steps[index + 1].weight / 100
        path = Path(interval, weight, (*path.begins, int(done[0]) + 1), analysis.warmup)
    return Walk(path, courses)


def first(flags: Flags, path: Path) -> float | None:
    """Seconds from the first weight to the first tick that is flagged; None where none is."""
    found = np.flatnonzero(flags)
    return None if not len(found) else float(path.seconds[found[0]])
