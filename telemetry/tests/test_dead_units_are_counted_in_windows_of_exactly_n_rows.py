"""Dead units per window equal brute force over the stream of rows, however the rows were batched."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from series_reading import value_of

from activation_health import Layer, Monitor

ALL = 1e12  # rows per second: measure everything


def dead_per_window(stream: np.ndarray, size: int) -> list[int]:
    windows = [stream[start : start + size] for start in range(0, len(stream) - size + 1, size)]
    return [
        sum(all(value == 0 for value in window[:, unit].ravel()) for unit in range(stream.shape[1]))
        for window in windows
    ]


def feed(monitor: Monitor, stream: np.ndarray, cuts: list[int]) -> None:
    start = 0
    for cut in [*cuts, len(stream)]:
        batch = stream[start : start + cut]
        if len(batch):
            monitor.observe("h", batch)
        start += len(batch)


def assert_windows(monitor: Monitor, dead: list[int], units: int) -> None:
    assert value_of(monitor, "model_activation_windows_total", "h") == len(dead)
    assert value_of(monitor, "model_activation_window_neurons_total", "h") == units * len(dead)
    assert value_of(monitor, "model_activation_window_dead_neurons_total", "h") == sum(dead)
    squared = sum(one * one for one in dead)
    assert value_of(monitor, "model_activation_window_dead_neurons_squared_total", "h") == squared


@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.integers(1, 12),
    shape=st.sampled_from([(5,), (3, 2), (4, 2, 3)]),
    cuts=st.lists(st.integers(1, 30), max_size=12),
    alive=st.floats(0, 1),
)
def test_dead_units_equal_brute_force_for_any_batching_and_shape(seed, size, shape, cuts, alive) -> None:
    random = np.random.default_rng(seed)
    stream = random.normal(size=(random.integers(1, 60), *shape)).astype(np.float32)
    stream[random.random(stream.shape) > alive * 0.3] = 0
    stream[random.random(stream.shape) < 0.02] = np.nan
    monitor = Monitor("m", "1", ["h"], window=size, rows_per_second=ALL)
    feed(monitor, stream, cuts)
    assert_windows(monitor, dead_per_window(stream, size), shape[0])


def test_an_unfinished_window_counts_for_nothing() -> None:
    monitor = Monitor("m", "1", ["h"], window=100, rows_per_second=ALL)
    monitor.observe("h", np.zeros((99, 4), np.float32))
    assert_windows(monitor, [], 4)
    monitor.observe("h", np.zeros((1, 4), np.float32))
    assert_windows(monitor, [4], 4)


def test_one_row_in_a_whole_window_keeps_a_unit_alive() -> None:
    monitor = Monitor("m", "1", ["h"], window=50, rows_per_second=ALL)
    rows = np.zeros((50, 3), np.float16)
    rows[49, 1] = np.finfo(np.float16).smallest_subnormal
    monitor.observe("h", rows)
    assert_windows(monitor, [2], 3)


def test_channels_last_puts_the_units_on_the_last_axis() -> None:
    monitor = Monitor("m", "1", [Layer("h", channel_axis=-1)], window=2, rows_per_second=ALL)
    tokens = np.zeros((2, 7, 3))
    tokens[0, 6, 2] = 1.0
    monitor.observe("h", tokens)
    assert_windows(monitor, [2], 3)


def test_a_unit_is_dormant_when_its_mean_magnitude_is_small_beside_the_layers() -> None:
    monitor = Monitor("m", "1", [Layer("h", dormant_tau=0.1)], window=4, rows_per_second=ALL)
    rows = np.full((4, 10), -1.0, np.float32)  # negative, as behind a LeakyReLU: magnitude is what counts
    rows[:, 0] = 0.05
    rows[:, 1] = 0.15
    monitor.observe("h", rows)
    mean = (0.05 + 0.15 + 8) / 10
    assert_windows(monitor, [sum(score / mean <= 0.1 for score in (0.05, 0.15, 1.0))], 10)


def test_dormant_with_tau_zero_is_dead_at_exactly_zero() -> None:
    random = np.random.default_rng(5)
    stream = np.maximum(random.normal(size=(60, 6, 2)) - 2.2, 0)
    exact = Monitor("m", "1", ["h"], window=7, rows_per_second=ALL)
    dormant = Monitor("m", "1", [Layer("h", dormant_tau=0.0)], window=7, rows_per_second=ALL)
    for monitor in (exact, dormant):
        feed(monitor, stream, [3, 11, 20])
        assert_windows(monitor, dead_per_window(stream, 7), 6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_unit_that_is_not_finite_is_broken_and_not_dead(bad: float) -> None:
    monitor = Monitor("m", "1", [Layer("h", dormant_tau=0.5)], window=2, rows_per_second=ALL)
    monitor.observe("h", np.array([[bad, 1.0, 0.0], [0.0, 1.0, 0.0]]))
    assert_windows(monitor, [1], 3)


def test_half_precision_sums_do_not_overflow() -> None:
    monitor = Monitor("m", "1", [Layer("h", dormant_tau=0.1)], window=64, rows_per_second=ALL)
    rows = np.full((64, 3, 9), 60000, np.float16)
    rows[:, 1] = 1  # dormant beside the others, unless their sums became infinite
    monitor.observe("h", rows)
    assert_windows(monitor, [1], 3)
