"""Element counts equal brute force on random and adversarial values of every float type."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from activation_health.measure.batches import NumpyBatch
from activation_health.measure.histogram import EDGES, Histogram

TYPES = (np.float16, np.float32, np.float64)


def brute_force(values: np.ndarray) -> tuple:
    flat = [float(value) for value in values.ravel()]
    buckets = [sum(1 for value in flat if abs(value) < edge) for edge in EDGES]
    return (
        len(flat),
        sum(value == 0 for value in flat),
        sum(value < 0 for value in flat),
        sum(math.isnan(value) for value in flat),
        sum(math.isinf(value) for value in flat),
        [*buckets, len(flat)],
    )


def counted(values: np.ndarray) -> tuple:
    histogram = Histogram()
    histogram.add(NumpyBatch(np.ascontiguousarray(values)).counts())
    found = histogram.tally()
    return found.elements, found.zeros, found.negatives, found.nans, found.infs, list(found.buckets)


def special_values(kind: type[Any]) -> np.ndarray:
    info = np.finfo(kind)
    edges = [edge for edge in EDGES if edge < info.max]
    values: list[Any] = [0.0, 1.0, math.nan, math.inf, info.max, info.tiny, info.smallest_subnormal]
    values += [*edges, *(np.nextafter(kind(edge), kind(0)) for edge in edges)]
    both = np.array([*values, *(-value for value in values)], kind)
    return np.append(both, np.array([-1], f"i{both.itemsize}").view(kind)[:1])  # a NaN with the sign bit set


@pytest.mark.parametrize("kind", TYPES)
def test_special_values_are_each_counted_as_what_they_are(kind: type[Any]) -> None:
    for value in special_values(kind):
        row = np.array([[value, 1.5]], kind)
        assert counted(row) == brute_force(row), value
    everything = special_values(kind)[None, :]
    assert counted(everything) == brute_force(everything)


@given(st.data())
def test_counts_equal_brute_force_on_any_floats(data: st.DataObject) -> None:
    kind = np.dtype(data.draw(st.sampled_from(TYPES)))
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=9))
    width: Any = kind.itemsize * 8
    plain = st.floats(width=width)
    special = st.sampled_from([float(value) for value in special_values(kind.type)])
    values = data.draw(hnp.arrays(kind, shape, elements=plain | special))
    assert counted(values) == brute_force(values)


def test_an_array_longer_than_a_chunk_is_counted_whole() -> None:
    values = np.random.default_rng(1).normal(size=(3, 20_011)).astype(np.float32)
    values[values < 0.3] = 0
    values[2, -1] = np.nan
    fast = counted(values)
    assert fast[:5] == (
        values.size,
        int((values == 0).sum()),
        int((values < 0).sum()),
        int(np.isnan(values).sum()),
        0,
    )
    assert fast[5] == [*(int((np.abs(values) < edge).sum()) for edge in EDGES), values.size]
