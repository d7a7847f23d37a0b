"""Which chain a series that has just begun continues: it counts the same, starts where that one ends, and no lower."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from modelrollout.core.analysis.metrics.counters.chain import Chain
from modelrollout.core.analysis.metrics.counters.families import Bundle
from modelrollout.core.analysis.metrics.counters.usable import FAR, usual_growth
from modelrollout.core.analysis.metrics.scrapes import TargetScrapes
from modelrollout.core.analysis.metrics.series import Labels, Series, Target

FEW = 5
"""Scrapes between a series' end and the start of the one that continues it, or that both may overlap."""
TOGETHER = 3
"""Steps that two series must have grown by together to be one counter although neither ends."""
MOST_PAIRS = 10_000
"""Of ends and starts at one time; among more, each start is compared with the end just below it in value alone."""
Rank = tuple[bool, float, int, float, Labels]


class Twins:
    """What is known of the targets and their families in one store; `scrape`: configured interval, seconds."""

    def __init__(self, found: Sequence[Bundle], targets: Mapping[Target, TargetScrapes], scrape: float) -> None:
        self._targets = targets
        self._scrape = scrape
        self._usual: dict[tuple[Target, str], float] = {}
        self._families: dict[tuple[Target, str], list[Bundle]] = {}
        for one in found:
            self._families.setdefault(one.family[:2], []).append(one)

    def lately(self, chains: Mapping[int, Chain], start: int, target: Target) -> dict[int, Chain]:
        """The chains that have not ended long before `start`."""
        oldest = start - FEW * self.gap(target)
        return {at: chain for at, chain in chains.items() if chain.last >= oldest}

    def pairs(self, chains: Mapping[int, Chain], born: Sequence[Bundle]) -> list[tuple[int, int]]:
        """(chain, index of the new one), the best first, each taken once."""
        if len(chains) * len(born) > MOST_PAIRS:
            near = _nearest(chains, born)
        else:
            near = [(old, new) for old in chains for new in range(len(born))]
        ranked = [(rank, *pair) for pair in near if (rank := self._rank(chains[pair[0]], born[pair[1]])) is not None]
        found: list[tuple[int, int]] = []
        olds, news = set(), set()
        for _, old, new in sorted(ranked):
            if old not in olds and new not in news:
                found.append((old, new))
                olds.add(old)
                news.add(new)
        return found

    def gap(self, target: Target) -> float:
        """The usual time between two scrapes of a target, ms."""
        return self._targets[target].gap or self._scrape * 1000

    def scrapes(self, target: Target, start: int, end: int) -> float:
        """The time from `start` to `end` in scrape intervals of the target, at least one."""
        return max((end - start) / self.gap(target), 1.0)

    def usual_of(self, bundle: Bundle) -> float:
        """What the busiest counter of the family at that target grows by between two scrapes."""
        key = bundle.family[:2]
        if key not in self._usual:
            members = (one for each in self._families[key] for one in each.members.values())
            self._usual[key] = max(usual_growth(one) for one in members)
        return self._usual[key]

    def _rank(self, chain: Chain, new: Bundle) -> Rank | None:
        """How well `new` continues the chain, the smallest best; None where it does not."""
        old, moved = chain.bundle, chain.bundle.target != new.target
        late = self.scrapes(new.target, chain.last, new.first)
        shared = [detail for detail in new.members if detail in old.members]
        if late > FEW or not shared or not chain.first < new.first or chain.young:
            return None
        if old.target[1] != new.target[1] and chain.last + self.gap(new.target) >= new.last:
            return None  # two ports may be two processes: only one of them that has ended has moved
        pairs = [(old.members[detail], new.members[detail]) for detail in shared]
        apart = self.scrapes(new.target, new.first, chain.last) > FEW
        if not all(_rising(*pair) for pair in pairs) or (apart and not _together(*pairs[-1])):
            return None
        grown, usual = max(_step(*pair) for pair in pairs), max(self.usual_of(old), self.usual_of(new))
        if grown > FAR * usual * late and (moved or usual):
            return None
        alike = len(frozenset(old.labels) & frozenset(new.labels))
        return moved, round(late), -alike, grown, old.labels


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
