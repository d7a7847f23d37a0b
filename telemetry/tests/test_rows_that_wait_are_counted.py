"""Collected rows are counted in order, once, at any read and after any input."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from series_reading import value_of

from activation_health import Layer, Monitor
from activation_health.measure.waiting import LIMIT

UNITS = 7


def read(monitor: Monitor, name: str) -> float:
    return value_of(monitor, f"model_activation_{name}", "h")


@given(
    seed=st.integers(0, 2**32 - 1),
    requests=st.lists(
        st.tuples(
            st.integers(1, 5),
            st.sampled_from([(), (2,), (600,), (1200,)]),
            st.sampled_from([np.float16, np.float32, np.float64]),
            st.booleans(),
        ),
        min_size=1,
        max_size=25,
    ),
)
def test_any_mix_of_requests_equals_brute_force(seed, requests) -> None:
    random = np.random.default_rng(seed)
    monitor = Monitor("m", "1", ["h"], window=3, rows_per_second=1e12)
    fired, zeros, elements = [], 0, 0
    for rows, tail, kind, is_read in requests:
        array = (random.random((rows, UNITS, *tail)) * (random.random((rows, UNITS, *tail)) > 0.9)).astype(kind)
        monitor.observe("h", array)
        fired += list((array != 0).reshape(rows, UNITS, -1).any(axis=2))
        zeros, elements = zeros + int((array == 0).sum()), elements + array.size
        array[:] = 1  # a server may use its buffer again at once
        if is_read:
            assert read(monitor, "samples_total") == len(fired)
    windows = [np.array(fired[at : at + 3]).any(axis=0) for at in range(0, len(fired) - 2, 3)]
    assert read(monitor, "window_dead_neurons_total") == sum(int((~window).sum()) for window in windows)
    assert (read(monitor, "zero_elements_total"), read(monitor, "elements_total")) == (zeros, elements)


@pytest.mark.parametrize("rows", [1, LIMIT // 2, LIMIT // 2 + 1, LIMIT, LIMIT + 1, 3 * LIMIT])
@pytest.mark.slow
def test_no_row_is_lost_around_the_bound(rows: int) -> None:
    monitor = Monitor("m", "1", ["h"], window=10, rows_per_second=1e12)
    for _ in range(3):
        monitor.observe("h", np.ones((rows, 1), np.float32))
    monitor.observe("h", np.full((1, 1), np.nan, np.float32))
    assert read(monitor, "samples_total") == 3 * rows + 1
    assert value_of(monitor, "model_activation_nonfinite_elements_total", "h", "nan") == 1


SIGNALLING = np.array([0x7F800001], np.uint32).view(np.float32)[0]


@pytest.mark.parametrize("tau", [None, 0.025])
@pytest.mark.parametrize("value", [SIGNALLING, np.float32(3.4e38), np.float64(1.7e308)])
def test_a_host_that_turns_warnings_into_errors_loses_nothing(value: np.floating, tau: float | None) -> None:
    monitor = Monitor("m", "1", [Layer("h", dormant_tau=tau)], window=5, rows_per_second=1e12)
    rows = np.full((2, 4), value)
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        for _ in range(5):
            monitor.observe("h", np.ones((2, 4), np.float32))
            monitor.observe("h", rows)
        assert read(monitor, "samples_total") == 20
    assert value_of(monitor, "model_activation_windows_total", "h") == 4


def test_a_pass_that_goes_wrong_costs_no_other_rollout_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = Monitor("m", "1", ["h"], window=5, rows_per_second=1e12)
    monitor.observe("h", np.ones((2, 4), np.float32))
    with monkeypatch.context() as broken:
        broken.setattr("activation_health.measure.batches.count_elements", None)
        assert read(monitor, "samples_total") == 0
    monitor.observe("h", np.ones((3, 4), np.float32))
    assert read(monitor, "samples_total") == 3
    assert read(monitor, "elements_total") == 12
    assert value_of(monitor, "model_activation_dropped_observations_total", "internal") == 1
