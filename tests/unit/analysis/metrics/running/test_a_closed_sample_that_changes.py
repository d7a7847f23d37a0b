"""What was read for good is read again where it has changed."""

from __future__ import annotations

import numpy as np
import pytest

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.blocks.running import Running
from modelrollout.core.analysis.metrics.grid import make_grid
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series import Series, make_series
from modelrollout.core.analysis.metrics.tick_table import make_tick_table
from tests.unit.analysis.metrics.worlds import EVERY, READER, START

SCRAPES, AGAIN = 60, 50.0
LABELS = {"__name__": s.SUCCESS, "job": "triton", "instance": "10.0.0.1:8000", "model": "digits", "version": "2"}


def series(changed: dict[int, float], until: float) -> list[Series]:
    values = {at: 10.0 * at + changed.get(at, 0.0) for at in range(SCRAPES)}
    return [make_series(LABELS, [(START + EVERY * at, value) for at, value in values.items() if EVERY * at <= until])]


def read(store: SampleStore, running: Running | None, last: int) -> np.ndarray:
    table = make_tick_table([store], READER, make_grid(START - EVERY, EVERY, 0, last), EVERY, running)
    return table.total(s.SUCCESS, "candidate")


def brought_up(store: SampleStore, changed: dict[int, float], low: float, until: float) -> SampleStore:
    return store.replaced(series(changed, until), START + low, START + until)


@pytest.mark.parametrize("changed", [{4: 5.0}, {20: -3.0}, {4: 1000.0}, {4: float("nan")}])
def test_a_rewritten_sample_counts_as_it_is_now(changed):
    running, whole = Running(), SampleStore()
    store = brought_up(whole, {}, -10, 200)
    store = brought_up(store, {}, 200 - AGAIN, 205)
    assert read(store, running, 40).tolist() == read(store, None, 40).tolist()
    (kept,) = running.of[0, 5000].counts.values()
    assert kept.closed > 25, "what is rewritten had been read for good"
    store = brought_up(store, changed, -10, 205)  # asked for from the beginning once
    store = brought_up(store, changed, 205 - AGAIN, 210)
    assert read(store, running, 41).tolist() == read(store, None, 41).tolist()
    assert read(store, None, 41).tolist() != read(brought_up(whole, {}, -10, 210), None, 41).tolist()


def test_a_burst_is_confirmed_by_the_next_scrape():
    running, store = Running(), brought_up(SampleStore(), {}, -10, 200)
    burst = {41: 5000.0}
    for until, last in ((205, 40), (210, 41)):
        store = brought_up(store, burst, until - AGAIN, until)
        assert read(store, running, last).tolist() == read(store, None, last).tolist()
    high = dict.fromkeys(range(41, SCRAPES), 5000.0)
    store = brought_up(store, high, 215 - AGAIN, 215)
    assert read(store, running, 42).tolist() == read(store, None, 42).tolist()
    assert read(store, None, 42)[41] == 5010


def test_what_lies_beyond_the_grid_is_counted_when_the_grid_is_there():
    running, store = Running(), brought_up(SampleStore(), {}, -10, 200)
    store = brought_up(store, {}, 200 - AGAIN, 205)
    for last in (10, 25, 40):
        assert read(store, running, last).tolist() == read(store, None, last).tolist()
