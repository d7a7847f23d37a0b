"""Everything known of one rollout's samples: merging answers is idempotent, and their order does not matter."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from modelrollout.core.analysis.metrics.blocks.block import BlockSeries, Names, blocks_of
from modelrollout.core.analysis.metrics.blocks.renewal import renewed
from modelrollout.core.analysis.metrics.edges import canonical
from modelrollout.core.analysis.metrics.scrapes import TargetScrapes, targets_of, targets_seen
from modelrollout.core.analysis.metrics.series import Labels, Millis, Series, Target, host_of, one_per_time

_SERIES, _LABEL = 500, 120
"""Bytes of Python's objects around one series and one label."""


@dataclass(frozen=True)
class SampleStore:
    """Every sample known of one rollout, by series: merging is idempotent and its order does not matter."""

    series: Mapping[Labels, Series] = field(default_factory=dict)

    @cached_property
    def size(self) -> int:
        """Number of samples."""
        if self.blocks is not None:
            return sum(one.values.size for one in self.blocks.blocks)
        return sum(len(one.times) for one in self.series.values())

    @property
    def blocks(self) -> BlockSeries | None:
        """The series as blocks, where that is how they are held."""
        return self.series if isinstance(self.series, BlockSeries) else None

    def named(self, metric: str) -> Iterable[Series]:
        """The series with this name."""
        if self.blocks is not None:
            return self.blocks.named(metric)
        return (one for one in self.series.values() if dict(one.labels).get("__name__") == metric)

    @property
    def times(self) -> Iterable[Millis]:
        """The scrape times of every series; of series that are held together once."""
        held = self.series.values() if self.blocks is None else self.blocks.blocks
        return (one.times for one in held)

    @cached_property
    def targets(self) -> dict[Target, TargetScrapes]:
        """What is known of every target's scrapes."""
        if self.blocks is not None:
            return targets_of(self.blocks.blocks)
        return targets_seen(self.series.values())

    def merged(self, fresh: Iterable[Series]) -> SampleStore:
        """The samples of this store and of `fresh`; one that is in both counts once.

        Bucket series whose `le` is the same number are one series.
        """
        entries = dict(self.series)
        for one in fresh:
            labels = canonical(one.labels)
            given = one if labels == one.labels else Series(labels, one.times, one.values)
            old = entries.get(labels)
            entries[labels] = given if old is None else _union(old, given)
        if len(entries) > len(self.series):  # in one order, whichever answer came first
            entries = dict(sorted(entries.items()))
        return SampleStore(entries)

    @cached_property
    def bytes(self) -> int:
        """About what it holds in memory."""
        texts = _texts_of(self.blocks.names) if self.blocks is not None else _texts(self.series)
        return texts + _SERIES * len(self.series) + 16 * self.size

    def replaced(self, fresh: Iterable[Series], start: float, end: float) -> SampleStore:
        """With the samples after `start` and up to `end` (epoch seconds) as `fresh` has them, and only those.

        What came late is there then, and what vanished from Prometheus or was rewritten is gone.
        """
        low, high = round(start * 1000), round(end * 1000)
        fresh = tuple(fresh)
        simple = None if self.blocks is None else renewed(self.blocks, fresh, low, high)
        if simple is not None:
            return SampleStore(simple)
        kept = {labels: _outside(one, low, high) for labels, one in self.series.items()}
        asked = [_between(one, low, high) for one in fresh]
        store = SampleStore({labels: one for labels, one in kept.items() if len(one.times)})
        return store.merged(one for one in asked if len(one.times)).in_blocks()

    def in_blocks(self) -> SampleStore:
        """The same samples, held as blocks."""
        return self if self.blocks is not None else SampleStore(BlockSeries(blocks_of(self.series.values())))

    def at_hosts(self, hosts: Collection[str]) -> SampleStore:
        """Only the series of these hosts."""
        return SampleStore({labels: one for labels, one in self.series.items() if host_of(one.target) in hosts})

    def since(self, start: float) -> SampleStore:
        """Only the samples after `start` (epoch seconds)."""
        edge = round(start * 1000)
        if self.blocks is not None:
            return self if (fewer := self.blocks.since(edge)) is self.blocks else SampleStore(fewer)
        kept = {}
        for labels, one in self.series.items():
            if len(one.times) and one.times[0] > edge:
                kept[labels] = one
                continue
            cut = int(one.times.searchsorted(edge, side="right"))
            if cut < len(one.times):
                kept[labels] = Series(labels, one.times[cut:], one.values[cut:])
        return SampleStore(kept)


def _texts(every: Iterable[Labels]) -> int:
    return sum(_text_bytes(labels) for labels in every)


def _texts_of(names: Names) -> int:
    return names.fact("bytes", lambda: _texts(names.every))


def _text_bytes(labels: Labels) -> int:
    return sum(len(name) + len(value) + _LABEL for name, value in labels)


def _between(one: Series, low: int, high: int) -> Series:
    """The samples after `low` and up to `high` (ms)."""
    if not len(one.times) or (one.times[0] > low and one.times[-1] <= high):
        return one
    first, last = (int(one.times.searchsorted(edge, side="right")) for edge in (low, high))
    return Series(one.labels, one.times[first:last], one.values[first:last])


def _outside(one: Series, low: int, high: int) -> Series:
    """All other samples than those after `low` and up to `high` (ms)."""
    if not len(one.times) or one.times[-1] <= low:
        return one
    first = int(one.times.searchsorted(low, side="right"))
    if one.times[-1] <= high:
        return Series(one.labels, one.times[:first], one.values[:first])
    last = int(one.times.searchsorted(high, side="right"))
    times = np.concatenate([one.times[:first], one.times[last:]])
    return Series(one.labels, times, np.concatenate([one.values[:first], one.values[last:]]))


def _union(old: Series, fresh: Series) -> Series:
    if not len(fresh.times):
        return old
    if not len(old.times):
        return fresh
    if old.times[-1] < fresh.times[0]:
        return Series(old.labels, np.concatenate([old.times, fresh.times]), np.concatenate([old.values, fresh.values]))
    cut = int(np.searchsorted(old.times, fresh.times[0]))  # what is older than all of `fresh` stays as it is
    times, values = one_per_time(
        np.concatenate([old.times[cut:], fresh.times]), np.concatenate([old.values[cut:], fresh.values])
    )
    return Series(old.labels, np.concatenate([old.times[:cut], times]), np.concatenate([old.values[:cut], values]))
