"""A series that continues another has not begun at 0: growth across is the difference to its twin's last sample.

A counter gets another name while it runs: a label is added, removed, renamed or changed, a scrape job is renamed, a
port moves. To Prometheus that is a new series whose first value is the counter's whole life. It continues its twin if
both count the same thing (metric, version, layer, detail) at the same place (job and instance, or the same host under
another job or port), the twin ends within FEW scrapes of its start (or both lie on one rising line while they
overlap), and it starts at the twin's last value or as far above it as it grows in that time. A lower start is a reset.
docs/decisions.md says what this cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from modelrollout.core.analysis.metrics.counters.families import Bundle, times_of
from modelrollout.core.analysis.metrics.counters.usable import FAR, usual_growth
from modelrollout.core.analysis.metrics.scrapes import TargetScrapes
from modelrollout.core.analysis.metrics.series import Labels, Millis, Series, Target, one_per_time
from modelrollout.core.analysis.metrics.series_reader import Channel

FEW = 5
"""Scrapes between a series' end and the start of the one that continues it, or that both may overlap."""
AWAY = 1.5
"""Scrape intervals without a sample after which a name may have stood for nothing."""
TOGETHER = 3
"""Steps that two series must have grown by together to be one counter although neither ends."""
Began = frozenset[Labels] | set[Labels]


@dataclass(frozen=True)
class Chain:
    """One counter (or histogram) under all the names that it had, oldest first."""

    bundle: Bundle
    """The samples under all names; labels and target are those of the newest."""
    zero: Mapping[str, bool]
    """By member: whether its first sample counts in full."""
    called: frozenset[Labels]
    """The labels that it had."""


