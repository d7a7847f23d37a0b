"""Which chain a series that has just begun continues: it counts the same, starts where that one ends, and no lower."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from modelrollout.core.analysis.metrics.counters.chain import Chain
from modelrollout.core.analysis.metrics.counters.families import Bundle
from modelrollout.core.analysis.metrics.counters.processes import FEW, Processes, Telling
from modelrollout.core.analysis.metrics.counters.usable import FAR
from modelrollout.core.analysis.metrics.scrapes import SURE_OF_THE_NEXT
from modelrollout.core.analysis.metrics.series import Labels, Series, Target

TOGETHER = 3
"""Steps that two series must have grown by together to be one counter although neither ends."""
AWAY = 1.5
"""Scrape intervals without a sample after which a name may have stood for nothing."""
SHORT_LIFE = 3.0
"""A life that was scraped once has counted no more than so many times what its family grows by between two scrapes."""
MOST_PAIRS = 10_000
"""Of ends and starts at one time; among more, each start is compared with the end just below it in value alone."""


class Rank(NamedTuple):
    """How near a chain is to a new name, the smallest nearest."""

    told: int
    """How many labels tell them apart."""
    beside: bool
    """Whether they were scraped at other times: a federation keeps those of each process."""
    late: int
    moved: bool
    other: int
    refused: bool
    grown: float
    labels: Labels


How = Literal["goes on", "began", "unknown"]
"""Whether the new one is the chain under another name, its process was reset and this began at 0, or nobody knows."""


class Near(NamedTuple):
    """The chain that is nearest to a new name."""

    chain: int
    how: How


class Twins:
    """Of one store. `began`: the series whose target had been up before."""

    def __init__(self, processes: Processes, began: frozenset[Labels] | set[Labels]) -> None:
        self._known = processes
        self._began = began

    def lately(self, chains: Mapping[int, Chain], start: int, target: Target) -> dict[int, Chain]:
        """The chains that have not ended long before `start`."""
        oldest = start - FEW * self._known.gap(target)
        return {at: chain for at, chain in chains.items() if chain.last >= oldest}

    def pairs(self, chains: Mapping[int, Chain], born: Sequence[Bundle], telling: Telling) -> dict[int, Near]:
        """What is known of each new one, by its index, from the nearest chain; each chain goes on as one of them.

        A new one whose nearest chain does not go on, or may not, continues none further away: it would count again what
        lies between.
        """
        if len(chains) * len(born) > MOST_PAIRS:
            near = _nearest(chains, born)
        else:
            near = [(old, new) for old in chains for new in range(len(born))]
        known = ((self._rank(chains[old], born[new], telling), old, new) for old, new in near)
        ranked = [(rank, old, new) for rank, old, new in known if rank is not None]
        found: dict[int, Near] = {}
        taken = set()
        for rank, old, new in sorted(ranked):
            if old not in taken and new not in found:
                found[new] = Near(old, self._how(chains[old], born[new], refused=rank.refused))
                if found[new].how == "goes on":
                    taken.add(old)
        return found

    def _how(self, chain: Chain, new: Bundle, *, refused: bool) -> How:
        other_port = chain.bundle.target[1] != new.target[1]
        if other_port and chain.last + self._known.gap(new.target) >= self._known.newest:
            return "unknown"  # two ports may be two processes: only one of them that has ended has moved
        if refused:
            fell = chain.last < new.first and self._known.falls(chain.bundle, new)
            return "began" if fell and not self._known.has_lived(new) else "unknown"
        whole = new.whole
        small = float(new.top.values[0]) <= SHORT_LIFE * (self._known.usual_of(new) or np.inf)
        young = small and chain.another_life(new, may_begin=self.may_begin(new, whole))
        return "unknown" if young else "goes on"

    def may_begin(self, bundle: Bundle, detail: str) -> bool:
        """Whether a member can have begun at 0: its target was up before, and no life was lived before, unseen."""
        return bundle.names[detail] in self._began and not self._known.has_lived(bundle)

    def _rank(self, chain: Chain, new: Bundle, telling: Telling) -> Rank | None:
        """How near the chain is to `new`, and whether it can go on as it; None where they have nothing in common."""
        old, moved = chain.bundle, chain.bundle.target != new.target
        late = self._known.scrapes(new.target, chain.last, new.first)
        shared = [detail for detail in new.members if detail in old.members]
        told = _told(old.labels, new, telling)
        before = (chain.first, old.born) < (new.first, new.born)  # of two with one first good sample, a bad one tells
        if late > FEW or not shared or not before or told is None:
            return None
        pairs = [(old.members[detail], new.members[detail]) for detail in shared]
        if self._apart(chain, new) and not _together(*pairs[-1]):
            return None
        soon = new.first < chain.last + SURE_OF_THE_NEXT * self._known.gap(new.target)
        beside = soon and not len(np.intersect1d(old.top.times, new.top.times))
        grown, usual = max(_step(*pair) for pair in pairs), max(self._known.usual_of(old), self._known.usual_of(new))
        far = grown > FAR * usual * late and (moved or usual > 0)
        refused = far or not all(_rising(*pair) for pair in pairs) or self._known.falls(old, new)
        alike = len(frozenset(old.labels) & frozenset(new.labels))
        return Rank(told, beside and not moved, round(late), moved, -alike, refused, grown, old.labels)

    def _apart(self, chain: Chain, new: Bundle) -> bool:
        """Whether the chain was there beside the new one for so long that they are two counters."""
        target = new.target
        if self._known.scrapes(target, new.first, chain.last) <= FEW:
            return False
        return self._known.scrapes(target, new.first, _unbroken(chain.bundle, new.first, self._known.gap(target))) > FEW


def _unbroken(old: Bundle, since: int, gap: float) -> int:
    """The last time until which `old` was there from `since` on; `gap` between two scrapes (ms).

    A name that goes and comes back later was not there beside another meanwhile.
    """
    every = np.union1d(old.top.times, old.seen)
    times = every[max(int(np.searchsorted(every, since, side="right")) - 1, 0) :]
    breaks = np.flatnonzero(np.diff(times) > AWAY * gap)
    return int(times[breaks[0]] if len(breaks) else times[-1])


def _told(old: Labels, new: Bundle, telling: Telling) -> int | None:
    """How many labels tell them apart; None where `new` is known to be another, since its value was there before."""
    after, found = dict(new.labels), 0
    for name, value in old:
        if name in telling and after.get(name, value) != value:
            if telling[name].get(after[name], new.first) < new.first:
                return None
            found += 1
    return found


def _nearest(chains: Mapping[int, Chain], born: Sequence[Bundle]) -> list[tuple[int, int]]:
    """Each new one, from the lowest, with the highest end at or below its start that is left.

    The sum over all of them is what they have grown by, whichever is taken for which.
    """
    ends = sorted((float(chain.bundle.top.values[-1]), at) for at, chain in chains.items())
    starts = sorted((float(one.top.values[0]), at) for at, one in enumerate(born))
    found, below, next_end = [], [], 0
    for value, new in starts:
        while next_end < len(ends) and ends[next_end][0] <= value:
            below.append(ends[next_end][1])
            next_end += 1
        if below:
            found.append((below.pop(), new))
    return found


def _rising(old: Series, new: Series) -> bool:
    """Whether both read the same at the scrapes that they share; without any, whether both lie on one rising line.

    The line starts at the old one's last sample before the new one and ends at the new one's first after the old one.
    """
    if old.times[-1] < new.times[0]:
        return bool(old.values[-1] <= new.values[0])
    _, mine, theirs = np.intersect1d(old.times, new.times, assume_unique=True, return_indices=True)
    if len(mine):
        return bool((old.values[mine] == new.values[theirs]).all())
    before = max(int(np.searchsorted(old.times, new.times[0])) - 1, 0)
    after = int(np.searchsorted(new.times, old.times[-1])) + 1
    times = np.concatenate([old.times[before:], new.times[:after]])
    values = np.concatenate([old.values[before:], new.values[:after]])
    return bool((np.diff(values[np.argsort(times)]) >= 0).all())


def _step(old: Series, new: Series) -> float:
    before = max(int(np.searchsorted(old.times, new.times[0], side="right")) - 1, 0)
    return float(new.values[0] - old.values[before])


def _together(old: Series, new: Series) -> bool:
    """Whether both have grown while both were there (along one line, as _rising has it)."""
    within = old.values[old.times >= new.times[0]]
    return int((np.diff(within) > 0).sum()) >= TOGETHER
