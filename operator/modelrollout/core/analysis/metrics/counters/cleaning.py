"""A bad sample leaves its scrape out of its whole family, so that what is compared was counted over the same time.

But an edge of a histogram that stays bad ends there, as one that is no longer exported: the others are compared. Any
other counter that stays bad, a histogram's total too, stops its family; what the rest of it counts meanwhile is kept
apart (withheld.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from modelrollout.core.analysis.metrics.counters.alignment import aligned
from modelrollout.core.analysis.metrics.counters.families import HISTOGRAMS, Bundle, Family, times_of
from modelrollout.core.analysis.metrics.counters.usable import (
    BURST,
    FASTEST_ELEMENTS,
    FASTEST_REQUESTS,
    are_numbers,
    bad_samples,
    usual_growth,
)
from modelrollout.core.analysis.metrics.grid import Grid
from modelrollout.core.analysis.metrics.model_series import Arm
from modelrollout.core.analysis.metrics.scrapes import TargetScrapes
from modelrollout.core.analysis.metrics.series import Labels, Millis, Series, Target
from modelrollout.core.analysis.stats.arrays import Flags

SCRAPES_APART = 2.5
"""A family without a good sample for so many scrape intervals, while bad ones come in, cannot be judged."""
Key = tuple[str, Arm]
Unread = tuple[str, Arm, str]
"""(metric, version, layer)."""
Kind = tuple[str, str]
"""(metric, detail) of a counter."""


@dataclass(frozen=True)
class LeftOut:
    """Bad samples since the rollout started: how many, and when the last one was scraped (epoch seconds)."""

    samples: int
    last: float


@dataclass(frozen=True)
class Cleaned:
    """The counters without bad samples, and what is to be said about those."""

    bundles: tuple[Bundle, ...]
    left_out: Mapping[Key, LeftOut]
    unreadable: frozenset[Unread]
    """What is scraped now and has had no good sample lately."""
    rest: tuple[Bundle, ...]
    """The same counters, where one that stays bad ends there and its family goes on."""
    stopped: Mapping[Family, frozenset[Kind]]
    """Which kinds of counters those are, by family."""


def cleaned(found: Iterable[Bundle], targets: Mapping[Target, TargetScrapes], grid: Grid, scrape: float) -> Cleaned:
    """Every family without the scrapes at which one of its counters was bad. `scrape`: configured interval, seconds."""
    families: dict[Family, list[Bundle]] = {}
    for one in found:
        families.setdefault(one.family, []).append(one)
    kept: list[Bundle] = []
    rest: list[Bundle] = []
    left_out: dict[Key, LeftOut] = {}
    unreadable: set[Unread] = set()
    stopped: dict[Family, frozenset[Kind]] = {}
    for family, found_here in families.items():
        known = targets[family[0]].gap
        gap = scrape * 1000 if known is None else known
        members = [aligned(one, gap) for one in found_here]
        bad = _bad_times(members, grid, left_out, gap)
        if bad.none:
            kept += members
            rest += members
            continue
        if bad.ended or bad.stopped or _without_good(times_of(members), bad.all_times, grid, gap):
            unreadable |= {(one.channel.metric, one.channel.arm, one.channel.layer) for one in members}
        whole = _all_without(members, bad.all_times, bad.ended)
        kept += whole
        rest += _all_without(members, bad.times, bad.ended | bad.stopped) if bad.stopped else whole
        if bad.stopped:
            stopped[family] = frozenset(bad.kinds)
    return Cleaned(tuple(kept), left_out, frozenset(unreadable), tuple(rest), stopped)


@dataclass
class _Bad:
    """Bad samples of one family."""

    found: list[Millis] = field(default_factory=list)
    """Times to be left out of the whole family."""
    ended: dict[Labels, Millis] = field(default_factory=dict)
    """Those of each edge that stays bad, by its labels."""
    stopped: dict[Labels, Millis] = field(default_factory=dict)
    """Those of each other counter, or total, that stays bad, since its last good sample."""
    kinds: set[Kind] = field(default_factory=set)
    """Which those are."""

    @property
    def none(self) -> bool:
        return not (self.found or self.ended or self.stopped)

    @property
    def times(self) -> Millis:
        return _union(self.found)

    @property
    def all_times(self) -> Millis:
        """With those at which the family is stopped."""
        return _union([*self.found, *self.stopped.values()])


def _union(found: list[Millis]) -> Millis:
    return np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)


def _bad_times(members: Sequence[Bundle], grid: Grid, left_out: dict[Key, LeftOut], gap: float) -> _Bad:
    usual = max(usual_growth(one) for bundle in members for one in bundle.members.values())
    burst = BURST * usual if usual else np.inf
    found = _Bad()
    for bundle in members:
        fastest = FASTEST_ELEMENTS if bundle.counts_elements else FASTEST_REQUESTS
        for detail, one in bundle.members.items():
            flags = bad_samples(one, fastest, burst, bundle.restarts)
            if flags.any():
                _sort(found, bundle, detail, flags, stays=_without_good(one.times, one.times[flags], grid, gap))
                _count(bundle, one, one.times[flags], grid, left_out)
        found.found += _holes(bundle)
    return found


def _sort(found: _Bad, bundle: Bundle, detail: str, flags: Flags, *, stays: bool) -> None:
    """Where the bad samples of one counter belong; `stays`: whether it has had no good one lately."""
    times, edged = bundle.members[detail].times, bundle.channel.metric in HISTOGRAMS
    if stays and edged and detail != bundle.whole:
        found.ended[bundle.names[detail]] = times[flags]
    elif stays:
        good = np.flatnonzero(~flags)
        since = int(good[-1]) + 1 if len(good) else 0
        found.stopped[bundle.names[detail]] = times[since:]
        found.kinds.add((bundle.channel.metric, detail if edged else bundle.channel.detail))
        if flags[:since].any():
            found.found.append(times[:since][flags[:since]])
    else:
        found.found.append(times[flags])


def _count(bundle: Bundle, one: Series, bad: Millis, grid: Grid, left_out: dict[Key, LeftOut]) -> None:
    """A number at the newest scrape may still be confirmed by the next: it is not spoken of yet."""
    if bad[-1] == one.times[-1] and bool(are_numbers(one.values[-1:])[0]):
        bad = bad[:-1]
    end = grid.origin + (grid.last + 1) * grid.interval
    within = bad[(bad > grid.origin) & (bad <= end)]
    if not len(within):
        return
    key = (bundle.channel.metric, bundle.channel.arm)
    before = left_out.get(key, LeftOut(0, 0.0))
    left_out[key] = LeftOut(before.samples + len(within), max(before.last, float(within[-1]) / 1000))


def _holes(bundle: Bundle) -> list[Millis]:
    """Scrapes at which a histogram lacks an edge that it has before and after."""
    longest = max((one.times for one in bundle.members.values()), key=len)
    found = []
    for one in bundle.members.values():
        if len(one.times) != len(longest) or not np.array_equal(one.times, longest):
            within = longest[(longest > one.times[0]) & (longest < one.times[-1])]
            found.append(np.setdiff1d(within, one.times))
    return [times for times in found if len(times)]


def _without_good(times: Millis, bad: Millis, grid: Grid, gap: float) -> bool:
    end = grid.origin + (grid.last + 1) * grid.interval
    times = times[times <= end]
    if not len(times) or times[-1] < end - SCRAPES_APART * gap or times[-1] not in bad:
        return False
    good = np.setdiff1d(times, bad)
    return not len(good) or bool(times[-1] - good[-1] > SCRAPES_APART * gap)


def _all_without(members: Iterable[Bundle], bad: Millis, ended: Mapping[Labels, Millis]) -> list[Bundle]:
    return [one for one in (_without(bundle, bad, ended) for bundle in members) if one.members]


def _without(bundle: Bundle, bad: Millis, ended: Mapping[Labels, Millis]) -> Bundle:
    members = {}
    for detail, one in bundle.members.items():
        keep = ~np.isin(one.times, bad) & ~np.isin(one.times, ended.get(bundle.names[detail], bad))
        if keep.any():
            members[detail] = Series(one.labels, one.times[keep], one.values[keep])
    return bundle.with_members(members)
