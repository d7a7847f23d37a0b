"""Series become channels: increments per tick, summed over everything a verdict does not ask about."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import Any, get_args

import numpy as np

from modelrollout.core.analysis.metrics.blocks.growth import Growth, Part, Place, by_place
from modelrollout.core.analysis.metrics.blocks.running import Plain, Running
from modelrollout.core.analysis.metrics.counters.chain import Chain
from modelrollout.core.analysis.metrics.counters.cleaning import LeftOut, Unread, cleaned
from modelrollout.core.analysis.metrics.counters.continuation import Continuation
from modelrollout.core.analysis.metrics.counters.families import HISTOGRAMS, bundles
from modelrollout.core.analysis.metrics.counters.layouts import Layout, layouts_of
from modelrollout.core.analysis.metrics.counters.restarts import with_restarts
from modelrollout.core.analysis.metrics.counters.sums import steadied
from modelrollout.core.analysis.metrics.counters.usable import are_numbers
from modelrollout.core.analysis.metrics.counters.withheld import Spares, Withheld, with_spared, withheld
from modelrollout.core.analysis.metrics.grid import Grid
from modelrollout.core.analysis.metrics.increments import began_at_zero, increments, scraped_ticks, ticks_with_a_sample
from modelrollout.core.analysis.metrics.model_series import GAUGES, MARKS, Arm
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series_reader import NO_ERROR, REFUSED, Channel, SeriesReader
from modelrollout.core.analysis.stats.arrays import Array, Flags


@dataclass(frozen=True)
class TickTable:
    """What the samples say on the grid; every array has shape (grid.count,)."""

    grid: Grid
    growth: Mapping[Channel, Array]
    sampled: Mapping[tuple[str, Arm], Flags]
    """Ticks with a scrape, by metric and arm; a tick shorter than the scrape interval borrows its neighbour's."""
    left_out: Mapping[tuple[str, Arm], LeftOut]
    """Samples that were bad, by metric and arm."""
    unreadable: frozenset[Unread]
    """What is scraped now and has had no good sample lately: it cannot be judged."""
    layouts: Mapping[Channel, frozenset[Layout]]
    """The edges that each histogram has, by channel (without a detail): one layout where all its processes agree."""
    gauges: Mapping[Channel, frozenset[float]]
    """All values a gauge has had within the grid."""
    scraped: Mapping[tuple[str, Arm], Mapping[float, Flags]]
    """Ticks that hold a scrape, by metric and arm and by the usual gap in seconds: what `sampled` is made from."""
    marks: Mapping[Channel, Flags]
    """Ticks in which a series was scraped that says something by its label: a digest, what counts as dead."""
    withheld: Sequence[Withheld] = ()
    """What the rest of an address counts while one of its counters stays bad."""

    def has(self, metric: str, arm: Arm) -> bool:
        """Whether the metric was ever seen for this arm within the grid."""
        return (metric, arm) in self.sampled

    def total(self, metric: str, arm: Arm, *, layer: str | None = None, details: Iterable[str] | None = None) -> Array:
        """Sum of a metric's channels; None means all layers, all details."""
        channels = list(self._channels(metric, arm, layer, None if details is None else sorted(set(details))))
        out = np.zeros(self.grid.count) if not channels else self.growth[channels[0]]
        for channel in channels[1:]:
            out = out + self.growth[channel]
        return out

    def by_layer(self, metric: str, arm: Arm, layers: Sequence[str]) -> Array:
        """`total` of each of the layers, (layers, grid.count), not to be written to."""
        found = self.growth.by_layer(metric, arm, layers) if isinstance(self.growth, Growth) else None
        if found is not None:
            return found
        rows = [self.total(metric, arm, layer=layer) for layer in layers]
        return np.stack(rows) if rows else np.zeros((0, self.grid.count))

    def channels(self, metric: str, arm: Arm) -> list[Channel]:
        """All channels of a metric."""
        return self._by_place.get((metric, arm, None, None), [])

    def instead(self, growth: Mapping[Channel, Array]) -> TickTable:
        """The same with this growth of channels that it has."""
        known = self.growth
        return replace(self, growth=known.with_(growth) if isinstance(known, Growth) else {**known, **growth})

    def _channels(self, metric: str, arm: Arm, layer: str | None, details: Sequence[str] | None) -> Iterable[Channel]:
        """Those in question by look-up alone: a table may have ten thousand, and a gate asks for each by itself."""
        if details is None:
            return self._by_place.get((metric, arm, layer, None), ())
        if layer is None:
            return chain.from_iterable(self._by_place.get((metric, arm, None, one), ()) for one in details)
        exact = (Channel(metric, arm, layer, one) for one in details)
        return (channel for channel in exact if channel in self.growth)

    def sum_by_layer(self, metric: str, arm: Arm, first: int = 0) -> Mapping[str, float]:
        """The sum of each layer's `total` over the ticks from `first` on."""
        key = metric, arm, first
        if key not in self._sums:
            layers = sorted(self.layers(metric, arm))
            self._sums[key] = dict(
                zip(layers, self.by_layer(metric, arm, layers)[:, first:].sum(axis=1).tolist(), strict=True)
            )
        return self._sums[key]

    @cached_property
    def _sums(self) -> dict[tuple[str, Arm, int], dict[str, float]]:
        return {}

    @cached_property
    def facts(self) -> dict[Hashable, Any]:
        """What gates found out of it once, by a name of theirs."""
        return {}

    @property
    def _by_place(self) -> Mapping[Place, list[Channel]]:
        """Channels by metric and arm, alone and together with a layer or a detail."""
        return self.growth.known if isinstance(self.growth, Growth) else self._placed

    @cached_property
    def _placed(self) -> dict[Place, list[Channel]]:
        return by_place(self.growth)

    def details(self, metric: str, arm: Arm | None = None) -> set[str]:
        """The values of the metric's detail label (codes, bucket edges)."""
        arms = get_args(Arm) if arm is None else (arm,)
        found = {channel.detail for each in arms for channel in self._channels(metric, each, None, None)}
        apart = chain.from_iterable(one.kinds for one in self.withheld if one.arm in arms)
        return found | {detail for name, detail in apart if name == metric}

    def errors(self, role: str) -> set[str]:
        """The statuses of a gateway's counter of answers that are errors."""
        return self.details(role) - {NO_ERROR} - self.refusals(role)

    def refusals(self, role: str) -> set[str]:
        """The details of a gateway's counter of answers that are refusals."""
        return {detail for detail in self.details(role) if detail.startswith(REFUSED)}

    def layers(self, metric: str, arm: Arm, *, detail: str | None = None) -> set[str]:
        """The layers that report the metric ("" where it has none), with that detail where one is given."""
        details = None if detail is None else [detail]
        return {channel.layer for channel in self._channels(metric, arm, None, details)}

    def gauge(self, metric: str, arm: Arm, layer: str) -> frozenset[float]:
        """All values that the layer's gauge has had within the grid."""
        return self.gauges.get(Channel(metric, arm, layer), frozenset())

    def marked(self, metric: str, arm: Arm, layer: str) -> list[str]:
        """What the layer's series of this metric say by their label."""
        return self._marked.get((metric, arm, layer), [])

    @cached_property
    def _marked(self) -> dict[tuple[str, Arm, str], list[str]]:
        found: dict[tuple[str, Arm, str], list[str]] = {}
        for channel in self.marks:
            found.setdefault((channel.metric, channel.arm, channel.layer), []).append(channel.detail)
        return found

    def present(self, metric: str, arm: Arm) -> Flags:
        """Ticks with a scrape of the metric; all False where it was never seen."""
        return self.sampled.get((metric, arm), np.zeros(self.grid.count, dtype=bool))

    def sparing(self, spares: Mapping[Arm, Spares]) -> TickTable:
        """The same for whoever can do without some counters of each version where they stay bad."""
        return replace(self, growth=with_spared(self.growth, self.withheld, spares)) if self.withheld else self

    def whole(self, parts: int) -> TickTable:
        """The same on ticks of `parts` of these each, as far as they are complete."""
        grid = self.grid.whole(parts)

        return replace(
            self,
            grid=grid,
            growth={channel: _folded(grown, grid, parts).sum(axis=1) for channel, grown in self.growth.items()},
            withheld=[one.whole(grid.count, parts) for one in self.withheld],
            sampled={key: _covered(scraped, grid, parts) for key, scraped in self.scraped.items()},
            scraped={},
            marks={channel: _any_of(when, grid, parts) for channel, when in self.marks.items()},
        )


