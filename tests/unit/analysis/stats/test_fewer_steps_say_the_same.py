"""What is computed for a whole row at once is, to the last bit, what a loop over its ticks would find."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.core.analysis.stats.baseline import decayed_sums
from modelrollout.core.analysis.stats.bets.mixture import log_mixture
from modelrollout.core.analysis.stats.replicates import Replicates, of_last, running

SHAPES = st.sampled_from([(0,), (1,), (7,), (40,), (3, 9), (2, 2, 12)])
SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed: int, shape: tuple[int, ...]) -> tuple[Any, Any, Any]:
    """(flags, which ticks have something to see, how much): empty ticks, runs and odd numbers among them."""
    rng = np.random.default_rng(seed)
    count = np.where(rng.random(shape) < rng.random(), rng.choice([0.1, 1.0, 3.0, 1e11], shape), 0.0)
    return rng.random(shape) < rng.random(), count > 0, count


def run_by_run(flag: Any, count: Any) -> Any:
    out, state = np.zeros(flag.shape), np.zeros(flag.shape[:-1])
    for t in range(flag.shape[-1]):
        state = np.where(count[..., t] > 0, np.where(flag[..., t], state + count[..., t], 0.0), state)
        out[..., t] = state
    return out


def one_by_one(flag: Any, observed: Any, wanted: int, of: int) -> Any:
    out = np.zeros(flag.shape, dtype=bool)
    last = np.zeros((*flag.shape[:-1], of), dtype=bool)
    for t in range(flag.shape[-1]):
        shifted = np.concatenate([last[..., 1:], flag[..., t : t + 1]], axis=-1)
        last = np.where(observed[..., t : t + 1], shifted, last)
        out[..., t] = last.sum(axis=-1) >= wanted
    return out


def step_by_step(seconds: Any, values: Any, half_life: float) -> Any:
    keep = np.exp2(-np.maximum(np.diff(seconds, axis=-1, prepend=seconds[..., :1]), 0.0) / half_life)
    out, state = np.empty(values.shape), np.zeros(values.shape[:-1])
    for t in range(values.shape[-1]):
        state = state * keep[..., t]
        out[..., t] = state
        state = state + values[..., t]
    return out


@given(SEEDS, SHAPES)
def test_runs_of_flags(seed: int, shape: tuple[int, ...]):
    flag, _, count = drawn(seed, shape)
    assert np.array_equal(running(flag, count), run_by_run(flag, count))


@given(SEEDS, SHAPES, st.integers(1, 4), st.integers(1, 6))
def test_some_of_the_last_ticks(seed: int, shape: tuple[int, ...], wanted: int, of: int):
    flag, observed, _ = drawn(seed, shape)
    for given_flag in (flag, flag & observed):
        assert np.array_equal(of_last(given_flag, observed, wanted, of), one_by_one(given_flag, observed, wanted, of))


@given(SEEDS, SHAPES)
def test_decayed_sums(seed: int, shape: tuple[int, ...]):
    rng = np.random.default_rng(seed)
    seconds, values = np.cumsum(rng.exponential(5.0, shape[-1])), rng.exponential(1e3, shape)
    assert np.array_equal(decayed_sums(seconds, values, 300.0), step_by_step(seconds, values, 300.0))


@given(SEEDS, SHAPES)
def test_sums_that_cannot_be_are_made_usable(seed: int, shape: tuple[int, ...]):
    rng = np.random.default_rng(seed)
    odd = [np.nan, np.inf, -np.inf, -1.0, 0.0, 1e-9, 0.5, 2.0, 1e300]
    count, total, square = (rng.choice(odd, shape) for _ in range(3))
    found = Replicates(count, total, square).clean
    usable = np.clip(np.nan_to_num(count), 0.0, 1e12)
    usable = np.where(usable < 1e-6, 0.0, usable)
    assert np.array_equal(found.count, usable)
    assert np.array_equal(found.total, np.clip(np.nan_to_num(total), 0.0, usable))
    assert np.array_equal(found.square, np.clip(np.nan_to_num(square), 0.0, found.total))


@given(SEEDS, st.integers(1, 60), st.sampled_from([0.5, 3.0]), st.sampled_from([0.2, 3.7]))
def test_bets_that_are_bounded(seed: int, ticks: int, one_look: float, leap: float):
    """One comparison is what it would be among others, wherever the bounds are met."""
    rng = np.random.default_rng(seed)
    log_e = rng.normal(0.0, 2.0, (3, ticks)) * (rng.random((3, ticks)) < 0.7)
    weights = np.where(rng.random(ticks) < 0.5, rng.random(ticks) / ticks, 0.0)
    weights[0] = 0.3
    prior = (0.5, 0.3, 0.2)
    alone = log_mixture(log_e, weights, prior, one_look, leap)
    among = log_mixture(np.stack([log_e, -log_e], axis=1), np.stack([weights, weights]), prior, one_look, leap)
    assert np.array_equal(alone, among[0])
