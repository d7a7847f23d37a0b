"""One bad sample is one bad sample: it is left out and counted, and what the counter grew by is counted afterwards."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.counters.cleaning import LeftOut
from modelrollout.core.analysis.metrics.grid import make_grid
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.tick_table import TickTable, make_tick_table
from tests.unit.analysis.metrics.counting import BUSY, EVERY, GRID, READER, counter, line, table_of

BAD = (math.nan, math.inf, -math.inf, -1.0, 1e308, 2.0**64, 1e15)
KEY: tuple[str, s.Arm] = (s.FAILURE, "candidate")


def failures(values: list[float], *, busy: bool = True) -> TickTable:
    """Scrapes from 1000 on with these values, beside a counter that shows what the process usually does."""
    points = [(1000 + EVERY * at, value) for at, value in enumerate(values)]
    last = points[-1][0]
    others = [counter(line(1000, last, 1_000_000, 50), s.SUCCESS)] if busy else []
    return table_of(counter(points), *others)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("at", [1, 5, 9])
def test_a_bad_sample_moves_growth_to_the_next_good_one(bad, at):
    values = [3000.0 + 2 * n for n in range(12)]
    values[at] = bad
    found = failures(values)
    assert found.total(*KEY).sum() == 22
    assert found.left_out[KEY] == LeftOut(1, 1000 + EVERY * at)
    assert not found.unreadable


@pytest.mark.parametrize(
    ("sentence", "values", "growth"),
    [
        ("a sample far below both neighbours is no reset", [3000, 3000, 0, 3000, 3002], 2),
        ("nor is one that is a little below", [3000, 3010, 7, 3020, 3030], 30),
        ("a drop that stays is a reset", [3000, 3000, 0, 1, 3], 3),
        ("a reset at a bad sample counts from 0", [3000, 3000, math.nan, 4, 6], 6),
        ("a bad sample after a reset as well", [3000, 3000, 4, math.nan, 6], 6),
        ("a spike that the next sample does not confirm is none", [0, 2, 900_000, 4, 6], 6),
        ("a burst that the next sample confirms is one", [0, 2, 900_000, 900_002, 900_004], 900_004),
        ("a spike at the end waits for the next", [0, 2, 4, 900_000], 4),
        ("a crash loop is no row of dips", [30, 20, 40, 10, 35, 12, 50, 20, 45], 20 + 20 + 10 + 25 + 12 + 38 + 20 + 25),
    ],
)
def test_growth_is_right_where(sentence, values, growth):
    assert failures([float(value) for value in values]).total(*KEY).sum() == growth, sentence


@pytest.mark.parametrize("bad", BAD[:-1])
def test_a_counter_that_is_bad_all_the_time_cannot_be_judged_nor_can_its_family(bad):
    grid = make_grid(990.0, 10.0, 0, 6)
    series = [counter(line(1000, 1060, bad)), counter(line(1000, 1060, 5, 50), s.SUCCESS)]
    found = make_tick_table([SampleStore().merged(series)], READER, grid, EVERY)
    assert (s.FAILURE, "candidate", "") in found.unreadable
    assert (s.SUCCESS, "candidate", "") in found.unreadable
    assert (s.SUCCESS, "stable", "") not in found.unreadable
    assert found.total(*KEY).sum() == found.total(s.SUCCESS, "candidate").sum() == 0


def test_a_counter_that_turns_bad_cannot_be_judged_after_three_scrapes_and_can_again_when_it_is_good():
    def unreadable(values: list[float]) -> bool:
        grid = make_grid(GRID.origin / 1000, 5.0, 0, 1 + len(values))
        points = [(1000 + EVERY * at, value) for at, value in enumerate(values)]
        table = make_tick_table([SampleStore().merged([counter(points)])], READER, grid, EVERY)
        return (*KEY, "") in table.unreadable

    good = [1.0, 2.0, 3.0]
    assert [unreadable([*good, *[math.nan] * bad]) for bad in range(5)] == [False, False, False, True, True]
    assert not unreadable([*good, *[math.nan] * 4, 4.0])


def test_a_pod_that_is_gone_does_not_stand_in_the_way():
    gone = counter([(1000 + EVERY * at, math.nan) for at in range(10)], instance="10.0.0.7:8000")
    assert not table_of(gone, BUSY).unreadable


def test_what_is_compared_is_counted_over_the_same_time():
    """While errors cannot be read, requests are not counted either: neither share nor bucket is ever one-sided."""
    values = [float(n) for n in range(12)]
    values[4] = math.nan
    found = failures(values)
    errors, requests = found.total(*KEY), found.total(s.SUCCESS, "candidate")
    assert (errors * 50 == requests).all()


def test_a_bad_bucket_leaves_its_whole_scrape_out():
    fast, total = line(1000, 1100, 500, 5), line(1000, 1100, 1000, 5)
    fast[7] = (fast[7][0], math.nan)
    found = table_of(counter(fast, s.DURATION, le="1"), counter(total, s.DURATION, le="+Inf"))
    below, every = (found.total(s.DURATION, "candidate", details=[le]) for le in ("1", "+Inf"))
    assert (below == every).all()
    assert every.sum() == 100


def test_a_window_size_that_is_no_number_is_none():
    sizes = counter([(1000, 200.0), (1005, math.nan), (1010, -1.0)], s.WINDOW_SIZE, layer="relu")
    (found,) = table_of(sizes).gauges.values()
    assert found == {200.0}


@given(
    st.lists(st.integers(0, 100), min_size=4, max_size=40),
    st.sets(st.integers(1, 38)),
    st.data(),
)
def test_bad_samples_between_good_ones_lose_and_double_nothing(steps, spoilt, data):
    values = np.cumsum([7_000, *steps]).astype(float)
    true = float(values[-1] - values[0])
    for at in sorted(at for at in spoilt if at < len(values) - 1):
        values[at] = data.draw(st.sampled_from(BAD[:-1]))
    assert failures(values.tolist()).total(*KEY).sum() == true
