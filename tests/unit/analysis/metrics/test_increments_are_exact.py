"""Every request a counter saw is counted once: whatever was reset, repeated, lost or shuffled on the way."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.core.analysis.metrics.grid import make_grid
from modelrollout.core.analysis.metrics.increments import began_at_zero, increments, scraped_ticks
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.scrapes import Scrapes, TargetScrapes
from modelrollout.core.analysis.metrics.series import make_series

GRID = make_grid(1000.0, 10.0, 0, 5)


def counter(points: list[tuple[float, float]], **labels: str):
    return make_series({"__name__": "c", "job": "j", "instance": "i", **labels}, points)


def growth(points, *, from_zero=False, grid=GRID):
    return increments(counter(points), grid, from_zero=from_zero).tolist()


@pytest.mark.parametrize(
    ("sentence", "points", "from_zero", "expected"),
    [
        ("the difference to the previous sample", [(1000, 5), (1005, 8)], False, [3, 0, 0, 0, 0, 0]),
        ("a sample on the end of a tick belongs to it", [(1000, 5), (1010, 8)], False, [3, 0, 0, 0, 0, 0]),
        (
            "a sample on the start belongs to the tick before",
            [(995, 1), (1000, 9), (1001, 10)],
            False,
            [1, 0, 0, 0, 0, 0],
        ),
        ("the first sample of an unknown target is skipped", [(1003, 50), (1008, 51)], False, [1, 0, 0, 0, 0, 0]),
        ("a new series of a known target began at 0", [(1003, 50), (1008, 51)], True, [51, 0, 0, 0, 0, 0]),
        ("after a reset the new value counts", [(1001, 90), (1012, 4), (1015, 6)], False, [0, 6, 0, 0, 0, 0]),
        ("a reset to 0 adds nothing", [(1001, 90), (1012, 0), (1022, 2)], False, [0, 0, 2, 0, 0, 0]),
        ("what grew over a gap counts where it was seen", [(1001, 1), (1045, 9)], False, [0, 0, 0, 0, 8, 0]),
        ("a sample before the grid is only the start of the next", [(900, 10), (1004, 17)], False, [7, 0, 0, 0, 0, 0]),
        ("a sample after the grid is not counted", [(1050, 1), (1061, 9)], False, [0, 0, 0, 0, 0, 0]),
        ("NaN is no sample", [(1001, 1), (1002, float("nan")), (1003, 4)], False, [3, 0, 0, 0, 0, 0]),
        ("a lone sample says nothing", [(1001, 7)], False, [0, 0, 0, 0, 0, 0]),
        ("no sample says nothing", [], True, [0, 0, 0, 0, 0, 0]),
    ],
)
def test_growth_is(sentence, points, from_zero, expected):
    assert growth(points, from_zero=from_zero) == expected, sentence


def test_a_tick_counts_as_scraped_whatever_was_read_in_it():
    one = counter([(1001, 1), (1012, float("inf")), (1022, -3)])
    assert scraped_ticks(one, GRID).tolist() == [True, True, True, False, False, False]
    assert growth([(1001, 1), (1012, float("inf")), (1022, -3)]) == [0, 0, 0, 0, 0, 0]


@st.composite
def histories(draw):
    """A counter as the process knew it: growth between scrapes, some of them resets (after which it starts at 0)."""
    steps = draw(st.lists(st.tuples(st.integers(0, 50), st.booleans()), min_size=2, max_size=30))
    value, points, true = 0.0, [], []
    for number, (grown, reset) in enumerate(steps):
        value = float(grown) if reset else value + grown
        points.append((1000.0 + 2 * number, value))
        true.append(grown)
    return points, true


@pytest.mark.slow
@given(histories(), st.randoms(use_true_random=False))
def test_a_shuffled_replayed_overlapping_delivery_counts_every_request_once(history, rng: random.Random):
    points, true = history
    pieces = []
    for _ in range(5):
        low = rng.randrange(len(points))
        pieces.append(points[low : low + rng.randrange(1, len(points) + 1)])
    pieces.extend([point] for point in points)
    rng.shuffle(pieces)
    book = SampleStore()
    for piece in pieces:
        book = book.merged([counter(rng.sample(piece, len(piece)))])
    (series,) = book.series.values()
    grid = make_grid(1000.0, 5.0, -1, 20)
    whole = increments(counter(points), grid, from_zero=True)
    assert (increments(series, grid, from_zero=True) == whole).all()
    # a reset hides only growth that the counter itself forgot: with growth below the old value nothing is invented
    assert whole.sum() <= sum(true)


@given(histories(), st.data())
def test_lost_scrapes_move_growth_to_a_later_tick_but_lose_none_without_a_reset(history, data):
    points, _ = history
    rising = [(at, float(i * 3)) for i, (at, _) in enumerate(points)]
    kept = [rising[0], *data.draw(st.lists(st.sampled_from(rising), unique=True)), rising[-1]]
    grid = make_grid(990.0, 5.0, 0, 40)
    total = increments(counter(kept), grid, from_zero=False).sum()
    assert total == rising[-1][1] - rising[0][1]


@given(histories())
def test_a_finer_grid_counts_the_same_in_total(history):
    points, _ = history
    coarse = increments(counter(points), make_grid(999.0, 10.0, 0, 9), from_zero=True)
    fine = increments(counter(points), make_grid(999.0, 2.0, 0, 49), from_zero=True)
    assert (fine.reshape(10, 5).sum(axis=1) == coarse).all()


def test_a_new_series_counts_from_zero_only_where_its_target_was_up_before():
    old = counter([(1000, 1), (1015, 2), (1030, 3)], code="200")
    born = counter([(1030, 7)], code="500")
    stranger = make_series({"__name__": "c", "job": "j", "instance": "new"}, [(1030, 9), (1045, 9)])
    twin = make_series({"__name__": "d", "job": "j", "instance": "new"}, [(1030, 9)])
    assert began_at_zero(SampleStore().merged([old, born, stranger, twin]), 15.0) == {born.labels}


def test_a_series_that_comes_after_its_target_was_away_is_skipped():
    old = counter([(1000, 1), (1015, 2), (1030, 3), (1500, 4)], code="200")
    born = counter([(1500, 700)], code="500")
    assert began_at_zero(SampleStore().merged([old, born]), 15.0) == set()


def test_merging_keeps_what_is_older_than_the_new_answer():
    book = SampleStore().merged([counter([(1000, 1), (1010, 2)])]).merged([counter([(1010, 2), (1020, 5)])])
    (series,) = book.series.values()
    assert series.times.tolist() == [1_000_000, 1_010_000, 1_020_000]
    assert series.values.tolist() == [1, 2, 5]


def test_forgetting_the_old_keeps_the_new():
    book = SampleStore().merged([counter([(1000, 1), (1010, 2)]), counter([(1000, 1)], code="1")]).since(1000.0)
    (series,) = book.series.values()
    assert series.times.tolist() == [1_010_000]
    assert book.size == 1


def scrapes(*targets: tuple[float, float | None], interval=10.0):
    seen = {
        ("j", str(i)): TargetScrapes(0, round(last * 1000), None if gap is None else gap * 1000)
        for i, (last, gap) in enumerate(targets)
    }
    return Scrapes(seen, interval, 15.0)


@pytest.mark.parametrize(
    ("sentence", "targets", "now", "complete"),
    [
        ("every target has a sample after the end", [(100.5, 1.0), (101.0, 1.0)], 101.1, True),
        ("one target's next sample may still belong to the tick", [(100.5, 1.0), (99.0, 1.0)], 101.1, False),
        ("a sample just before the end is the last one", [(99.6, 1.0)], 100.0, True),
        ("where the gap is unknown a sample after the end is waited for", [(99.9, None)], 100.1, False),
        ("two scrape intervals later it is complete anyway", [(99.0, 1.0), (90.0, 1.0)], 102.0, True),
        ("a target that is long gone is not waited for", [(100.5, 1.0), (40.0, 1.0)], 100.6, True),
        ("without any target the limit decides: not yet", [], 129.9, False),
        ("without any target the limit decides: now", [], 130.0, True),
    ],
)
def test_a_tick_that_ends_at_100_is_complete_when(sentence, targets, now, complete):
    assert scrapes(*targets).complete(100.0, now) is complete, sentence


@given(
    st.lists(st.tuples(st.floats(60, 103), st.sampled_from([None, 0.5, 1.0, 15.0])), max_size=4),
)
def test_the_time_a_tick_is_due_lies_between_its_end_and_the_limit(targets):
    found = scrapes(*targets)
    assert 100.0 <= found.due(100.0) <= found.latest(100.0)
    assert found.complete(100.0, found.latest(100.0))


def test_positions_on_the_grid_start_at_or_after_the_time():
    grid = make_grid(1000.0, 10.0, -2, 3)
    assert [grid.position(at) for at in (980.0, 985.0, 1000.0, 1000.001, 1010.0)] == [0, 1, 2, 3, 3]
    assert np.allclose(grid.ends, [990, 1000, 1010, 1020, 1030, 1040])
