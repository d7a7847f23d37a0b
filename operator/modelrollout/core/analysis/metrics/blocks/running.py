"""What is kept of a rollout's samples from one evaluation to the next, so that only new ones are read.

Nothing here is evidence: it can be dropped at any time, and what is made with it equals what is made without. It is
dropped where anything that it was made from has changed: the series, what they count, the grid, or a closed sample.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from modelrollout.core.analysis.metrics.blocks.block import Block, BlockSeries, Names
from modelrollout.core.analysis.metrics.blocks.counts import Counts, counts_of
from modelrollout.core.analysis.metrics.blocks.growth import (
    Asked,
    Lying,
    Part,
    Place,
    Places,
    Read,
    by_place,
    channels_of,
)
from modelrollout.core.analysis.metrics.blocks.layout import Layout, layout_of
from modelrollout.core.analysis.metrics.blocks.plain import Held, from_zero, odd_hosts
from modelrollout.core.analysis.metrics.blocks.usual import Usual, usual_of
from modelrollout.core.analysis.metrics.grid import Grid
from modelrollout.core.analysis.metrics.model_series import Arm
from modelrollout.core.analysis.metrics.scrapes import TargetScrapes
from modelrollout.core.analysis.metrics.series import Target, host_of
from modelrollout.core.analysis.metrics.series_reader import Channel, SeriesReader
from modelrollout.core.analysis.stats.arrays import Array, Flags
from modelrollout.core.analysis.stats.kept.memo import Memo


@dataclass
class _OfStore:
    """Of the store of one query, on one grid."""

    names: Names
    key: Hashable
    layout: Layout | None
    places: dict[frozenset[str], Places] = field(default_factory=dict)
    """By the hosts that are left out."""
    counts: dict[int, Counts] = field(default_factory=dict)
    usual: dict[int, Usual] = field(default_factory=dict)
    pods: dict[tuple[Arm, str], bool] = field(default_factory=dict)
    """Which of its Pods may speak for a version, as was found out when the layout was made."""

    @property
    def bytes(self) -> int:
        """About what it holds in memory."""
        return sum(one.growth.nbytes + 4 * one.first.nbytes for one in self.counts.values())


@dataclass(frozen=True)
class Plain:
    """What was read of the plain hosts of a store."""

    layout: Layout
    odd: frozenset[str]
    """All other hosts."""
    part: Part
    blocks: Mapping[int, Block]
    """By number, those that were read."""
    counts: Mapping[int, Counts]
    zero: Mapping[int, Flags]
    """By block, whose first sample counts in full."""


@dataclass
class Running:
    """Of one rollout, by number of the store and interval of the grid (ms)."""

    of: dict[tuple[int, int], _OfStore] = field(default_factory=dict)
    memo: Memo = field(default_factory=Memo)
    """What gates have made of it."""
    _known: tuple[list[object], frozenset[Channel], Mapping[Place, list[Channel]], dict[Asked, Lying | None]] | None = (
        None
    )

    @property
    def bytes(self) -> int:
        """About what it holds in memory."""
        return sum(one.bytes for one in self.of.values()) + self.memo.bytes

    def plain(
        self,
        number: int,
        series: BlockSeries,
        reader: SeriesReader,
        grid: Grid,
        seen: Mapping[Target, TargetScrapes],
        scrape: float,
    ) -> Plain | None:
        """The plain hosts of store `number`; None where there is no such thing, as series are scraped twice."""
        key = number, grid.interval
        mine = self.of.get(key)
        if mine is None or mine.names is not series.names or mine.key != reader.key:
            mine = self.of[key] = _OfStore(series.names, reader.key, layout_of(series, reader))
            mine.pods = dict(reader.pods.asked)
        reader.pods.asked.update(mine.pods)
        if mine.layout is None:
            return None
        held = _brought_up(mine, mine.layout, series, grid)
        dirty = odd_hosts(held)
        odd = frozenset(
            dirty | {host_of(series.blocks[at].target) for at, one in enumerate(mine.layout.blocks) if one is None}
        )
        read = {at: one for at, one in mine.counts.items() if one.rows.host not in dirty}
        zero = from_zero(held, seen, scrape)
        blocks = {at: series.blocks[at] for at in read}
        grown = {
            at: Read(one.growth, one.first, int(grid.index(blocks[at].times[:1])[0]), zero.get(at))
            for at, one in read.items()
        }
        return Plain(mine.layout, odd, Part(_places(mine, mine.layout, read), grown), blocks, read, zero)

    def known(
        self, parts: Sequence[Part], more: Mapping[Channel, Array]
    ) -> tuple[Mapping[Place, list[Channel]], dict[Asked, Lying | None]]:
        """All channels by place, found out again where they are others than the last time; where layers lie."""
        places, others = [one.places for one in parts], frozenset(more)
        if (
            self._known is None
            or len(self._known[0]) != len(places)
            or self._known[1] != others
            or any(one is not other for one, other in zip(self._known[0], places, strict=True))
        ):
            self._known = list(places), others, by_place(channels_of(parts, more)), {}
        return self._known[2:]


def _places(mine: _OfStore, layout: Layout, read: Mapping[int, Counts]) -> Places:
    """Those at the hosts that are read."""
    left_out = frozenset(one.rows.host for at, one in mine.counts.items() if at not in read)
    if left_out not in mine.places:
        kept = {channel: tuple(one for one in rows if one[0] in read) for channel, rows in layout.places.items()}
        mine.places = {left_out: {channel: rows for channel, rows in kept.items() if rows}}
    return mine.places[left_out]


def _brought_up(mine: _OfStore, layout: Layout, series: BlockSeries, grid: Grid) -> Held:
    for at, (block, rows) in enumerate(zip(series.blocks, layout.blocks, strict=True)):
        if rows is None:
            continue
        if at not in mine.counts or not mine.counts[at].goes_on(block, rows, grid):
            mine.counts[at] = counts_of(block, rows, grid)
            mine.usual.pop(at, None)
        mine.counts[at].bring_up(block, grid)
        if at not in mine.usual or not mine.usual[at].holds(block, mine.counts[at]):
            mine.usual[at] = usual_of(block, mine.counts[at])
    return Held(series.blocks, layout, mine.counts, mine.usual)
