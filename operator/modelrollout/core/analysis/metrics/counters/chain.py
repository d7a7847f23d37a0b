"""One counter, or histogram, under all the names that it had while it ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from modelrollout.core.analysis.metrics.counters.families import Bundle
from modelrollout.core.analysis.metrics.series import Series, one_per_time


@dataclass(frozen=True)
class Chain:
    """One counter under all its names, oldest first."""

    bundle: Bundle
    """The samples under all names; labels and target are those of the newest."""
    zero: Mapping[str, bool]
    """By member: whether its first sample counts in full."""
    first: int
    last: int
    """The first and the last sample's time (ms)."""
    short: int
    """How many of its newest names, in a row, were scraped only once."""
    changed: frozenset[str] | None = frozenset()
    """The labels whose value differs between its two newest names; None where the names of labels do."""

    def another_life(self, new: Bundle, *, may_begin: bool) -> bool:
        """Whether `new` is as likely one more short life: a crash loop with a name for each.

        So after one name that was scraped once and had begun at 0, and after two of them in a row; but only where `new`
        may have begun at 0 itself, and where one life differs from the next by the value of the same labels.
        """
        short = self.short > 1 or (self.first == self.last and self.zero[self.bundle.whole])
        if not short or not may_begin or new.target != self.bundle.target:
            return False
        changed = _changed(self.bundle, new)
        return changed is not None and self.changed in {frozenset(), changed}

    def going_on_as(self, new: Bundle, zero: Mapping[str, bool]) -> Chain:
        """The same counter under one more name; `zero` as above, for members that it did not have."""
        members = dict(self.bundle.members)
        for detail, one in new.members.items():
            old = members.get(detail)
            members[detail] = one if old is None else _spliced(old, one)
        short = self.short + 1 if new.first == new.last else 0
        changed, last = _changed(self.bundle, new), max(self.last, new.last)
        restarts = np.union1d(self.bundle.restarts, new.restarts)
        bundle = replace(new, members=members, restarts=restarts)
        return Chain(bundle, {**zero, **self.zero}, self.first, last, short, changed)


def _spliced(old: Series, new: Series) -> Series:
    times, values = np.concatenate([old.times, new.times]), np.concatenate([old.values, new.values])
    return Series(new.labels, *one_per_time(times, values))


def _changed(old: Bundle, new: Bundle) -> frozenset[str] | None:
    if [name for name, _ in old.labels] != [name for name, _ in new.labels]:
        return None
    return frozenset(name for name, _ in set(old.labels) ^ set(new.labels))