class Continuation:
    """Joins the series of one store. `began`: those whose target had been up before; `scrape` in seconds."""

    def __init__(
        self, found: Iterable[Bundle], targets: Mapping[Target, TargetScrapes], began: Began, scrape: float
    ) -> None:
        self._bundles = tuple(found)
        self._targets = targets
        self._began = began
        self._scrape = scrape
        self._usual: dict[tuple[Target, str], float] = {}
        self._families: dict[tuple[Target, str], list[Bundle]] = {}
        for one in self._bundles:
            self._families.setdefault(one.family[:2], []).append(one)

    def chains(self) -> Iterator[Chain]:
        """Every counter once, under all the names that it had."""
        places: dict[tuple[Channel, str], list[Bundle]] = {}
        for one in self._bundles:
            places.setdefault((one.channel, _host(one.target)), []).append(one)
        for group in places.values():
            if len(group) == 1:
                yield self._alone(group[0])
                continue
            every = times_of(group)
            parts = (part for one in group for part in self._parts(one, every))
            yield from self._joined(sorted(parts, key=lambda one: (one.first, one.labels)))

    def _parts(self, bundle: Bundle, every: Millis) -> list[Bundle]:
        """The bundle, cut where others of its place were scraped and it was not.

        A name that comes back continues whatever the counter was called meanwhile.
        """
        times = times_of([bundle])
        gap = self._targets[bundle.target].gap or self._scrape * 1000
        long = np.diff(times) > AWAY * gap
        if not long.any():
            return [bundle]
        others = np.searchsorted(every, times[1:]) - np.searchsorted(every, times[:-1], side="right") > 0
        return [part for part in bundle.cut(times[1:][long & others].tolist()) if part.members]

    def _joined(self, parts: list[Bundle]) -> list[Chain]:
        chains: list[Chain] = []
        for _, cohort in groupby(parts, key=lambda one: one.first):
            born = list(cohort)
            pairs = [
                (rank, old, new)
                for old, chain in enumerate(chains)
                for new, bundle in enumerate(born)
                if (rank := self._rank(chain, bundle)) is not None
            ]
            taken: dict[int, int] = {}
            for _, old, new in sorted(pairs):
                if old not in taken and new not in taken.values():
                    taken[old] = new
                    chains[old] = self._joined_pair(chains[old], born[new])
            for one in (one for at, one in enumerate(born) if at not in taken.values()):
                same = next((at for at, chain in enumerate(chains) if one.labels in chain.called), None)
                if same is None:
                    chains.append(self._alone(one))
                else:
                    chains[same] = self._joined_pair(chains[same], one)
        return chains

    def _alone(self, bundle: Bundle) -> Chain:
        zero = {detail: self._from_zero(bundle, detail) for detail in bundle.members}
        return Chain(bundle, zero, frozenset({bundle.labels}))

    def _joined_pair(self, chain: Chain, new: Bundle) -> Chain:
        members, zero = dict(chain.bundle.members), dict(chain.zero)
        for detail, one in new.members.items():
            old = members.get(detail)
            members[detail] = one if old is None else _spliced(old, one)
            zero.setdefault(detail, self._from_zero(new, detail))
        return Chain(new.with_members(members), zero, chain.called | {new.labels})

    def _from_zero(self, bundle: Bundle, detail: str) -> bool:
        """A life that is far longer than what its family grows by in one scrape was lived before, unseen."""
        if bundle.names[detail] not in self._began:
            return False
        one, usual = bundle.members[detail], self._usual_of(bundle)
        return not usual or float(one.values[0]) <= FAR * usual * self._scrapes(bundle, bundle.born, int(one.times[0]))

    def _rank(self, chain: Chain, new: Bundle) -> tuple[bool, float, int, float, Labels] | None:
        """How well `new` continues the chain, the smallest best; None where it does not."""
        old, moved = chain.bundle, chain.bundle.target != new.target
        shared = [detail for detail in new.members if detail in old.members]
        if not shared or not old.first < new.first or _young(chain):
            return None
        pairs = [(old.members[detail], new.members[detail]) for detail in shared]
        late = self._scrapes(new, old.last, new.first)
        apart = self._scrapes(new, new.first, old.last) > FEW and not _together(*pairs[-1])
        if late > FEW or apart or not all(_rising(*pair) for pair in pairs):
            return None
        grown, usual = max(_step(*pair) for pair in pairs), max(self._usual_of(old), self._usual_of(new))
        if grown > FAR * usual * late and (moved or usual):
            return None
        alike = len(frozenset(old.labels) & frozenset(new.labels))
        return moved, round(late), -alike, grown, old.labels

    def _scrapes(self, bundle: Bundle, start: int, end: int) -> float:
        """The time from `start` to `end` in scrape intervals of the bundle's target, at least one."""
        gap = self._targets[bundle.target].gap
        return max((end - start) / (self._scrape * 1000 if gap is None else gap), 1.0)

    def _usual_of(self, bundle: Bundle) -> float:
        """What the busiest counter of the family at that target grows by between two scrapes."""
        key = bundle.family[:2]
        if key not in self._usual:
            members = (one for each in self._families[key] for one in each.members.values())
            self._usual[key] = max(usual_growth(one) for one in members)
        return self._usual[key]


def _host(target: Target) -> str:
    """The host of an instance, without its port."""
    host, colon, port = target[1].rpartition(":")
    return host if colon and port.isdecimal() else target[1]


def _young(chain: Chain) -> bool:
    """One sample, counted from 0: what comes next with that much is as likely another short life (a crash loop)."""
    one = chain.bundle
    return len(one.top.times) < 2 and chain.zero[one.whole]  # noqa: PLR2004 - seen to live on by a second sample


def _spliced(old: Series, new: Series) -> Series:
    return Series(
        new.labels,
        *one_per_time(np.concatenate([old.times, new.times]), np.concatenate([old.values, new.values])),
    )


def _rising(old: Series, new: Series) -> bool:
    """Whether both read the same at the scrapes that they share; without any, whether both lie on one rising line.

    The line starts at the old one's last sample before the new one and ends at the new one's first after the old one.
    """
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
