"""Series of one target with the same scrape times, as one array: a store of them answers for each series on demand."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from modelrollout.core.analysis.metrics.scrape_labels import is_scraped_once
from modelrollout.core.analysis.metrics.series import Labels, Millis, Series, Target
from modelrollout.core.analysis.stats.arrays import Array

T = TypeVar("T")
_SPARE = 64
"""Columns that a block can take before it is copied, at least."""


class Token:
    """Says that the closed samples of two blocks are the same, by being the same object."""


@dataclass(frozen=True)
class Block:
    """`values` (rows, samples) of the series `labels` (rows, sorted) at `times` (samples,), in ms.

    The first `closed` samples are those that were not asked for again the last time.
    """

    target: Target
    labels: tuple[Labels, ...]
    times: Millis
    values: Array
    closed: int = 0
    token: Token = field(default_factory=Token)
    room: tuple[Millis, Array] | None = None
    """The arrays that `times` and `values` are the beginning of, where there is room behind."""

    def series(self) -> Iterator[Series]:
        """Each as a series of its own."""
        return (Series(labels, self.times, row) for labels, row in zip(self.labels, self.values, strict=True))

    def since(self, first: int) -> Block:
        """Without the samples before position `first`."""
        if not first:
            return self
        return Block(self.target, self.labels, self.times[first:].copy(), self.values[:, first:].copy())

    def renewed(self, cut: int, times: Millis, values: Array) -> Block:
        """The first `cut` samples, and then these; what is the same as before is not written again."""
        here = len(self.times) - cut
        same = here <= len(times) and _equal(self.times[cut:], times[:here])
        if same and _equal(self.values[:, cut:], values[:, :here]):
            return self._extended(times[here:], values[:, here:], cut)
        token = self.token if cut >= self.closed else Token()
        kept = Block(self.target, self.labels, self.times[:cut], self.values[:, :cut], cut, token)
        return kept._extended(times, values, cut)

    def _extended(self, times: Millis, values: Array, closed: int) -> Block:
        count, more = len(self.times), len(times)
        room = self.room
        if room is None or count + more > len(room[0]):
            room = _roomier(self.times, self.values, count + more)
        room[0][count : count + more] = times
        room[1][:, count : count + more] = values
        end = count + more
        return Block(self.target, self.labels, room[0][:end], room[1][:, :end], closed, self.token, room)


def _roomier(times: Millis, values: Array, needed: int) -> tuple[Millis, Array]:
    size = needed + max(needed // 8, _SPARE)
    more_times, more_values = np.empty(size, dtype=np.int64), np.empty((len(values), size))
    more_times[: len(times)], more_values[:, : len(times)] = times, values
    return more_times, more_values


def _equal(one: Array | Millis, other: Array | Millis) -> bool:
    """Bit by bit, so that NaN is NaN."""
    return one.shape == other.shape and bool((one.view(np.int64) == other.view(np.int64)).all())


class Names:
    """The labels of a store's series, block by block: what follows from them alone is found out once."""

    def __init__(self, rows: tuple[tuple[Labels, ...], ...]) -> None:
        self.rows = rows
        self.facts: dict[object, Any] = {}

    def fact(self, key: object, found: Callable[[], T]) -> T:
        """What `found` says, asked once."""
        if key not in self.facts:
            self.facts[key] = found()
        known: T = self.facts[key]
        return known

    def fact_of(self, name: str, key: Hashable, found: Callable[[], T]) -> T:
        """The same for whoever reads the series by `key`, the last one that asked."""
        known = self.facts.get(name)
        if known is None or known[0] != key:
            known = self.facts[name] = key, found()
        told: T = known[1]
        return told

    @cached_property
    def every(self) -> frozenset[Labels]:
        """All of them."""
        return frozenset(labels for rows in self.rows for labels in rows)

    @cached_property
    def once(self) -> bool:
        """Whether no two of them can be one that was scraped twice."""
        return is_scraped_once(self.every)

    def named(self, metric: str) -> list[tuple[int, int]]:
        """(block, row) of every series with this name."""
        return self._by_metric.get(metric, [])

    @cached_property
    def _by_metric(self) -> dict[str, list[tuple[int, int]]]:
        found: dict[str, list[tuple[int, int]]] = {}
        for block, rows in enumerate(self.rows):
            for row, labels in enumerate(rows):
                found.setdefault(dict(labels).get("__name__", ""), []).append((block, row))
        return found


class BlockSeries(Mapping[Labels, Series]):
    """The series of some blocks, in the order of their labels; made when somebody asks for one."""

    def __init__(self, blocks: Iterable[Block], names: Names | None = None) -> None:
        self.blocks = tuple(blocks)
        self.names = names or Names(tuple(one.labels for one in self.blocks))

    @cached_property
    def _found(self) -> dict[Labels, Series]:
        every = (one for block in self.blocks for one in block.series())
        return dict(sorted(((one.labels, one) for one in every), key=lambda pair: pair[0]))

    def named(self, metric: str) -> Iterator[Series]:
        """The series with this name."""
        for block, row in self.names.named(metric):
            one = self.blocks[block]
            yield Series(one.labels[row], one.times, one.values[row])

    def since(self, edge: int) -> BlockSeries:
        """Only the samples after `edge` (ms); the same object where that is all of them."""
        cuts = [int(one.times.searchsorted(edge, side="right")) for one in self.blocks]
        if not any(cuts):
            return self
        left = [one.since(cut) for one, cut in zip(self.blocks, cuts, strict=True) if cut < len(one.times)]
        return BlockSeries(left, self.names if len(left) == len(self.blocks) else None)

    def __getitem__(self, labels: Labels) -> Series:
        return self._found[labels]

    def __iter__(self) -> Iterator[Labels]:
        return iter(self._found)

    def __len__(self) -> int:
        return sum(len(block.labels) for block in self.blocks)


def blocks_of(series: Iterable[Series]) -> list[Block]:
    """The same series, those of one target with equal times together; rows in the order of their labels."""
    groups: dict[tuple[Target, bytes], list[Series]] = {}
    for one in sorted(series, key=lambda each: each.labels):
        groups.setdefault((one.target, one.times.tobytes()), []).append(one)
    return [
        Block(target, tuple(one.labels for one in rows), rows[0].times, np.stack([one.values for one in rows]))
        for (target, _), rows in groups.items()
    ]
