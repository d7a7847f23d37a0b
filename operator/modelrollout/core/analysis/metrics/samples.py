"""Raw counter samples become exact increments: each is counted once, in the tick of its own scrape.

A series is kept as it was scraped; what it grew by is the difference to its previous sample, the new value
after a reset, and its first value only where its target had been scraped before (then it began at 0).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from modelrollout.core.analysis.stats.arrays import Array, Flags

Millis = npt.NDArray[np.int64]
Labels = tuple[tuple[str, str], ...]
Target = tuple[str, str]

SCRAPES_APART = 2.5
"""A target was up before if one of its samples is at most so many scrape intervals older."""
SURE_OF_THE_NEXT = 0.8
"""The next scrape comes no sooner than this part of the usual gap."""
VISIBLE_AFTER = 0.1
"""Seconds from a scrape's timestamp until its samples can usually be read."""
_RECENT = 20


@dataclass(frozen=True)
class Series:
    """One series: its labels (sorted, with __name__), scrape times in ms (rising), values (same shape)."""

    labels: Labels
    times: Millis
    values: Array

    @property
    def target(self) -> Target:
        """(job, instance): all series of one target share the timestamps of its scrapes."""
        found = dict(self.labels)
        return found.get("job", ""), found.get("instance", "")


def make_series(labels: Mapping[str, str], points: Iterable[tuple[float, float]]) -> Series:
    """A series from (epoch seconds, value) in any order; of equal timestamps the last one given stays."""
    by_time = {round(at * 1000): value for at, value in points}
    times = np.array(sorted(by_time), dtype=np.int64)
    values = np.array([by_time[at] for at in times.tolist()], dtype=float)
    return Series(tuple(sorted(labels.items())), times, values)


@dataclass(frozen=True)
class SampleStore:
    """Every sample known of one rollout, by series: merging is idempotent and its order does not matter."""

    series: Mapping[Labels, Series] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Number of samples."""
        return sum(len(one.times) for one in self.series.values())

    @cached_property
    def targets(self) -> dict[Target, TargetScrapes]:
        """What is known of every target's scrapes."""
        return _targets_seen(self.series.values())

    def merged(self, fresh: Iterable[Series]) -> SampleStore:
        """The samples of this book and of `fresh`; one that is in both counts once."""
        entries = dict(self.series)
        for one in fresh:
            old = entries.get(one.labels)
            entries[one.labels] = one if old is None else _union(old, one)
        return SampleStore(entries)

    def since(self, start: float) -> SampleStore:
        """Only the samples after `start` (epoch seconds)."""
        edge = round(start * 1000)
        kept = {}
        for labels, one in self.series.items():
            cut = int(np.searchsorted(one.times, edge, side="right"))
            if cut < len(one.times):
                kept[labels] = Series(labels, one.times[cut:], one.values[cut:])
        return SampleStore(kept)


def _union(old: Series, fresh: Series) -> Series:
    if not len(fresh.times):
        return old
    if not len(old.times) or fresh.times[0] > old.times[-1]:
        return Series(
            old.labels,
            np.concatenate([old.times, fresh.times]),
            np.concatenate([old.values, fresh.values]),
        )
    cut = int(np.searchsorted(old.times, fresh.times[0]))  # what is older than all of `fresh` stays as it is
    times = np.concatenate([fresh.times, old.times[cut:]])
    values = np.concatenate([fresh.values, old.values[cut:]])
    unique, first = np.unique(times, return_index=True)
    return Series(
        old.labels, np.concatenate([old.times[:cut], unique]), np.concatenate([old.values[:cut], values[first]])
    )


