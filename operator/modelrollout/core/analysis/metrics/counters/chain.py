"""One counter, or histogram, under all the names that it had while it ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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

    @property
    def young(self) -> bool:
        """Whether what comes next with as much is as likely another short life: a crash loop with a name for each.

        So after one name that was scraped once and had begun at 0, and after two of them in a row in any case.
        """
        return self.short > 1 or (self.first == self.last and self.zero[self.bundle.whole])

    def going_on_as(self, new: Bundle, zero: Mapping[str, bool]) -> Chain:
        """The same counter under one more name; `zero` as above, for members that it did not have."""
        members = dict(self.bundle.members)
        for detail, one in new.members.items():
            old = members.get(detail)
            members[detail] = one if old is None else _spliced(old, one)
        short = self.short + 1 if new.first == new.last else 0
        return Chain(new.with_members(members), {**zero, **self.zero}, self.first, max(self.last, new.last), short)


def _spliced(old: Series, new: Series) -> Series:
    times, values = np.concatenate([old.times, new.times]), np.concatenate([old.values, new.values])
    return Series(new.labels, *one_per_time(times, values))