def make_tick_table(
    stores: Iterable[SampleStore], reader: SeriesReader, grid: Grid, scrape: float, running: Running | None = None
) -> TickTable:
    """Read every series of the stores (one per query) onto the grid. `scrape`: configured interval, seconds.

    With `running` what was read for the evaluation before is not read again; the table is the same.
    """
    seen, counted = _Seen(grid, scrape), _Counted(grid)
    for number, store in enumerate(stores):
        plain = None
        if running is not None and store.blocks is not None:
            plain = running.plain(number, store.blocks, reader, grid, store.targets, scrape)
        if plain is None:
            _read_all(store, reader, (seen, counted), scrape)
            continue
        seen.take(plain, store)
        counted.take(plain)
        if plain.odd:
            newest = max(
                (int(plain.blocks[at].times[-1]) for at, one in plain.counts.items() if len(one.first)), default=0
            )
            _read_all(store.at_hosts(plain.odd), reader, (seen, counted), scrape, newest)
    growth: Mapping[Channel, Array] = counted.growth
    if running is not None and counted.parts:
        known, lying = running.known(counted.parts, counted.growth)
        growth = Growth(counted.parts, grid.count, counted.growth, known, lying=lying)
    covered: dict[tuple[tuple[float, int], ...], Flags] = {}
    sampled = {}
    for key, found in seen.scraped.items():
        same = tuple((gap, id(when)) for gap, when in found.items())
        if same not in covered:
            covered[same] = _covered(found, grid, 1)
        sampled[key] = covered[same]
    return TickTable(
        grid,
        growth,
        sampled,
        counted.left_out,
        counted.unreadable,
        counted.layouts,
        seen.gauges,
        seen.scraped,
        seen.marks,
        counted.withheld,
    )


