"""A sample has one time and one value, whatever an answer says and in whichever order answers come."""

from __future__ import annotations

import gc
import math
import random
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.core.analysis.metrics.edges import canonical_edge
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series import Series, make_series

LABELS = {"__name__": "c", "job": "j", "instance": "i"}
values = st.one_of(st.floats(0, 100), st.sampled_from([math.nan, math.inf, -math.inf, -1.0, 1e308]))


@pytest.mark.parametrize("time", [math.nan, math.inf, -math.inf, 1e308, -1e300, 2.0**60])
def test_a_time_that_is_none_is_left_out(time):
    one = make_series(LABELS, [(1.0, 5.0), (time, 6.0), (2.0, 7.0)])
    assert one.times.tolist() == [1000, 2000]
    assert one.values.tolist() == [5.0, 7.0]


@pytest.mark.parametrize("time", [0.0, 99.999, 201.0, 2e9])
def test_a_time_that_was_not_asked_for_is_left_out(time):
    (one,) = SampleStore().replaced([make_series(LABELS, [(150.0, 1.0), (time, 2.0)])], 100.0, 200.0).series.values()
    assert one.times.tolist() == [150_000]
    assert not SampleStore().replaced([make_series(LABELS, [(time, 2.0)])], 100.0, 200.0).series


@pytest.mark.parametrize(
    ("given_values", "kept"),
    [((5.0, 7.0), 5.0), ((math.nan, 7.0), 7.0), ((-1.0, 7.0), 7.0), ((math.inf, 7.0), 7.0), ((-1.0, -2.0), -2.0)],
)
def test_of_two_values_at_one_time_the_smaller_number_stays(given_values, kept):
    for first, second in (given_values, given_values[::-1]):
        assert make_series(LABELS, [(1.0, first), (1.0, second)]).values.tolist() == [kept]
        merged = SampleStore().merged([make_series(LABELS, [(1.0, first)]), make_series(LABELS, [(1.0, second)])])
        assert next(iter(merged.series.values())).values.tolist() == [kept]


@given(st.lists(st.tuples(st.integers(0, 8), values, st.sampled_from(["1", "1.0", "2"])), max_size=20), st.data())
def test_any_order_of_any_pieces_is_one_store(points, data):
    def stored(order: list[tuple[int, float, str]]) -> list[tuple[object, ...]]:
        store, left = SampleStore(), list(order)
        while left:
            some = [left.pop() for _ in range(min(len(left), data.draw(st.integers(1, 4))))]
            store = store.merged([make_series({**LABELS, "le": le}, [(at, value)]) for at, value, le in some])
        return [(labels, one.times.tolist(), repr(one.values.tolist())) for labels, one in store.series.items()]

    shuffled = random.Random(len(points)).sample(points, len(points))
    assert stored(points) == stored(shuffled) == stored(points + shuffled)


@pytest.mark.slow
def test_labels_of_any_length_are_gone_with_their_store():
    """What is remembered of labels outlives the room that was taken for them: so nothing of theirs is."""
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(64):
        labels = {"__name__": "x", "le": f"{number}" + "9" * 30_000, "pod": f"{number}" + "a" * 30_000}
        one = Series(tuple(sorted(labels.items())), np.array([1000]), np.array([1.0]))
        assert SampleStore().merged([one]).bytes > 60_000
        assert canonical_edge(labels["le"]) is None
    del one, labels
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 1_000_000
