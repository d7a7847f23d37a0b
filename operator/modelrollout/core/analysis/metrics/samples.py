"""Everything known of one rollout's samples: merging answers is idempotent, and their order does not matter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from modelrollout.core.analysis.metrics.edges import LABEL, canonical_edge
from modelrollout.core.analysis.metrics.scrapes import TargetScrapes, targets_seen
from modelrollout.core.analysis.metrics.series import Labels, Series, Target, one_per_time

_SERIES, _LABEL = 500, 120
"""Bytes of Python's objects around one series and one label."""


@dataclass(frozen=True)
class SampleStore:
    """Every sample known of one rollout, by series: merging is idempotent and its order does not matter."""

    series: Mapping[Labels, Series] = field(default_factory=dict)

    @cached_property
    def size(self) -> int:
        """Number of samples."""
        return sum(len(one.times) for one in self.series.values())

    @cached_property
    def targets(self) -> dict[Target, TargetScrapes]:
        """What is known of every target's scrapes."""
        return targets_seen(self.series.values())

    def merged(self, fresh: Iterable[Series]) -> SampleStore:
        """The samples of this store and of `fresh`; one that is in both counts once.

        Bucket series whose `le` is the same number are one series.
        """
        entries = dict(self.series)
        for one in fresh:
            labels = _canonical(one.labels)
            given = one if labels == one.labels else Series(labels, one.times, one.values)
            old = entries.get(labels)
            entries[labels] = given if old is None else _union(old, given)
        if len(entries) > len(self.series):  # in one order, whichever answer came first
            entries = dict(sorted(entries.items()))
        return SampleStore(entries)

    @cached_property
    def bytes(self) -> int:
        """About what it holds in memory."""
        texts = sum(_text_bytes(labels) for labels in self.series)
        return texts + _SERIES * len(self.series) + 16 * self.size

    def replaced(self, fresh: Iterable[Series], start: float, end: float) -> SampleStore:
        """With the samples after `start` and up to `end` (epoch seconds) as `fresh` has them, and only those.

        What came late is there then, and what vanished from Prometheus or was rewritten is gone.
        """
        low, high = round(start * 1000), round(end * 1000)
        kept = {labels: _outside(one, low, high) for labels, one in self.series.items()}
        asked = [_between(one, low, high) for one in fresh]
        store = SampleStore({labels: one for labels, one in kept.items() if len(one.times)})
        return store.merged(one for one in asked if len(one.times))

    def since(self, start: float) -> SampleStore:
        """Only the samples after `start` (epoch seconds)."""
        edge = round(start * 1000)
        kept = {}
        for labels, one in self.series.items():
            if len(one.times) and one.times[0] > edge:
                kept[labels] = one
                continue
            cut = int(one.times.searchsorted(edge, side="right"))
            if cut < len(one.times):
                kept[labels] = Series(labels, one.times[cut:], one.values[cut:])
        return SampleStore(kept)


def _text_bytes(labels: Labels) -> int:
    return sum(len(name) + len(value) + _LABEL for name, value in labels)


def _canonical(labels: Labels) -> Labels:
    """The same labels with `le` in its one spelling; as they are where it is no number.

    None are remembered: labels of any length come in, and a cache would outlive the room that was taken for them.
    """
    for at, (name, value) in enumerate(labels):
        if name == LABEL:
            edge = canonical_edge(value) or value
            return labels if edge == value else (*labels[:at], (name, edge), *labels[at + 1 :])
    return labels


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
