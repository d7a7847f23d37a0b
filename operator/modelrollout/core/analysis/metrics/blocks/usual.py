"""Between which values the usual growth of counters lies: what is counted anew moves a rank only a little.

The exact one is the 90th percentile over all samples of a series (counters/usable.py), which would cost a look at all
of them. It is asked for only where it is near enough to matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modelrollout.core.analysis.metrics.blocks.block import Block
from modelrollout.core.analysis.metrics.blocks.counts import Counts
from modelrollout.core.analysis.stats.arrays import Array, Index

_PART, _LEAST = 16, 40
"""The bounds are worked out again when a part of so many samples is new, or so many."""


def rank_of(steps: int) -> int:
    """Which of so many growths in order is the usual one."""
    return 9 * (steps - 1) // 10


@dataclass
class Usual:
    """Of the counters of one block, from its first `steps` growths; they hold for up to `until` of them."""

    steps: int
    until: int
    low: Array

    def holds(self, block: Block, counts: Counts) -> bool:
        """Whether the bounds still can be used."""
        return self.steps <= max(counts.closed - 1, 0) and len(block.times) - 1 <= self.until


def usual_of(block: Block, counts: Counts) -> Usual:
    """The lowest that the usual growth can be, whatever the open samples and the next ones are."""
    steps = max(counts.closed - 1, 0)
    until = len(block.times) - 1 + max(steps // _PART, _LEAST)
    rank = rank_of(until) - (until - steps)
    if rank < 0 or not steps:
        return Usual(steps, until, np.zeros(len(counts.rows.at)))
    grown = regrown(block, counts.rows.at, steps + 1)
    low = np.partition(grown, rank, axis=1)[:, rank]
    return Usual(steps, until, _finite(low))


def regrown(block: Block, at: Index, samples: int) -> Array:
    """Growth between the first so many samples of some rows, over resets, (rows, samples - 1)."""
    values = block.values[at, :samples]
    with np.errstate(all="ignore"):  # what is no number makes it not plain
        step = np.diff(values, axis=1)
        return np.where(step < 0, values[:, 1:], step)


def exactly(block: Block, at: Index) -> Array:
    """The usual growth of some rows, over all samples."""
    steps = len(block.times) - 1
    if steps < 1:
        return np.zeros(len(at))
    rank = rank_of(steps)
    return _finite(np.partition(regrown(block, at, steps + 1), rank, axis=1)[:, rank])


def _finite(usual: Array) -> Array:
    """A series whose growth is no number is not plain, whatever is usual."""
    return np.where(np.isfinite(usual), usual, 0.0)
