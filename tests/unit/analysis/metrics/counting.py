"""One process of Triton at a time: series of its counters, and what the operator counts in them."""

from __future__ import annotations

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.grid import make_grid
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series import Series, make_series
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.core.analysis.metrics.tick_table import TickTable, make_tick_table
from tests.unit.analysis.recorded import request_of, spec_of

READER = SeriesReader(request_of(spec_of({"name": "errors", "type": "ErrorRate"}), dialect=None))
GRID = make_grid(990.0, 10.0, 0, 60)
EVERY = 5.0
Points = list[tuple[float, float]]


def counter(points: Points, metric: str = s.FAILURE, **labels: str) -> Series:
    own = {"job": "triton", "instance": "10.0.0.1:8000", "model": "digits", "version": "2", "pod": "a"}
    return make_series({"__name__": metric, **own, **labels}, points)


def without(series: Series, *names: str) -> Series:
    return Series(tuple(pair for pair in series.labels if pair[0] not in names), series.times, series.values)


def line(first: float, last: float, start: float, growth: float = 0.0) -> Points:
    """Scrapes from `first` to `last`, EVERY seconds apart, rising from `start`."""
    return [(first + EVERY * at, start + growth * at) for at in range(int((last - first) / EVERY) + 1)]


def table_of(*series: Series) -> TickTable:
    return make_tick_table([SampleStore().merged(series)], READER, GRID, EVERY)


def grown(*series: Series, metric: str = s.FAILURE) -> float:
    """What the candidate's counter has grown by, over everything."""
    return float(table_of(*series).total(metric, "candidate").sum())


BUSY = counter(line(1000, 1300, 1_000_000, 50), s.SUCCESS)
"""The process counts on, so that its target is known and what it usually grows by is too."""
