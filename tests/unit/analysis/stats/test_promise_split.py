"""The promise is split before anything is seen, and never grows by being split."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.core.analysis.stats import alpha_budget
from tests.draws import fixed


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=12))
def test_shares_never_sum_to_more_than_one(wanted):
    shares = alpha_budget.split_shares(wanted)
    assert len(shares) == len(wanted)
    assert sum(shares) <= 1 + 1e-9
    assert all(s >= 0 for s in shares)


def test_gates_without_a_share_divide_what_is_left():
    assert alpha_budget.split_shares([None, None]) == (0.5, 0.5)
    assert alpha_budget.split_shares([0.5, None, None]) == (0.5, 0.25, 0.25)
    assert alpha_budget.split_shares([0.2]) == (0.2,)
    assert alpha_budget.split_shares([]) == ()


def test_shares_that_leave_nothing_are_scaled_so_that_no_gate_is_mute():
    shares = alpha_budget.split_shares([0.8, 0.4, None])
    assert shares == pytest.approx((4 / 9, 2 / 9, 1 / 3))
    assert alpha_budget.split_shares([1.0, None]) == pytest.approx((0.5, 0.5))


def test_one_gate_alone_needs_25_at_five_percent():
    assert alpha_budget.odds_needed(1.0, 0.05) == pytest.approx(25)
    assert math.exp(alpha_budget.log_threshold(0.05)) == pytest.approx(25)
    assert alpha_budget.odds_needed(1 / 6, 0.05) == pytest.approx(150)
    assert alpha_budget.odds_needed(0.0) == math.inf


def test_the_weighted_sum_acts_no_later_than_bonferroni():
    rng = fixed(0)
    evidence = rng.normal(0, 4, (4, 50))
    shares = alpha_budget.split_shares([0.4, None, None, None])
    together = alpha_budget.log_combined(evidence, shares) >= alpha_budget.log_threshold()
    alone = np.array([e >= math.log(alpha_budget.odds_needed(s)) for e, s in zip(evidence, shares, strict=True)])
    assert (together >= alone.any(axis=0)).all()


def test_a_gauge_layer_gets_its_part_of_the_other_fifth():
    assert alpha_budget.gauge_alpha(0.5, 24, 0.05) == pytest.approx(0.01 * 0.5 / 24)


def test_the_mean_of_e_values_is_the_mean():
    logs = np.log(np.array([[1.0, 8.0], [3.0, 0.0625]]))
    np.testing.assert_allclose(np.exp(alpha_budget.log_mean(logs)), [2.0, (8 + 0.0625) / 2])
