"""Growth by channel, made when somebody asks for it: a table has thousands of channels, and a verdict few questions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from modelrollout.core.analysis.metrics.model_series import Arm
from modelrollout.core.analysis.metrics.series_reader import Channel
from modelrollout.core.analysis.stats.arrays import Array, Flags, Index

Place = tuple[str, Arm, str | None, str | None]
"""Metric and arm, alone and together with a layer or a detail."""
Places = Mapping[Channel, tuple[tuple[int, int], ...]]
"""(block, counter) of every channel."""


Asked = tuple[str, Arm, tuple[str, ...]]
"""Metric, arm and layers."""


@dataclass(frozen=True)
class Lying:
    """Counters of one block: numbers of the part, of the block and of its rows."""

    part: int
    block: int
    rows: tuple[int, ...]

    @cached_property
    def at(self) -> Index | slice:
        """The rows; as a slice where they follow one another, for that copies nothing."""
        first = self.rows[0]
        if self.rows == tuple(range(first, first + len(self.rows))):
            return slice(first, first + len(self.rows))
        return np.array(self.rows, dtype=np.intp)


def by_place(channels: Collection[Channel]) -> dict[Place, list[Channel]]:
    """The channels at each place."""
    found: dict[Place, list[Channel]] = {}
    for channel in channels:
        for place in ((None, None), (channel.layer, None), (None, channel.detail)):
            found.setdefault((channel.metric, channel.arm, *place), []).append(channel)
    return found


@dataclass(frozen=True)
class Read:
    """One block's growth on a grid."""

    growth: Array
    """(counters, ticks and more)."""
    first: Array
    tick: int
    """In which tick the first sample lies, or outside the grid."""
    zero: Flags | None
    """Whose first sample counts in full; None for nobody's."""

    def rows(self, at: Index | slice, count: int) -> Array:
        """The growth of some counters, (rows, count), not to be written to."""
        found: Array = self.growth[at, :count]
        if self.zero is not None and 0 <= self.tick < count:
            found = found.copy()
            found[:, self.tick] += np.where(self.zero[at], self.first[at], 0.0)
        return found

    def row(self, at: int, count: int) -> Array:
        """The growth of one counter."""
        if self.zero is not None and 0 <= self.tick < count and self.zero[at]:
            grown: Array = self.rows(slice(at, at + 1), count)[0]
        else:
            grown = self.growth[at, :count]
        return grown


@dataclass(frozen=True)
class Part:
    """The blocks of one store."""

    places: Places
    read: Mapping[int, Read]

    def of(self, channel: Channel, count: int) -> Array | None:
        """The channel's growth in all blocks; None where it has none there."""
        found: Array | None = None
        for block, at in self.places.get(channel, ()):
            grown = self.read[block].row(at, count)
            found = grown if found is None else found + grown
        return found


@dataclass(frozen=True, eq=False)
class Growth(Mapping[Channel, Array]):
    """Growth of what the blocks of some stores count, and of what else was counted."""

    parts: Sequence[Part]
    count: int
    more: Mapping[Channel, Array]
    """Counted beside the blocks."""
    known: Mapping[Place, list[Channel]]
    """All channels, as by_place has them."""
    instead: Mapping[Channel, Array] = field(default_factory=dict)
    """What stands in for what was counted."""
    lying: dict[Asked, Lying | None] = field(default_factory=dict)
    """Where layers lie that were asked for, as long as `known` holds; None for such that do not lie together."""

    def __getitem__(self, channel: Channel) -> Array:
        if channel in self.instead:
            return self.instead[channel]
        found = self.more.get(channel)
        for part in self.parts:
            grown = part.of(channel, self.count)
            if grown is not None:
                found = grown if found is None else found + grown
        if found is None:
            raise KeyError(channel)
        return found

    def __contains__(self, channel: object) -> bool:
        return channel in self.more or any(channel in part.places for part in self.parts)

    def __iter__(self) -> Iterator[Channel]:
        return iter(channels_of(self.parts, self.more))

    def __len__(self) -> int:
        return len(channels_of(self.parts, self.more))

    def with_(self, instead: Mapping[Channel, Array]) -> Growth:
        """With this growth of channels that it has."""
        return replace(self, instead={**self.instead, **instead})

    def by_layer(self, metric: str, arm: Arm, layers: Sequence[str]) -> Array | None:
        """The growth of each layer in all its details, (layers, ticks); None where they do not lie together.

        Not to be written to.
        """
        asked = metric, arm, tuple(layers)
        if asked not in self.lying:
            self.lying[asked] = self._lying(metric, arm, layers)
        lying = self.lying[asked]
        if lying is None or any((one.metric, one.arm) == (metric, arm) for one in self.instead):
            return None
        rows = self.parts[lying.part].read[lying.block].rows(lying.at, self.count)
        each = len(lying.rows) // max(len(layers), 1)
        return rows if each == 1 else rows.reshape(len(layers), each, self.count).sum(axis=1)

    def _lying(self, metric: str, arm: Arm, layers: Sequence[str]) -> Lying | None:
        """Where all of them have as many channels, those of one block, each alone."""
        each = [self.known.get((metric, arm, layer, None), []) for layer in layers]
        channels = [one for mine in each for one in mine]
        if len({len(mine) for mine in each}) != 1 or not channels:
            return None
        for number, part in enumerate(self.parts):
            places = [part.places.get(one, ()) for one in channels]
            blocks = {one[0][0] for one in places if one}
            if len(blocks) == 1 and all(len(one) == 1 for one in places) and not self._elsewhere(part, channels):
                return Lying(number, blocks.pop(), tuple(one[0][1] for one in places))
        return None

    def _elsewhere(self, part: Part, channels: Sequence[Channel]) -> bool:
        others = [*(one.places for one in self.parts if one is not part), self.more]
        return any(one and any(channel in one for channel in channels) for one in others)


def channels_of(parts: Sequence[Part], more: Mapping[Channel, Array]) -> dict[Channel, object]:
    """All channels of them, in one order."""
    found: dict[Channel, object] = {}
    for part in parts:
        found.update(part.places)
    found.update(more)
    return found
