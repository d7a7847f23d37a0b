"""What the counters of one block have grown by, tick by tick: closed samples are read once, the others every time.

A sample is closed when it was not asked for again: until then it may come late, be rewritten or vanish. What is said of
a block here is right only while its samples are plain, see `plain`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from modelrollout.core.analysis.metrics.blocks.block import Block, Token
from modelrollout.core.analysis.metrics.blocks.growth import Read
from modelrollout.core.analysis.metrics.blocks.layout import Rows
from modelrollout.core.analysis.metrics.counters.usable import FASTEST_ELEMENTS, FASTEST_REQUESTS
from modelrollout.core.analysis.metrics.grid import Grid
from modelrollout.core.analysis.metrics.series import Millis
from modelrollout.core.analysis.stats.arrays import Array, Flags

_EXACT = 2.0**53
"""Whole numbers up to here can be added in any order."""
_SPARE = 64


@dataclass
class Counts:
    """Of one block on one grid; arrays (counters, ...)."""

    rows: Rows
    token: Token
    grid: Grid
    begins: int
    """Time of the first sample (ms)."""
    growth: Array
    """(counters, ticks and some to spare); without what the first sample counts from 0."""
    first: Array
    """The first sample of each."""
    most: Array
    """The most that each has grown by between two closed samples."""
    changed: Flags
    """Whether it ever differed from the sample before, on the grid and closed."""
    closed: int = 0
    """Samples that are read for good."""
    plain: bool = True
    """Whether the closed ones are whole numbers that grow no faster than anything can, and fall only at a reset of all
    that the model counts in the block."""
    fell: bool = False
    """Whether any of the model's counters ever did."""
    open_most: Array = field(default_factory=lambda: np.zeros(0))
    open_changed: Flags = field(default_factory=lambda: np.zeros(0, dtype=bool))
    open_plain: bool = True

    def goes_on(self, block: Block, rows: Rows, grid: Grid) -> bool:
        """Whether it can be brought up to the block's newest samples."""
        same = self.rows is rows and self.token is block.token and self.begins == int(block.times[0])
        here, there = self.grid, grid
        return (
            same
            and (here.origin, here.interval, here.first) == (there.origin, there.interval, there.first)
            and self.closed <= self._closing(block, grid)
        )

    def bring_up(self, block: Block, grid: Grid) -> None:
        """Close what is not asked for again, and read what is open."""
        with np.errstate(all="ignore"):  # what is no number makes it not plain
            self._bring_up(block, grid)

    def _bring_up(self, block: Block, grid: Grid) -> None:
        self._make_room(grid.count)
        if not self.closed:  # the first sample too may have been rewritten meanwhile
            self.first = block.values[self.rows.at, 0]
        ticks = grid.index(block.times)
        closing = self._closing(block, grid)
        self._clear(ticks)
        if closing > self.closed:
            most, changed, plain = self._read(block, ticks, self.closed, closing, grid.count)
            self.most, self.changed = np.maximum(self.most, most), self.changed | changed
            self.plain, self.closed = self.plain and plain, closing
        self.open_most, self.open_changed, self.open_plain = self._read(
            block, ticks, self.closed, len(block.times), grid.count
        )
        self.grid = grid

    def grew(self, at: int, read: Read, count: int) -> bool:
        """Whether a counter has ever changed on the grid."""
        began = read.zero is not None and bool(read.zero[at]) and bool(self.first[at] != 0) and 0 <= read.tick < count
        return bool(self.changed[at] or self.open_changed[at] or began)

    def _closing(self, block: Block, grid: Grid) -> int:
        """How many samples can be closed: whole ticks, that have ended, of samples that are not asked for again."""
        closed = block.closed
        if closed >= len(block.times):
            closed = len(block.times) - 1
        tick = int(grid.index(block.times[closed : closed + 1])[0])
        start = grid.origin + (min(tick, grid.count) + grid.first) * grid.interval
        return int(block.times.searchsorted(start, side="right"))

    def _clear(self, ticks: Millis) -> None:
        start = int(ticks[self.closed]) if self.closed < len(ticks) else self.growth.shape[1]
        self.growth[:, max(start, 0) :] = 0.0

    def _make_room(self, count: int) -> None:
        have = self.growth.shape[1]
        if count > have:
            more = np.zeros((len(self.growth), count + max(count // 8, _SPARE)))
            more[:, :have] = self.growth
            self.growth = more

    def _read(self, block: Block, ticks: Millis, start: int, stop: int, count: int) -> tuple[Array, Flags, bool]:
        """Add the growth of the samples start..stop-1; (most, changed, plain) of them."""
        before = max(start - 2, 0)
        values = block.values[self.rows.at, before:stop]
        new = slice(start - before, None)
        plain = _are_whole(values[:, new])
        after = max(start, 1)
        if after >= stop or not len(values):
            return np.zeros(len(values)), np.zeros(len(values), dtype=bool), plain
        step = np.diff(values, axis=1)[:, after - 1 - before :]
        fallen = step < 0
        seconds = np.diff(block.times[after - 1 : stop]) / 1000
        fastest = np.where(self.rows.elements, FASTEST_ELEMENTS, FASTEST_REQUESTS)[:, None] * seconds
        plain = plain and not bool((step > fastest).any()) and not _has_dip(values, fallen)
        if fallen.any():
            plain = plain and bool(self.rows.host)  # a sum that falls has not begun again (counters/sums.py)
            mine = fallen & self.rows.own[:, None]
            stood = (~fallen & self.rows.own[:, None] & (values[:, after - 1 - before : -1] > 0)).any(axis=0)
            self.fell, plain = self.fell or bool(mine.any()), plain and not bool((stood & mine.any(axis=0)).any())
        grown = np.where(fallen, values[:, after - before :], step) if fallen.any() else step
        inside = np.zeros(len(values), dtype=bool)
        for column, tick in enumerate(ticks[after:stop].tolist()):
            if 0 <= tick < count:
                self.growth[:, tick] += grown[:, column]
        on_grid = (ticks[after:stop] >= 0) & (ticks[after:stop] < count)
        if on_grid.any():
            inside = (step[:, on_grid] != 0).any(axis=1)
        return step.max(axis=1), inside, plain


def counts_of(block: Block, rows: Rows, grid: Grid) -> Counts:
    """Nothing read yet."""
    number = len(rows.at)
    return Counts(
        rows,
        block.token,
        grid,
        int(block.times[0]),
        np.zeros((number, grid.count + _SPARE)),
        block.values[rows.at, 0],
        np.zeros(number),
        np.zeros(number, dtype=bool),
    )


def _are_whole(values: Array) -> bool:
    """Whether all are counts that can be added in any order."""
    good = (values >= 0) & (values <= _EXACT)
    return bool(good.all()) and bool((values == np.floor(values)).all())


def _has_dip(values: Array, fallen: Flags) -> bool:
    """Whether a sample lies below both neighbours, the later of which is back: as usable.py has it, of any size.

    `fallen` is of the last columns of `values`, from their neighbours on.
    """
    if not fallen.any() and not bool((values[:, 1:-1] < values[:, :-2]).any()):
        return False
    return bool(((values[:, 1:-1] < values[:, :-2]) & (values[:, :-2] <= values[:, 2:])).any())
