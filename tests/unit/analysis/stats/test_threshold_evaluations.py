"""Threshold gates: m of n evaluations decide, a value on the limit does not flap."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.core.analysis.stats.threshold_evidence import threshold_evidence


def test_three_bad_evaluations_of_five_fail_and_two_do_not():
    values = np.array([1.0, 9, 1, 9, 1, 9, 1, 1, 1, 1, 1])
    evidence = threshold_evidence(values, high=5.0)
    assert evidence.failing.tolist() == [False] * 5 + [True] + [False] * 5


def test_passing_needs_enough_evaluations_and_none_of_them_bad():
    evidence = threshold_evidence(np.array([1.0, 1, 1, 1, 1, 9, 1, 1, 1, 1, 1]), high=5.0)
    assert evidence.passing.tolist() == [False] * 4 + [True] + [False] * 4 + [False, True]


def test_a_value_wavering_on_the_limit_keeps_its_last_answer():
    inside_first = threshold_evidence(np.array([4.0, 5.1, 4.9, 5.1, 5.1, 5.1]), high=5.0, deadband=0.05)
    assert not inside_first.bad.any()
    outside_first = threshold_evidence(np.array([6.0, 5.1, 4.9, 4.9, 4.9, 4.0]), high=5.0, deadband=0.05)
    assert outside_first.bad.tolist() == [True] * 5 + [False]


def test_a_lower_limit_and_a_band_work_alike():
    assert threshold_evidence(np.array([1.0] * 5), low=10.0).failing[-1]
    band = threshold_evidence(np.array([[1.0] * 5, [5.0] * 5, [9.0] * 5]), low=4.0, high=6.0)
    assert band.failing[:, -1].tolist() == [True, False, True]
    assert band.passing[:, -1].tolist() == [False, True, False]


def test_no_data_is_no_evaluation():
    evidence = threshold_evidence(np.array([9.0, np.nan, 9, np.nan, 9]), high=5.0)
    assert evidence.looks.tolist() == [1, 1, 2, 2, 3]
    assert evidence.failing.tolist() == [False] * 4 + [True]
    assert not threshold_evidence(np.full(9, np.nan), high=5.0).passing.any()


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=20), st.floats(-1e6, 1e6))
def test_any_value_gets_an_answer(values, limit):
    evidence = threshold_evidence(np.array(values), high=limit)
    assert not (evidence.failing & evidence.passing).any()
