"""The bound that is said where a rollout goes on unproven holds at any look: it is the test turned round."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.core.analysis.gates.checks.upper_bound import upper_bound
from modelrollout.core.analysis.stats.arrays import CountTicks
from modelrollout.core.analysis.stats.count_evidence import count_evidence
from modelrollout.core.analysis.stats.limits import absolute
from modelrollout.core.analysis.stats.parameters import PASS_ODDS
from tests.draws import fixed


def ticks(bad, total, stable_bad=None, stable_total=None):
    bad, total = np.asarray(bad, dtype=float), np.asarray(total, dtype=float)
    seconds = 15.0 * np.arange(1, bad.shape[-1] + 1)
    stable = bad * 0 if stable_bad is None else stable_bad, total * 0 + 1 if stable_total is None else stable_total
    return CountTicks(seconds, bad, total, *stable)


def excluded(found, share):
    return count_evidence(found, absolute(share)).log_good[-1] >= np.log(PASS_ODDS)


@pytest.mark.slow
@given(counts=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 200)), min_size=2, max_size=40))
def test_every_share_above_the_bound_is_excluded_and_none_just_below_it(counts):
    bad, total = np.array([(min(pair), max(pair)) for pair in counts]).T
    found = ticks(bad, total)
    bound = upper_bound(found)
    if bound == 1:
        assert not excluded(found, 0.97)
        return
    assert all(excluded(found, share) for share in np.geomspace(bound, 0.97, 9))
    assert bound < 2e-7 or not excluded(found, bound * 0.98)
    assert bound > min(bad[at:].sum() / max(total[at:].sum(), 1) for at in range(len(bad)))  # bets begin at any tick


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.002, 0.02, 0.3])
def test_the_true_share_is_excluded_at_any_look_in_at_most_one_of_twenty_rollouts(rate):
    rng, shape = fixed(11), (1000, 160)
    total = np.full(shape, 60)
    found = ticks(rng.binomial(total, rate), total)
    ever = (count_evidence(found, absolute(rate)).log_good >= np.log(PASS_ODDS)).any(axis=-1)
    assert ever.mean() <= 0.05


def test_more_requests_bring_the_bound_nearer_to_the_share_that_was_seen():
    short, long = (upper_bound(ticks(np.tile([0, 1, 0, 0], n), np.full(4 * n, 25))) for n in (40, 160))
    assert 0.01 < long < short < 0.03


def test_a_candidate_without_requests_is_bounded_by_nothing():
    assert upper_bound(ticks(np.zeros(20), np.zeros(20))) == 1