@dataclass(frozen=True)
class Grid:
    """Ticks first..last of a rollout; tick k covers (origin + k*interval, origin + (k+1)*interval], in ms."""

    origin: int
    interval: int
    first: int
    last: int

    @property
    def count(self) -> int:
        return self.last - self.first + 1

    @property
    def ends(self) -> Array:
        """End of every tick in epoch seconds, shape (count,)."""
        ticks = np.arange(self.first, self.last + 1)
        ends: Array = (self.origin + (ticks + 1) * self.interval) / 1000.0
        return ends

    def index(self, times: Millis) -> npt.NDArray[np.int64]:
        """Position of each time on the grid; outside 0..count-1 where the grid does not reach."""
        return (times - self.origin - 1) // self.interval - self.first

    def position(self, seconds: float) -> int:
        """Position of the first tick that begins at or after `seconds`; may lie outside the grid."""
        ahead = round(seconds * 1000) - self.origin
        return -(-ahead // self.interval) - self.first


def make_grid(origin: float, interval: float, first: int, last: int) -> Grid:
    """The grid from seconds, to the millisecond that Prometheus knows."""
    return Grid(round(origin * 1000), round(interval * 1000), first, last)


@dataclass(frozen=True)
class TargetScrapes:
    """When one target was scraped: first and last sample (ms) and the usual gap (ms; None when unknown)."""

    first: int
    last: int
    gap: float | None


def _targets_seen(series: Iterable[Series]) -> dict[Target, TargetScrapes]:
    groups: dict[Target, list[Series]] = {}
    for one in series:
        if len(one.times):
            groups.setdefault(one.target, []).append(one)
    observed = {}
    for target, members in groups.items():
        longest = max(members, key=lambda s: len(s.times))
        gaps = np.diff(longest.times[-_RECENT:])
        observed[target] = TargetScrapes(
            min(int(s.times[0]) for s in members),
            max(int(s.times[-1]) for s in members),
            float(np.median(gaps)) if len(gaps) else None,
        )
    return observed


def increments(one: Series, grid: Grid, *, from_zero: bool) -> tuple[Array, Flags, Flags]:
    """(growth, sampled, invalid) per tick, each of shape (grid.count,).

    `from_zero`: the first sample counts in full. Values that are not finite numbers >= 0 are left out and
    marked in `invalid`.
    """
    sampled, invalid = np.zeros(grid.count, dtype=bool), np.zeros(grid.count, dtype=bool)
    where = grid.index(one.times)
    inside = (where >= 0) & (where < grid.count)
    sampled[where[inside]] = True
    usable = np.isfinite(one.values) & (one.values >= 0)
    invalid[where[inside & ~usable]] = True
    where, values, inside = where[usable], one.values[usable], inside[usable]
    before = np.concatenate([[0.0 if from_zero else np.nan], values[:-1]]) if len(values) else values
    grown = np.where(values < before, values, values - before)
    counted = inside & ~np.isnan(grown)
    growth = np.bincount(where[counted], weights=grown[counted], minlength=grid.count)
    return growth.astype(float), sampled, invalid


def began_at_zero(store: SampleStore, scrape: float) -> set[Labels]:
    """The series whose first sample counts in full: their target had been scraped shortly before.

    `scrape` is the scrape interval in seconds, for targets whose own gap is not known.
    """
    observed = store.targets
    members: dict[Target, list[Millis]] = {}
    for one in store.series.values():
        members.setdefault(one.target, []).append(one.times)
    found = set()
    for labels, one in store.series.items():
        if not len(one.times) or int(one.times[0]) == observed[one.target].first:
            continue
        born, gap = int(one.times[0]), observed[one.target].gap
        oldest = born - SCRAPES_APART * (scrape * 1000 if gap is None else gap)
        if any(_any_between(times, oldest, born) for times in members[one.target]):
            found.add(labels)
    return found


def _any_between(times: Millis, low: float, high: int) -> bool:
    at = int(np.searchsorted(times, high, side="left")) - 1
    return at >= 0 and float(times[at]) >= low


@dataclass(frozen=True)
class Scrapes:
    """When the targets are scraped, as far as the samples tell. `scrape`: configured interval, seconds."""

    observed: Mapping[Target, TargetScrapes]
    interval: float
    scrape: float

    @property
    def usual(self) -> float:
        """The longest usual gap between scrapes in seconds, the configured one where none is known."""
        gaps = [one.gap for one in self.observed.values() if one.gap]
        return max(gaps) / 1000 if gaps else self.scrape

    def latest(self, end: float) -> float:
        """From here on a tick that ends at `end` is complete whatever is missing: two scrape intervals."""
        return end + 2 * self.usual

    def complete(self, end: float, now: float) -> bool:
        """Whether every sample up to `end` is in, as every target scraped lately has shown.

        A target shows it by a sample after the end, or by one so young that the next cannot lie before it.
        """
        lately = self._lately(end)
        return now >= self.latest(end) or (bool(lately) and all(_beyond(one, end) for one in lately))

    def due(self, end: float) -> float:
        """When the last sample needed for `complete` should be visible; `end` or later, at most `latest`."""
        lately = self._lately(end)
        if not lately:
            return self.latest(end)
        return min(max([end, *(_expected(one, end, self.usual) for one in lately)]), self.latest(end))

    def _lately(self, end: float) -> list[TargetScrapes]:
        oldest = end - 3 * max(self.interval, self.usual)
        return [one for one in self.observed.values() if one.last / 1000 > oldest]


def _beyond(one: TargetScrapes, end: float) -> bool:
    last = one.last / 1000
    return last > end or (one.gap is not None and last + SURE_OF_THE_NEXT * one.gap / 1000 > end)


def _expected(one: TargetScrapes, end: float, usual: float) -> float:
    last, gap = one.last / 1000, one.gap / 1000 if one.gap else usual
    if last > end:
        return end
    before = last + int((end - last) / gap) * gap
    enough = one.gap is not None and before + SURE_OF_THE_NEXT * gap > end
    return (before if enough else before + gap) + VISIBLE_AFTER
