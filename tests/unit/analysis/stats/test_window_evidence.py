"""Windows of activations: the window is the sample, the ceiling is quick, wandering layers are not accused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.core.analysis.stats.limits import DEAD_RETRAIN, DEAD_SAME_WEIGHTS, LimitLine
from modelrollout.core.analysis.stats.replicates import ReplicateHistory, Replicates, batched, of_last, running, windows
from modelrollout.core.analysis.stats.window_evidence import (
    WindowSettings,
    at_most,
    radius,
    two_sided,
    window_evidence,
    within,
)
from tests.draws import fixed

NEURONS = 512
RETRAIN = WindowSettings(alpha=0.005, min_excess=3 / NEURONS, spread_floor=0.5 / NEURONS)
SAME = WindowSettings(alpha=0.005, spread_floor=0.5 / NEURONS)


def drawn(rng, per_tick, ticks, mean, spread=4.4):
    """Replicates of windows with `per_tick` of them a tick on average, dead units ~ N(mean, spread)."""
    ended = np.floor(np.arange(1, ticks + 1) * per_tick) - np.floor(np.arange(ticks) * per_tick)
    dead = [rng.normal(mean, spread, int(n)).round() for n in ended]
    return windows(ended, np.array([d.sum() for d in dead]), np.array([(d**2).sum() for d in dead]), NEURONS)


def judged(candidate_dead, line=DEAD_SAME_WEIGHTS, config=SAME, seed=0, ticks=240, past=True, stable_dead=102):
    rng = fixed(seed)
    seconds = np.arange(1, ticks + 1) * 15.0
    candidate, stable = drawn(rng, 0.19, ticks, candidate_dead), drawn(rng, 3.5, ticks, stable_dead)
    before = ReplicateHistory(np.arange(-119, 1) * 15.0, drawn(rng, 3.5, 120, stable_dead))
    return window_evidence(seconds, candidate, stable, line, config, history=before if past else None)


def windows_until(evidence):
    return evidence.samples[evidence.failing.argmax()] if evidence.failing.any() else None


def test_five_percent_of_neurons_killed_is_found_in_a_few_windows_of_the_same_weights():
    assert windows_until(judged(126.5)) <= 5


def test_equal_layers_pass_after_ten_windows_and_never_fail():
    evidence = judged(102)
    assert not evidence.failing.any()
    assert evidence.samples[evidence.passing.argmax()] == 10


def test_a_layer_gone_dead_hits_the_ceiling_on_the_second_window():
    evidence = judged(0.74 * NEURONS, DEAD_RETRAIN, RETRAIN, stable_dead=0.08 * NEURONS)
    assert windows_until(evidence) == 2
    assert evidence.ceiling[evidence.failing.argmax()]


def test_one_window_over_the_ceiling_is_not_enough():
    rng = fixed(1)
    candidate = drawn(rng, 0.19, 240, 41)
    total, square = candidate.total.copy(), candidate.square.copy()
    at = np.flatnonzero(candidate.count)[5]
    total[at], square[at] = 1.0, 1.0
    before = ReplicateHistory(np.arange(-119, 1) * 15.0, drawn(rng, 3.5, 120, 41))
    evidence = window_evidence(
        np.arange(1, 241) * 15.0, Replicates(candidate.count, total, square), drawn(rng, 3.5, 240, 41),
        DEAD_RETRAIN, RETRAIN, history=before,
    )  # fmt: skip
    assert not evidence.failing.any()


def test_no_sequence_fail_before_stable_has_a_hundred_windows():
    evidence = judged(126.5, past=False)
    first = evidence.sequence.argmax()
    assert evidence.stable_samples[first] >= 100
    assert (evidence.excess[:first] > 0).any()


def test_a_small_layer_is_not_accused_of_fewer_than_three_units():
    seconds = np.arange(1, 101) * 15.0
    ones = np.ones(100)
    stable = windows(ones * 3, ones * 0, ones * 0, 8)
    two_dead, four_dead = (windows(ones, ones * k, ones * k * k, 8) for k in (2, 4))
    config = WindowSettings(alpha=0.005, min_excess=3 / 8, spread_floor=0.5 / 8)
    assert not window_evidence(seconds, two_dead, stable, DEAD_RETRAIN, config).failing.any()
    assert window_evidence(seconds, four_dead, stable, DEAD_RETRAIN, config).failing.any()


def test_three_of_the_last_five_windows_above_the_line_hold_and_do_not_roll_back():
    ones, dead = np.ones(60), np.tile([115.0, 100, 115, 100, 115], 12)  # the limit is 109.7, the mean 109
    candidate, stable = windows(ones, dead, dead**2, NEURONS), windows(ones, ones * 102, ones * 102**2, NEURONS)
    evidence = window_evidence(np.arange(1, 61) * 15.0, candidate, stable, DEAD_SAME_WEIGHTS, SAME)
    assert evidence.hold.any()
    assert not evidence.failing.any()
    assert not (evidence.passing & evidence.hold).any()


def test_layers_are_ordered_by_how_far_beyond_the_line_they_are():
    evidence = [judged(dead) for dead in (102, 115, 140)]
    strengths = [e.strength[-1] for e in evidence]
    assert strengths == sorted(strengths)


def test_the_radius_is_the_normal_mixture_formula():
    n, sd, alpha = 25.0, 2.0, 0.01
    logs = 2 * np.log(1 / alpha)
    k = 10 / (logs + np.log(1 + logs))
    wanted = sd * np.sqrt((n + k) * (np.log(1 + n / k) + logs)) / n
    assert radius(np.array(n), np.array(sd), alpha) == pytest.approx(wanted)
    assert radius(np.array(0.0), np.array(sd), alpha) == np.inf


def test_evidence_on_a_prefix_is_the_evidence_on_the_whole():
    rng = fixed(2)
    seconds = np.arange(1, 101) * 15.0
    candidate, stable = drawn(rng, 0.4, 100, 120), drawn(rng, 2.0, 100, 102)
    whole = window_evidence(seconds, candidate, stable, DEAD_SAME_WEIGHTS, SAME)
    early, late = (Replicates(r.count[:57], r.total[:57], r.square[:57]) for r in (candidate, stable))
    part = window_evidence(seconds[:57], early, late, DEAD_SAME_WEIGHTS, SAME)
    for name in ("excess", "radius", "failing", "passing", "limit"):
        np.testing.assert_allclose(getattr(part, name), getattr(whole, name)[:57])


def test_ratios_are_batched_on_the_grid_and_drift_both_ways_is_found():
    rng = fixed(3)
    elements = np.full(400, 1000.0)
    low, same, high = (rng.binomial(1000, p, 400).astype(float) for p in (0.42, 0.50, 0.58))
    stable = batched(rng.binomial(10000, 0.5, 400).astype(float), elements * 10)
    seconds = np.arange(1, 401) * 15.0
    config = WindowSettings(alpha=0.01, stable_needed=20)
    line = LimitLine(1.0, 0.03)
    results = {
        name: two_sided(seconds, batched(bad, elements), stable, line, config)
        for name, bad in (("low", low), ("same", same), ("high", high))
    }
    assert results["high"][0].failing.any()
    assert not results["high"][1].failing.any()
    assert results["low"][1].failing.any()
    assert not results["low"][0].failing.any()
    assert not any(side.failing.any() for side in results["same"])
    assert all(side.passing[-1] for side in results["same"])


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["normal", "rare kinds of request", "skewed"])
def test_few_batches_of_stable_accuse_hardly_any_candidate_at_its_limit(noise):
    """Ten batches of stable before, and a candidate just within the margin: by chance at most, and a loss is found."""
    rng, shape = fixed(6), (1000, 60)

    def shares(mean):
        drawn = {
            "normal": rng.normal(0, 0.02, shape),
            "rare kinds of request": np.where(rng.uniform(size=shape) < 0.1, 0.18, -0.02),
            "skewed": rng.exponential(0.03, shape) - 0.03,
        }[noise]
        found = np.clip(mean + drawn, 0, 1)
        return Replicates(np.ones(shape), found, found * found)

    stable, seconds = shares(0.3), np.arange(1, 51) * 60.0
    before = ReplicateHistory(np.arange(-9, 1) * 60.0, stable.until(10))
    config = WindowSettings(alpha=0.01 / 8, stable_needed=10)
    accused = [
        two_sided(seconds, shares(mean).since(10), stable.since(10), LimitLine(1.0, 0.03), config, history=before)
        for mean in (0.33, 0.3, 0.8)
    ]
    at_limit, equal, lost = (np.logical_or(*(one.failing for one in pair)) for pair in accused)
    assert at_limit.any(axis=-1).mean() <= 0.005
    assert equal.any(axis=-1).mean() <= 0.005
    assert lost[:, 9].mean() >= 0.99


def test_a_batch_is_one_replicate_at_its_last_tick():
    made = batched(np.array([1.0, 2, 3, 4, 5, np.nan, 0, 0, 9]), np.array([10.0, 10, 10, 10, 10, np.nan, 0, 0, 9]))
    assert made.count.tolist() == [0, 0, 0, 1, 0, 0, 0, 1, 0]
    np.testing.assert_allclose(made.total[[3, 7]], [0.25, 0.5])


def test_a_fixed_band_needs_no_stable():
    rng = fixed(4)
    ratio = batched(rng.binomial(1000, 0.8, 200).astype(float), np.full(200, 1000.0))
    upper, lower = within(ratio, 0.3, 0.7, WindowSettings(alpha=0.01))
    assert upper.failing.any()
    assert lower.passing[-1]
    assert at_most(ratio, 0.85, WindowSettings(alpha=0.01)).passing[-1]


@pytest.mark.slow
def test_wandering_layers_of_an_equal_candidate_are_hardly_ever_accused():
    """24 layers whose ratio wanders as AR(1) with .8, 4 hours of ticks: plain 3-of-5 accuses, the sequence not."""
    rng = fixed(5)

    def wander(shape):
        noise = rng.normal(0, 0.01 * 0.6, shape)
        out = np.zeros(shape)
        for t in range(1, shape[-1]):
            out[..., t] = 0.8 * out[..., t - 1] + noise[..., t]
        return 0.4 + out

    shape, elements = (10, 24, 960), np.full((10, 24, 960), 1e5)
    candidate, stable = (batched(wander(shape) * 1e5, elements) for _ in range(2))
    evidence = window_evidence(
        np.arange(1, 961) * 15.0, candidate, stable, LimitLine(1.0, 0.005), WindowSettings(alpha=0.01 / 24)
    )
    accused = evidence.failing.any(axis=(-1, -2)).mean()
    held = evidence.hold.any(axis=(-1, -2)).mean()
    assert accused <= 0.05
    assert held > 0.5


numbers = st.one_of(st.sampled_from([0.0, 1.0, 1e9, np.nan]), st.floats(0, 1e6))


@given(st.lists(st.tuples(*[numbers] * 6), min_size=1, max_size=15))
def test_no_windows_give_an_exception_or_a_false_fail_from_nothing(rows):
    c = np.array(rows).T
    evidence = window_evidence(
        np.arange(1, len(rows) + 1) * 15.0, windows(c[0], c[1], c[2], 10.0), windows(c[3], c[4], c[5], 10.0),
        DEAD_RETRAIN, RETRAIN,
    )  # fmt: skip
    assert not np.isnan(evidence.strength).any()
    assert not evidence.failing[evidence.samples == 0].any()


def test_runs_and_looks_back_skip_ticks_with_nothing_to_see():
    flag = np.array([True, False, True, False, True])
    count = np.array([1, 0, 2, 1, 1])
    assert running(flag & (count > 0), count).tolist() == [1, 1, 3, 0, 1]
    assert of_last(flag, count > 0, 2, 2).tolist() == [False, False, True, False, False]
