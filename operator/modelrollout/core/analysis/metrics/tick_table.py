"""Series become channels: increments per tick, summed over everything a verdict does not ask about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from modelrollout.core.analysis.metrics.grid import Grid
from modelrollout.core.analysis.metrics.increments import began_at_zero, increments
from modelrollout.core.analysis.metrics.model_series import GAUGES, MARKS, Arm
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series_reader import NO_ERROR, Channel, SeriesReader
from modelrollout.core.analysis.stats.arrays import Array, Flags


@dataclass(frozen=True)
class TickTable:
    """What the samples say on the grid; every array has shape (grid.count,)."""

    grid: Grid
    growth: Mapping[Channel, Array]
    sampled: Mapping[tuple[str, Arm], Flags]
    """Ticks with a scrape, by metric and arm; a tick shorter than the scrape interval borrows its neighbour's."""
    invalid: Mapping[tuple[str, Arm], Flags]
    """Ticks in which a counter read NaN, Inf or less than 0."""
    gauges: Mapping[Channel, frozenset[float]]
    """All values a gauge has had within the grid."""
    marks: Mapping[Channel, Flags]
    """Ticks in which a series was scraped that says something by its label: a digest, what counts as dead."""

    def has(self, metric: str, arm: Arm) -> bool:
        """Whether the metric was ever seen for this arm within the grid."""
        return (metric, arm) in self.sampled

    def total(self, metric: str, arm: Arm, *, layer: str | None = None, details: Iterable[str] | None = None) -> Array:
        """Sum of a metric's channels; None means all layers, all details."""
        wanted = None if details is None else frozenset(details)
        out = np.zeros(self.grid.count)
        for channel, growth in self.growth.items():
            fits = channel.metric == metric and channel.arm == arm
            if fits and layer in {None, channel.layer} and (wanted is None or channel.detail in wanted):
                out = out + growth
        return out

    def details(self, metric: str, arm: Arm | None = None) -> set[str]:
        """The values of the metric's detail label (codes, bucket edges)."""
        return {c.detail for c in self.growth if c.metric == metric and arm in {None, c.arm}}

    def errors(self, role: str) -> set[str]:
        """The statuses of a gateway's counter of answers that are errors."""
        return self.details(role) - {NO_ERROR}

    def layers(self, metric: str, arm: Arm) -> set[str]:
        """The layers that report the metric."""
        return {c.layer for c in self.growth if c.metric == metric and c.arm == arm}

    def present(self, metric: str, arm: Arm) -> Flags:
        """Ticks with a scrape of the metric; all False where it was never seen."""
        return self.sampled.get((metric, arm), np.zeros(self.grid.count, dtype=bool))

    def unusable(self, metric: str, arm: Arm, since: int) -> bool:
        """Whether a counter of the metric was no number in any tick from position `since` on."""
        flags = self.invalid.get((metric, arm))
        return flags is not None and bool(flags[max(since, 0) :].any())


def make_tick_table(stores: Iterable[SampleStore], reader: SeriesReader, grid: Grid, scrape: float) -> TickTable:
    """Read every series of the stores (one per query) onto the grid. `scrape`: configured interval, seconds."""
    growth: dict[Channel, Array] = {}
    sampled: dict[tuple[str, Arm], Flags] = {}
    invalid: dict[tuple[str, Arm], Flags] = {}
    gauges: dict[Channel, frozenset[float]] = {}
    marks: dict[Channel, Flags] = {}
    for store in stores:
        zero, observed = began_at_zero(store, scrape), store.targets
        for labels, one in store.series.items():
            channel = reader.channel(dict(labels))
            if channel is None or not len(one.times):
                continue
            grown, when, bad = increments(one, grid, from_zero=labels in zero)
            if channel.metric in MARKS:
                marks[channel] = marks[channel] | when if channel in marks else when.copy()
            gap = observed[one.target].gap
            when = _lasting(when, grid, scrape if gap is None else gap / 1000)
            key = (channel.metric, channel.arm)
            sampled[key] = sampled[key] | when if key in sampled else when
            invalid[key] = invalid[key] | bad if key in invalid else bad
            if channel.metric in GAUGES:
                inside = (grid.index(one.times) >= 0) & (grid.index(one.times) < grid.count)
                gauges[channel] = gauges.get(channel, frozenset()) | frozenset(one.values[inside].tolist())
            growth[channel] = growth[channel] + grown if channel in growth else grown
    return TickTable(grid, growth, sampled, invalid, gauges, marks)


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
