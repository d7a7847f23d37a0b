"""Every request is measured up to the cap; above it the choice is bounded, seeded and repeatable."""

from __future__ import annotations

import numpy as np
import pytest
from series_reading import Clock, value_of

from activation_health import Monitor
from activation_health.measure.sampling import RateCap


def run(*, offered_per_second: int, seconds: int, rows: int = 1, **options) -> tuple[Monitor, list[int]]:
    clock = Clock()
    monitor = Monitor("m", "1", ["h"], clock=clock, **options)
    measured = []
    for _ in range(offered_per_second * seconds // rows):
        clock.now += rows / offered_per_second
        before = monitor._layers["h"].totals().samples  # reading all series 30,000 times would take a minute
        monitor.observe("h", np.ones((rows, 2), np.float32))
        measured.append(monitor._layers["h"].totals().samples - before)
    return monitor, measured


def test_everything_is_measured_below_the_cap() -> None:
    monitor, _ = run(offered_per_second=40, seconds=10, rows_per_second=50)
    assert value_of(monitor, "model_activation_samples_total", "h") == 400


@pytest.mark.slow
def test_the_cap_bounds_the_long_run_rate_and_is_nearly_used() -> None:
    monitor, _ = run(offered_per_second=500, seconds=20, rows_per_second=50)
    measured = value_of(monitor, "model_activation_samples_total", "h")
    assert 0.8 * 50 * 20 <= measured <= 50 * (20 + 1)
    assert value_of(monitor, "model_activation_offered_samples_total", "h") == 10_000


def test_a_request_larger_than_the_cap_is_measured_in_part() -> None:
    _, measured = run(offered_per_second=300, seconds=9, rows=300, rows_per_second=50)
    assert max(measured) <= 50
    assert sum(measured) > 0


def test_every_row_of_a_large_request_has_the_same_chance() -> None:
    clock = Clock()
    cap = RateCap(50, 1, seed=1, clock=clock)
    seen = np.zeros(230)
    for _ in range(2000):  # a row is taken 400 times give or take 18: 0.7 and 1.3 times are over six of these away
        clock.now += 10
        granted = cap.grant(230)
        assert granted is not None
        seen[granted] += 1
    assert seen.min() > 0.7 * seen.mean()
    assert seen.max() < 1.3 * seen.mean()
    assert seen.sum() <= 2000 * 50


@pytest.mark.slow
def test_the_same_seed_makes_the_same_choice_and_another_a_different_one() -> None:
    first, second, other = (
        run(offered_per_second=300, seconds=5, rows_per_second=50, seed=seed)[1] for seed in (7, 7, 8)
    )
    assert first == second
    assert first != other


@pytest.mark.slow
def test_thinning_does_not_fall_in_step_with_periodic_traffic() -> None:
    """Every tenth request is of one kind; a plain token bucket at a tenth of the rate would see all or none."""
    _, measured = run(offered_per_second=500, seconds=30, rows_per_second=50, seed=3)
    kinds = [index % 10 for index, rows in enumerate(measured) if rows]
    shares = np.bincount(kinds, minlength=10) / len(kinds)
    assert shares.min() > 0.04
    assert shares.max() < 0.18


def test_one_in_k_measures_one_request_of_each_block_and_counts_all_as_offered() -> None:
    monitor, measured = run(offered_per_second=10, seconds=50, rows_per_second=1e9, one_in=10)
    blocks = np.array(measured).reshape(-1, 10)
    assert (blocks.sum(axis=1) == 1).all()
    assert value_of(monitor, "model_activation_offered_samples_total", "h") == 500


def test_a_clock_that_stands_still_or_jumps_back_only_measures_less() -> None:
    clock = Clock()
    monitor = Monitor("m", "1", ["h"], rows_per_second=5, clock=clock)
    for step in (0, -100, 0, -1, 50):
        clock.now += step
        for _ in range(20):
            monitor.observe("h", np.ones((1, 2)))
    assert 5 <= value_of(monitor, "model_activation_samples_total", "h") <= 10


@pytest.mark.parametrize("cap", [0, -1, float("nan"), float("inf")])
def test_an_impossible_cap_is_named(cap: float) -> None:
    with pytest.raises(ValueError, match="rows_per_second"):
        Monitor("m", "1", rows_per_second=cap)
