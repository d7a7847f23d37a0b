"""Burn rate holds; where both versions burn and the evidence is small, neither is blamed."""

from __future__ import annotations

import numpy as np

from modelrollout.core.analysis.stats.arrays import CountTicks
from modelrollout.core.analysis.stats.burn_rate import burn_rate


def burned(candidate_rate, stable_rate, log_bad=0.0, step=0.0, ticks=160):
    time = np.arange(1, ticks + 1) * 15.0
    ones = np.ones(ticks)
    made = CountTicks(time, candidate_rate * 40 * ones, 40 * ones, stable_rate * 700 * ones, 700 * ones)
    return burn_rate(made, 0.01, np.full(ticks, step), np.full(ticks, log_bad), needed=np.log(100))


def test_twice_the_budget_on_both_windows_with_five_events_burns():
    burn = burned(0.05, 0.001)
    assert burn.burning.argmax() == 2  # 2 events a tick: the fifth comes in the third
    assert burn.long[-1] == burn.short[-1] == 5.0
    assert not burned(0.019, 0.001).burning.any()


def test_both_arms_burning_with_little_evidence_is_a_shared_incident():
    assert burned(0.05, 0.05).shared[-1]
    assert not burned(0.05, 0.001).shared.any()
    assert not burned(0.05, 0.05, log_bad=np.log(90)).shared.any()


def test_a_burst_that_is_over_burns_the_long_window_only():
    time = np.arange(1, 161) * 15.0
    ones = np.ones(160)
    bad = np.where(np.arange(160) < 80, 4.0, 0.0)
    made = CountTicks(time, bad, 40 * ones, ones * 0, 700 * ones)
    burn = burn_rate(made, 0.01, np.zeros(160), np.zeros(160), needed=4.6)
    assert burn.burning[79]
    assert not burn.burning[105]
    assert burn.long[105] > 2


def test_the_long_window_starts_with_the_step():
    time = np.arange(1, 41) * 15.0
    bad = np.where(np.arange(40) < 20, 4.0, 0.0)
    made = CountTicks(time, bad, np.full(40, 40.0), np.zeros(40), np.full(40, 700.0))
    burn = burn_rate(made, 0.01, np.where(np.arange(40) < 20, 0.0, 300.0), np.zeros(40), needed=4.6)
    assert burn.burning[19]
    assert burn.long[-1] == 0


def test_no_requests_burn_nothing():
    zeros = np.zeros(10)
    made = CountTicks(np.arange(1, 11) * 15.0, zeros, zeros, zeros, zeros)
    burn = burn_rate(made, 0.0, zeros, zeros, needed=4.6)
    assert not burn.burning.any()
    assert np.isnan(burn.long).all()
