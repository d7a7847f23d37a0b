"""Everything known of one rollout's samples: merging answers is idempotent, and their order does not matter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from modelrollout.core.analysis.metrics.scrapes import TargetScrapes, targets_seen
from modelrollout.core.analysis.metrics.series import Labels, Series, Target


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
        return targets_seen(self.series.values())

    def merged(self, fresh: Iterable[Series]) -> SampleStore:
        """The samples of this store and of `fresh`; one that is in both counts once."""
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
