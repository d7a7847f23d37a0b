"""Which blocks can be read as they are: no sample of theirs is bad, and what begins at 0 is known.

Everything here says of a block what cleaning, continuation and beginnings say of its series one by one
(counters/cleaning.py, counters/processes.py, increments.py); where that is not sure, its host is read by those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from modelrollout.core.analysis.metrics.blocks.block import Block
from modelrollout.core.analysis.metrics.blocks.counts import Counts
from modelrollout.core.analysis.metrics.blocks.layout import Layout
from modelrollout.core.analysis.metrics.blocks.usual import Usual, exactly
from modelrollout.core.analysis.metrics.counters.usable import BURST, FAR
from modelrollout.core.analysis.metrics.increments import SCRAPES_APART
from modelrollout.core.analysis.metrics.scrapes import SURE_OF_THE_NEXT, TargetScrapes
from modelrollout.core.analysis.metrics.series import Target
from modelrollout.core.analysis.stats.arrays import Array, Flags, Index


@dataclass(frozen=True)
class Held:
    """The blocks of a store with what is known of those at plain hosts."""

    blocks: Sequence[Block]
    layout: Layout
    counts: Mapping[int, Counts]
    usual: Mapping[int, Usual]
    """Both by number of the block."""


def odd_hosts(held: Held) -> set[str]:
    """Hosts at which some sample is bad, or may be."""
    odd = {one.rows.host for one in held.counts.values() if not (one.plain and one.open_plain)}
    odd |= _with_others(held)
    number, _, _ = held.layout.sizes
    most = np.zeros(number)
    for one in held.counts.values():
        with np.errstate(invalid="ignore"):  # NaN is not plain anyway
            np.maximum.at(most, one.rows.family, np.maximum(one.most, one.open_most))
    doubtful = most / BURST > _least(held, number, "family")  # multiplied, the largest numbers would be beyond all
    if doubtful.any():
        usual = _exactly(held, "family", doubtful)
        bad = doubtful & (usual > 0) & (most / BURST > usual)
        odd |= {one.rows.host for one in held.counts.values() if bad[one.rows.family].any()}
    return odd


def _with_others(held: Held) -> set[str]:
    """Hosts of several blocks in one of which the model's counters fell: those of the others may have started again."""
    blocks = Counter(one.rows.host for one in held.counts.values() if one.rows.own.any())
    return {one.rows.host for one in held.counts.values() if one.fell and blocks[one.rows.host] > 1}


def from_zero(held: Held, targets: Mapping[Target, TargetScrapes], scrape: float) -> dict[int, Flags]:
    """By block, whose first sample counts in full; blocks without any are left out. `scrape` in seconds."""
    found = {}
    for number, one in held.counts.items():
        if _was_up_before(number, held, targets, scrape):
            zero = ~np.isin(one.rows.process, _lived(held, one.begins))
            if zero.any():
                found[number] = zero
    return found


def _was_up_before(number: int, held: Held, targets: Mapping[Target, TargetScrapes], scrape: float) -> bool:
    """As began_at_zero: the target of the block had been scraped shortly before the block's first sample."""
    block = held.blocks[number]
    born, seen = int(block.times[0]), targets[block.target]
    gap = seen.gap or scrape * 1000
    if born < seen.first + SURE_OF_THE_NEXT * gap:
        return False
    before = max(
        (int(one.times[at - 1]) for one in held.blocks if one.target == block.target and (at := _before(one, born))),
        default=None,
    )
    return before is not None and before >= born - SCRAPES_APART * gap


def _before(block: Block, time: int) -> int:
    """How many samples were before `time`."""
    return int(block.times.searchsorted(time))


def _lived(held: Held, born: int) -> Index:
    """Numbers of the processes whose counters appeared at `born` with far more than they grow by: not from 0."""
    _, number, _ = held.layout.sizes
    least = _least(held, number, "crowd")
    there = [one for one in held.counts.values() if one.begins == born]
    doubtful = np.zeros(number, dtype=bool)
    for one in there:
        doubtful[one.rows.crowd[one.first > FAR * least[one.rows.crowd]]] = True
    usual = _exactly(held, "crowd", doubtful)
    found = [
        one.rows.process[
            doubtful[one.rows.crowd] & (usual[one.rows.crowd] > 0) & (one.first > FAR * usual[one.rows.crowd])
        ]
        for one in there
    ]
    return np.unique(np.concatenate(found))


def _least(held: Held, number: int, kind: str) -> Array:
    """The usual growth of each family or crowd is at least so much."""
    least = np.zeros(number)
    for at, one in held.counts.items():
        np.maximum.at(least, getattr(one.rows, kind), held.usual[at].low)
    return least


def _exactly(held: Held, kind: str, wanted: Flags) -> Array:
    """The usual growth of the families or crowds that are `wanted`; 0 for all others."""
    found = np.zeros(len(wanted))
    for at, one in held.counts.items():
        numbers = getattr(one.rows, kind)
        mine = wanted[numbers]
        if mine.any():
            np.maximum.at(found, numbers[mine], exactly(held.blocks[at], one.rows.at[mine]))
    return found
