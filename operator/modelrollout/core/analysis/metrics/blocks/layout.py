"""What follows from the labels of a store alone: which row counts what, and which hosts are plain.

A host is plain where no series of it can be another's continuation, whatever its samples are: every counter has its
place for itself, or shares it with such that were scraped together with it from the first to the last sample.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.blocks.block import BlockSeries
from modelrollout.core.analysis.metrics.counters.families import HISTOGRAMS, Bundle, bundles_of
from modelrollout.core.analysis.metrics.model_series import Arm
from modelrollout.core.analysis.metrics.series import Labels, Target, host_of
from modelrollout.core.analysis.metrics.series_reader import Channel, SeriesReader
from modelrollout.core.analysis.stats.arrays import Flags, Index

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Histogram:
    """One histogram at a plain host."""

    channel: Channel
    """Without an edge."""
    edges: tuple[float, ...]
    complete: bool
    """Whether it has le="+Inf"."""
    top: int
    """The counter of its block that counts everything."""


@dataclass(frozen=True)
class Rows:
    """One block of a plain host. Arrays (counters,); numbers are alike where the same thing is meant, in all blocks."""

    target: Target
    at: Index
    """Which of the block's rows these counters are."""
    elements: Flags
    """Whether they count values of a layer."""
    own: Flags
    """Whether the model counts them, and no gateway (see counters/restarts.py)."""
    family: Index
    """Numbers of what is cleaned together."""
    crowd: Index
    """Numbers of those whose usual growth is compared: of one family at one host."""
    process: Index
    """Numbers of processes."""
    histograms: tuple[Histogram, ...]
    seen: frozenset[tuple[str, Arm]]
    """(metric, version) of everything in it that is read, counters or not."""
    marks: tuple[Channel, ...]
    gauges: tuple[tuple[Channel, int], ...]
    """Each with its row."""

    @property
    def host(self) -> str:
        """Where all of them are."""
        return host_of(self.target)


@dataclass(frozen=True)
class Layout:
    """All blocks of a store."""

    blocks: tuple[Rows | None, ...]
    """None for those at hosts that are not plain."""
    places: Mapping[Channel, tuple[tuple[int, int], ...]]
    """(block, counter) of every channel at plain hosts."""
    sizes: tuple[int, int, int]
    """How many numbers of families, crowds and processes there are."""


def layout_of(series: BlockSeries, reader: SeriesReader) -> Layout | None:
    """None where series are scraped twice: which of them count depends on their samples."""
    if not series.names.once:
        return None
    where = {labels: (block, row) for block, rows in enumerate(series.names.rows) for row, labels in enumerate(rows)}
    found = bundles_of(series, reader)
    odd = _odd(found, where)
    plain: list[list[Bundle]] = [[] for _ in series.blocks]
    for one in found:
        if host_of(one.target) not in odd:
            plain[_block(one, where)].append(one)
    numbers = _Numbers({}, {}, {})
    channels = [[reader.channel(dict(labels)) for labels in rows] for rows in series.names.rows]
    blocks = tuple(
        None if host_of(block.target) in odd else _rows(block.target, mine, channels[at], where, numbers)
        for at, (block, mine) in enumerate(zip(series.blocks, plain, strict=True))
    )
    return Layout(
        blocks,
        _places(blocks, channels),
        (len(numbers.families), len(numbers.crowds), len(numbers.processes)),
    )


@dataclass(frozen=True)
class _Numbers:
    families: dict[Hashable, int]
    crowds: dict[Hashable, int]
    processes: dict[Hashable, int]


Where = Mapping[Labels, tuple[int, int]]


def _block(one: Bundle, where: Where) -> int:
    return where[next(iter(one.names.values()))][0]


def _odd(found: Iterable[Bundle], where: Where) -> frozenset[str]:
    """Hosts at which something may continue something else, or a histogram is scraped in parts."""
    places: dict[tuple[Channel, str], set[int]] = {}
    alone: dict[tuple[Channel, str], int] = {}
    odd = set()
    for one in found:
        place = one.channel, host_of(one.target)
        here = {where[labels][0] for labels in one.names.values()}
        places.setdefault(place, set()).update(here)
        alone[place] = alone.get(place, 0) + 1
        if len(here) > 1:
            odd.add(place[1])
    return frozenset(odd | {host for (channel, host), here in places.items() if len(here) > 1})


def _rows(
    target: Target,
    bundles: Sequence[Bundle],
    channels: Sequence[Channel | None],
    where: Where,
    numbers: _Numbers,
) -> Rows:
    at: list[int] = []
    elements, own, family, crowd, process, histograms = [], [], [], [], [], []
    for one in bundles:
        first = len(at)
        for labels in one.names.values():
            at.append(where[labels][1])
            elements.append(one.counts_elements)
            own.append(one.channel.metric not in s.GATEWAY)
            family.append(_number(numbers.families, one.family))
            crowd.append(_number(numbers.crowds, (host_of(target), one.family[1])))
            process.append(_number(numbers.processes, one.process))
        if one.channel.metric in HISTOGRAMS:
            details = list(one.members)
            edges = tuple(float(detail) for detail in details if detail != "+Inf")
            histograms.append(Histogram(one.channel, edges, "+Inf" in details, first + details.index(one.whole)))
    return Rows(
        target,
        np.array(at, dtype=np.intp),
        np.array(elements, dtype=bool),
        np.array(own, dtype=bool),
        np.array(family, dtype=np.intp),
        np.array(crowd, dtype=np.intp),
        np.array(process, dtype=np.intp),
        tuple(histograms),
        frozenset((one.metric, one.arm) for one in channels if one is not None),
        tuple(dict.fromkeys(one for one in channels if one is not None and one.metric in s.MARKS)),
        tuple((one, row) for row, one in enumerate(channels) if one is not None and one.metric in s.GAUGES),
    )


def _number(known: dict[Hashable, int], key: Hashable) -> int:
    return known.setdefault(key, len(known))


def _places(
    blocks: Sequence[Rows | None], channels: Sequence[Sequence[Channel | None]]
) -> dict[Channel, tuple[tuple[int, int], ...]]:
    found: dict[Channel, tuple[tuple[int, int], ...]] = {}
    for number, block in enumerate(blocks):
        for counter, row in enumerate([] if block is None else block.at.tolist()):
            channel = channels[number][row]
            assert channel is not None, "a counter has a channel"
            found[channel] = (*found.get(channel, ()), (number, counter))
    return found
