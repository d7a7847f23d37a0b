"""`replaced` and `since` are what they say for every sample: in the middle, outside and at the edges of the span."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series import Series

Points = dict[str, dict[int, float]]
TIMES = st.integers(0, 8)
POINTS: st.SearchStrategy[Points] = st.dictionaries(
    st.sampled_from("abc"), st.dictionaries(TIMES, st.integers(0, 9).map(float), max_size=6), max_size=3
)


def series(points: Points) -> Iterable[Series]:
    for name, samples in points.items():
        times = np.array(sorted(samples), dtype=np.int64)
        yield Series((("__name__", name),), times * 1000, np.array([samples[int(at)] for at in times], dtype=float))


def points(store: SampleStore) -> Points:
    found = {}
    for labels, one in store.series.items():
        found[labels[0][1]] = dict(zip((one.times // 1000).tolist(), one.values.tolist(), strict=True))
    return found


def full(found: Points) -> Points:
    return {name: samples for name, samples in found.items() if samples}


@given(POINTS, POINTS, TIMES, TIMES)
@example({}, {"a": {3: 1.0}}, 3, 5)
@example({"a": {3: 1.0}}, {"a": {5: 2.0}}, 3, 5)
def test_a_span_holds_what_was_answered_for_it_and_the_rest_stays(before: Points, fresh: Points, one: int, other: int):
    start, end = sorted((one, other))
    store = SampleStore().merged(series(before)).replaced(series(fresh), start, end)
    wanted: Points = {}
    for name in {**before, **fresh}:
        kept = {at: value for at, value in before.get(name, {}).items() if not start < at <= end}
        wanted[name] = kept | {at: value for at, value in fresh.get(name, {}).items() if start < at <= end}
    assert points(store) == full(wanted)
    assert store.size == sum(map(len, wanted.values()))
    assert list(store.series) == sorted(store.series)
    for each in store.series.values():
        assert (np.diff(each.times) > 0).all()


@given(POINTS, TIMES)
def test_what_is_older_is_gone(before: Points, start: int):
    wanted = {name: {at: value for at, value in samples.items() if at > start} for name, samples in before.items()}
    assert points(SampleStore().merged(series(before)).since(start)) == full(wanted)
