"""A line is what a gate allows, as a straight line over stable's rate: ratio * rate + plus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from modelrollout.core.analysis.stats.parameters import LOWEST_LIMIT

if TYPE_CHECKING:
    from modelrollout.core.analysis.stats.arrays import Array


@dataclass(frozen=True)
class LimitLine:
    """Null of the bad side: candidate's rate <= ratio * stable's rate + plus, rates as fractions."""

    ratio: float
    plus: float

    @property
    def relative(self) -> bool:
        """False for an absolute limit, which needs no stable traffic."""
        return self.ratio > 0

    def at(self, rate: Array) -> Array:
        """The highest allowed rate where stable's rate is `rate` (any shape)."""
        return self.ratio * np.asarray(rate, dtype=float) + self.plus

    @property
    def good(self) -> LimitLine:
        """The line of the good side: twice the margin. An absolute limit is its own good line."""
        if not self.relative:
            return self
        return LimitLine(ratio=max(1 + 2 * (self.ratio - 1), self.ratio), plus=2 * self.plus)


def absolute(limit: float) -> LimitLine:
    """The line of an absolute limit (SLO): the same test with the null fixed at `limit`."""
    return LimitLine(ratio=0.0, plus=max(limit, LOWEST_LIMIT))


ERROR_RATE = LimitLine(1.25, 0.001)
REFUSED = LimitLine(1.25, 0.01)
"""On the share of refused requests, which clients cause as well as versions."""
ACCURACY = LimitLine(1.1, 0.005)
"""On the share of wrong answers."""
NON_FINITE = LimitLine(2.0, 0.0001)
EXCEEDANCE = LimitLine(1.0, 0.0)
"""Latency: the margin is in the bucket edge, so the rates themselves are compared without one."""
DEAD_RETRAIN = LimitLine(2.0, 0.10)
DEAD_SAME_WEIGHTS = LimitLine(1.05, 0.005)
DEAD_RETRAIN_UNITS = 3
ZERO_RATIO_RETRAIN = 0.03
ZERO_RATIO_SAME_WEIGHTS = 0.01
