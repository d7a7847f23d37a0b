"""When targets are scraped, inferred from their samples: a tick is closed once every sample up to its end is in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from modelrollout.core.analysis.metrics.series import Labels, Millis, Series, Target

SURE_OF_THE_NEXT = 0.8
"""The next scrape comes no sooner than this part of the usual gap."""
VISIBLE_AFTER = 0.1
"""Seconds from a scrape's timestamp until its samples can usually be read."""
_RECENT = 20


class Timed(Protocol):
    """A store of samples, which is built on what this file says of targets."""

    @property
    def times(self) -> Iterable[Millis]: ...


@dataclass(frozen=True)
class TargetScrapes:
    """When one target was scraped: first and last sample (ms) and the usual gap (ms; None when unknown)."""

    first: int
    last: int
    gap: float | None


def targets_seen(series: Iterable[Series]) -> dict[Target, TargetScrapes]:
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


class ScrapedTogether(Protocol):
    """Series of one target with the same times."""

    @property
    def target(self) -> Target: ...

    @property
    def labels(self) -> Sequence[Labels]: ...

    @property
    def times(self) -> Millis: ...


def targets_of(blocks: Iterable[ScrapedTogether]) -> dict[Target, TargetScrapes]:
    """The same of series that are held together."""
    groups: dict[Target, list[ScrapedTogether]] = {}
    for one in sorted((block for block in blocks if len(block.times)), key=lambda block: block.labels[0]):
        groups.setdefault(one.target, []).append(one)
    observed = {}
    for target, members in groups.items():
        gaps = np.diff(max(members, key=lambda one: len(one.times)).times[-_RECENT:])
        first, last = min(int(one.times[0]) for one in members), max(int(one.times[-1]) for one in members)
        observed[target] = TargetScrapes(first, last, float(np.median(gaps)) if len(gaps) else None)
    return observed


def scrapes_since(stores: Iterable[Timed], start: float, end: float) -> int:
    """How often that target was scraped which was scraped most often after `start` and up to `end` (epoch seconds)."""
    low, high = round(start * 1000), round(end * 1000)
    found = (times.searchsorted((low, high), side="right") for store in stores for times in store.times)
    return max((int(last - first) for first, last in found), default=0)


@dataclass(frozen=True)
class Scrapes:
    """When the targets are scraped, inferred from the samples. `scrape`: configured interval, seconds."""

    observed: Mapping[Target, TargetScrapes]
    interval: float
    scrape: float

    @property
    def usual(self) -> float:
        """The longest usual gap between scrapes in seconds, the configured one where none is known."""
        gaps = [one.gap for one in self.observed.values() if one.gap]
        return max(gaps) / 1000 if gaps else self.scrape

    def latest(self, end: float) -> float:
        """From here on a tick that ends at `end` counts as complete even with samples missing: two scrape intervals."""
        return end + 2 * self.usual

    def complete(self, end: float, now: float) -> bool:
        """Whether every sample up to `end` is in, as every target scraped lately has shown.

        A target shows it by a sample after the end, or by one so young that the next cannot lie before it.
        """
        lately = self._lately(end)
        return now >= self.latest(end) or (bool(lately) and all(_beyond(one, end) for one in lately))

    def due(self, end: float) -> float:
        """When the last sample needed for `complete` should be visible; `end` or later, at most `latest`."""
        return max(end, self.shown(end))

    def shown(self, end: float) -> float:
        """As `due`, or before `end`: where the last scrape before it is so late that the next cannot be."""
        lately = self._lately(end)
        if not lately:
            return self.latest(end)
        return min(max(_expected(one, end, self.usual) for one in lately), self.latest(end))

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
