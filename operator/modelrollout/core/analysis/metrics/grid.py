"""The grid of ticks: fixed by the rollout's start and interval, in the milliseconds that Prometheus knows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from modelrollout.core.analysis.metrics.series import Millis
from modelrollout.core.analysis.stats.arrays import Array


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

    @cached_property
    def ends(self) -> Array:
        """End of every tick in epoch seconds, shape (count,)."""
        ticks = np.arange(self.first, self.last + 1)
        ends: Array = (self.origin + (ticks + 1) * self.interval) / 1000.0
        return ends

    def whole(self, parts: int) -> Grid:
        """The grid of `parts` of these ticks each, as far as they are complete; `first` must be one's first."""
        return Grid(self.origin, self.interval * parts, self.first // parts, (self.last + 1) // parts - 1)

    def index(self, times: Millis) -> npt.NDArray[np.int64]:
        """Position of each time on the grid; outside 0..count-1 where the grid does not reach."""
        return (times - self.origin - 1) // self.interval - self.first

    def position(self, seconds: float) -> int:
        """Position of the first tick that starts at or after `seconds`; may lie outside the grid."""
        ahead = round(seconds * 1000) - self.origin
        return -(-ahead // self.interval) - self.first


def make_grid(origin: float, interval: float, first: int, last: int) -> Grid:
    """The grid from seconds, to the millisecond that Prometheus knows."""
    return Grid(round(origin * 1000), round(interval * 1000), first, last)