def _read_all(
    store: SampleStore, reader: SeriesReader, into: tuple[_Seen, _Counted], scrape: float, newest: int = 0
) -> None:
    """Every series by itself, as cleaning and continuation have it; `newest`: the last sample of all others (ms)."""
    seen, counted = into
    grid = seen.grid
    seen.add(store, reader)
    found = cleaned(with_restarts(steadied(bundles(store, reader))), store.targets, grid, scrape)
    began = began_at_zero(store, scrape)
    counted.left_out.update(found.left_out)
    counted.unreadable |= found.unreadable
    chains = list(Continuation(found.bundles, began, scrape, newest).chains())
    for one in chains:
        counted.add(one)
    if found.stopped:
        rest = list(Continuation(found.rest, began, scrape, newest).chains())
        counted.withheld += withheld(found, chains, rest, grid)


@dataclass
class _Seen:
    """What is said by a sample's being there, whatever a counter has grown by."""

    grid: Grid
    scrape: float
    scraped: dict[tuple[str, Arm], dict[float, Flags]] = field(default_factory=dict)
    gauges: dict[Channel, frozenset[float]] = field(default_factory=dict)
    marks: dict[Channel, Flags] = field(default_factory=dict)

    def take(self, plain: Plain, store: SampleStore) -> None:
        """What the plain hosts of a store show."""
        for at, block in plain.blocks.items():
            rows = plain.counts[at].rows
            when = ticks_with_a_sample(block.times, self.grid)
            gap = store.targets[block.target].gap
            every = round(self.scrape if gap is None else gap / 1000, 1)
            for key in rows.seen:
                known = self.scraped.setdefault(key, {})
                known[every] = known[every] | when if every in known else when
            for channel in rows.marks:
                self.marks[channel] = self.marks[channel] | when if channel in self.marks else when
            where = self.grid.index(block.times)
            first, last = where.searchsorted((0, self.grid.count))
            if not rows.gauges:
                continue
            values = block.values[[row for _, row in rows.gauges], first:last]
            constant = (values == values[:, :1]).all(axis=1) if last > first else np.zeros(len(values), dtype=bool)
            for (channel, _), mine, one in zip(rows.gauges, values, constant.tolist(), strict=True):
                known = mine[:1] if one else mine
                found = frozenset(known[are_numbers(known)].tolist())
                self.gauges[channel] = self.gauges.get(channel, frozenset()) | found

    def add(self, store: SampleStore, reader: SeriesReader) -> None:
        for labels, one in store.series.items():
            channel = reader.channel(dict(labels)) if len(one.times) else None
            if channel is None:
                continue
            when = scraped_ticks(one, self.grid)
            if channel.metric in MARKS:
                self.marks[channel] = self.marks[channel] | when if channel in self.marks else when
            gap = store.targets[one.target].gap
            every = round(self.scrape if gap is None else gap / 1000, 1)
            known = self.scraped.setdefault((channel.metric, channel.arm), {})
            known[every] = known[every] | when if every in known else when
            if channel.metric in GAUGES:
                where = self.grid.index(one.times)
                inside = (where >= 0) & (where < self.grid.count) & are_numbers(one.values)
                self.gauges[channel] = self.gauges.get(channel, frozenset()) | frozenset(one.values[inside].tolist())


