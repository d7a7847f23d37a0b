"""A bad sample leaves its scrape out of its whole family, so that what is compared was counted over the same time.

But an edge of a histogram that stays bad ends there, as one that is no longer exported: the others are compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from modelrollout.core.analysis.metrics.counters.families import Bundle, Family, times_of
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

SCRAPES_APART = 2.5
"""A family without a good sample for so many scrape intervals, while bad ones come in, cannot be judged."""
Key = tuple[str, Arm]
Unread = tuple[str, Arm, str]
"""(metric, version, layer)."""


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


def cleaned(found: Iterable[Bundle], targets: Mapping[Target, TargetScrapes], grid: Grid, scrape: float) -> Cleaned:
    """Every family without the scrapes at which one of its counters was bad. `scrape`: configured interval, seconds."""
    families: dict[Family, list[Bundle]] = {}
    for one in found:
        families.setdefault(one.family, []).append(one)
    kept: list[Bundle] = []
    left_out: dict[Key, LeftOut] = {}
    unreadable: set[Unread] = set()
    for members in families.values():
        known = targets[members[0].target].gap
        gap = scrape * 1000 if known is None else known
        bad, ended = _bad_times(members, grid, left_out, gap)
        if not len(bad) and not ended:
            kept += members
            continue
        if ended or _without_good(times_of(members), bad, grid, gap):
            unreadable |= {(one.channel.metric, one.channel.arm, one.channel.layer) for one in members}
        kept += [one for one in (_without(bundle, bad, ended) for bundle in members) if one.members]
    return Cleaned(tuple(kept), left_out, frozenset(unreadable))


def _bad_times(
    members: Sequence[Bundle], grid: Grid, left_out: dict[Key, LeftOut], gap: float
) -> tuple[Millis, dict[Labels, Millis]]:
    """(times to be left out of the whole family, those of each edge that stays bad, by its labels)."""
    usual = max(usual_growth(one) for bundle in members for one in bundle.members.values())
    burst = BURST * usual if usual else np.inf
    found: list[Millis] = []
    ended: dict[Labels, Millis] = {}
    for bundle in members:
        fastest = FASTEST_ELEMENTS if bundle.counts_elements else FASTEST_REQUESTS
        for detail, one in bundle.members.items():
            bad = bad_samples(one, fastest, burst)
            if bad.any():
                if detail != bundle.whole and _without_good(one.times, one.times[bad], grid, gap):
                    ended[bundle.names[detail]] = one.times[bad]
                else:
                    found.append(one.times[bad])
                _count(bundle, one, one.times[bad], grid, left_out)
        found += _holes(bundle)
    return np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64), ended


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


def _without(bundle: Bundle, bad: Millis, ended: Mapping[Labels, Millis]) -> Bundle:
    members = {}
    for detail, one in bundle.members.items():
        keep = ~np.isin(one.times, bad) & ~np.isin(one.times, ended.get(bundle.names[detail], bad))
        if keep.any():
            members[detail] = Series(one.labels, one.times[keep], one.values[keep])
    return bundle.with_members(members)
