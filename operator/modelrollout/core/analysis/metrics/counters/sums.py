"""A sum over several processes falls where one of them leaves, and rises where it is back: neither was counted.

Series of a recording rule, or a federation of them, belong to no instance. That one falls is no sign that it starts
again at 0: what is left is what the others have counted, all their lives. Only a value that a sum could have reached
since its last sample counts from 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from modelrollout.core.analysis.metrics.counters.families import Bundle
from modelrollout.core.analysis.metrics.counters.usable import (
    BURST,
    FAR,
    FASTEST_ELEMENTS,
    FASTEST_REQUESTS,
    bad_samples,
    usual_growth,
)
from modelrollout.core.analysis.metrics.model_series import Arm
from modelrollout.core.analysis.metrics.series import Labels, Millis, Series, host_of
from modelrollout.core.analysis.stats.arrays import Array

BACK = 300_000
"""Milliseconds within which a process that left a sum may be back in it with all that it had counted."""
_STEPS = 3.0
"""What left must be so many times what the sum usually grows by: less cannot be told from growth when it is back."""


def steadied(found: Iterable[Bundle]) -> list[Bundle]:
    """The same counters, those of no instance without the falls and returns of processes."""
    bundles = list(found)
    sums = [one for one in bundles if not host_of(one.target)]
    usual: dict[str, float] = {}
    groups: dict[tuple[Labels, Arm], list[Bundle]] = {}
    for one in sums:
        name = one.family[1]
        usual[name] = max([usual.get(name, 1.0), *(usual_growth(each) for each in one.members.values())])
        groups.setdefault((one.process, one.channel.arm), []).append(one)
    changed: dict[int, Bundle] = {}
    for group in groups.values():
        changed.update(zip(map(id, group), _without_leavings(group, usual), strict=True))
    return [changed.get(id(one), one) for one in bundles]


@dataclass(frozen=True)
class _Sum:
    """One counter of a sum without its bad samples, and what is usual for it between two scrapes."""

    times: Millis
    values: Array
    usual: float

    def far(self) -> Array:
        """For each sample but the first: what nobody counts since the one before."""
        gaps = np.diff(self.times)
        found: Array = FAR * self.usual * np.maximum(gaps / max(float(np.median(gaps)), 1.0), 1.0)
        return found

    def leavings(self) -> Millis:
        """When it fell to more than it could have counted since."""
        if not (np.diff(self.values) < 0).any():
            return self.times[:0]
        return self.times[1:][(np.diff(self.values) < 0) & (self.values[1:] > self.far())]

    def returns(self, left: Millis) -> list[int]:
        """When it rose by what had left it shortly before, or by more than it can have counted while that is open."""
        found, owed = list[int](), 0.0
        steps, far = np.diff(self.values), self.far()
        for number, start in enumerate(left.tolist()):
            end = left[number + 1] if number + 1 < len(left) else start + BACK
            first, last = np.searchsorted(self.times, (start, min(int(end), start + BACK)))
            if first == 0 or first == len(self.times) or self.times[first] != start:
                continue
            owed += max(-float(steps[first - 1]), 0.0)
            for at in range(int(first), int(last) - 1):
                enough = steps[at] >= owed > _STEPS * self.usual
                if owed and (enough or steps[at] > far[at]):
                    found.append(int(self.times[at + 1]))
                    owed = max(owed - float(steps[at]), 0.0)
        return found

    def shifts(self, left: Millis, back: Millis) -> tuple[Millis, Array]:
        """(from when on, by how much) the counter is raised, so that it goes on as if nobody had left."""
        at = np.flatnonzero(np.isin(self.times[1:], np.union1d(left, back)))
        moved, owed = np.zeros(len(at)), 0.0
        for number, step in enumerate(np.diff(self.values)[at].tolist()):
            moved[number] = max(-step, 0.0) if self.times[at[number] + 1] in left else -min(max(step, 0.0), owed)
            owed += moved[number]
        return self.times[1:][at], np.cumsum(moved)


def _without_leavings(group: Sequence[Bundle], usual: dict[str, float]) -> list[Bundle]:
    """The counters of one sum: what leaves it, and is back, does so in all of them."""
    known = [{detail: _sum_of(one, each, usual) for detail, each in one.members.items()} for one in group]
    every = [each for members in known for each in members.values() if len(each.times) > 1]
    left = _union([each.leavings() for each in every])
    if not len(left):
        return list(group)
    back = _union([np.array(each.returns(left), dtype=np.int64) for each in every])
    return [
        one.with_members({d: _raised(each, *members[d].shifts(left, back)) for d, each in one.members.items()})
        for one, members in zip(group, known, strict=True)
    ]


def _sum_of(bundle: Bundle, one: Series, usual: dict[str, float]) -> _Sum:
    grows = usual[bundle.family[1]]
    fastest = FASTEST_ELEMENTS if bundle.counts_elements else FASTEST_REQUESTS
    good = ~bad_samples(one, fastest, BURST * grows)
    return _Sum(one.times[good], one.values[good], grows)


def _raised(one: Series, since: Millis, by: Array) -> Series:
    if not by.any():
        return one
    raised = np.concatenate([[0.0], by])[since.searchsorted(one.times, "right")]
    return Series(one.labels, one.times, one.values + raised)


def _union(found: Sequence[Millis]) -> Millis:
    return np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)