@dataclass
class _Counted:
    """What the counters have grown by."""

    grid: Grid
    growth: dict[Channel, Array] = field(default_factory=dict)
    left_out: dict[tuple[str, Arm], LeftOut] = field(default_factory=dict)
    unreadable: frozenset[Unread] = frozenset()
    withheld: list[Withheld] = field(default_factory=list)
    layouts: dict[Channel, frozenset[Layout]] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    """What plain hosts count."""

    def take(self, plain: Plain) -> None:
        """What the plain hosts of a store count."""
        self.parts.append(plain.part)
        for at, counts in plain.counts.items():
            for one in counts.rows.histograms:
                layout = Layout(one.edges, one.complete, counts.grew(one.top, plain.part.read[at], self.grid.count))
                self.layouts[one.channel] = self.layouts.get(one.channel, frozenset()) | {layout}

    def add(self, found: Chain) -> None:
        for detail, one in found.bundle.members.items():
            channel = found.bundle.channel._replace(detail=detail)
            grown = increments(one, self.grid, from_zero=found.zero[detail], restarts=found.bundle.restarts)
            self.growth[channel] = self.growth[channel] + grown if channel in self.growth else grown
        if found.bundle.channel.metric in HISTOGRAMS:
            known = self.layouts.get(found.bundle.channel, frozenset())
            self.layouts[found.bundle.channel] = known | layouts_of(found, self.grid)


def _folded(values: Array | Flags, grid: Grid, parts: int) -> Array | Flags:
    """The values of each tick of `grid` beside each other, (grid.count, parts)."""
    return values[: grid.count * parts].reshape(grid.count, parts)


def _any_of(when: Flags, grid: Grid, parts: int) -> Flags:
    flags: Flags = np.asarray(_folded(when, grid, parts).any(axis=1))
    return flags


def _covered(scraped: Mapping[float, Flags], grid: Grid, parts: int) -> Flags:
    """Where a scrape covers the tick, from the ticks of 1/parts that hold one."""
    flags = np.zeros(grid.count, dtype=bool)
    for gap, when in scraped.items():
        flags |= _lasting(_any_of(when, grid, parts), grid, gap)
    return flags


def _lasting(when: Flags, grid: Grid, gap: float) -> Flags:
    """A scrape covers all ticks until the next one is expected."""
    out = when.copy()
    for shift in range(1, int(np.ceil(1.5 * gap * 1000 / grid.interval - 1e-9))):
        out[shift:] |= when[:-shift]
    return out


def missing_at_end(present: Flags) -> int:
    """How many ticks in a row, up to the last, have no scrape."""
    found = np.flatnonzero(present)
    return len(present) if not len(found) else len(present) - 1 - int(found[-1])
