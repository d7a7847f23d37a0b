"""The rules that are compared behave as described, and the traces are what they claim to be."""

from __future__ import annotations

import numpy as np
import pytest

from tests.bench.decisions import rules, stress
from tests.bench.decisions.outcome import outcome, wilson
from tests.bench.decisions.recorded import DATA, recordings
from tests.bench.decisions.traces import EDGES, HOUR, Trace, bucket_chances, draw, draw_latency, minutes
from tests.draws import fixed


def counted(bad_by_minute, present=None):
    """One rollout with 40 requests per tick, bad ones as given per minute, and a calm stable."""
    bad = np.repeat(np.array([bad_by_minute], dtype=float), 4, axis=1) / 4
    ones = np.ones_like(bad)
    past = np.full((1, 120), 750.0)
    seen = None if present is None else np.repeat(np.array([present]), 4, axis=1)
    return Trace(bad, ones * 40, ones * 7, ones * 700, past * 0.01, past, present=seen)


def test_flagger_adds_up_failed_checks_that_never_fall():
    scattered = counted([9, 0, 9, 0, 9, 0, 9, 0, 9, 0, 0])
    assert rules.flagger(scattered)[0] == 9 * 4 - 1
    assert rules.flagger(scattered, checks=6)[0] == -1


def test_flagger_takes_missing_data_for_a_failure_and_argo_does_not_until_the_fifth_in_a_row():
    healthy = [0] * 10
    gaps = counted(healthy, present=[True, False, False, False, False, True, False, True, True, True])
    assert rules.flagger(gaps)[0] == 7 * 4 - 1
    assert rules.argo(gaps)[0] == -1
    five = counted(healthy, present=[True, False, False, False, False, False, True, True, True, True])
    assert rules.argo(five)[0] == 6 * 4 - 1


def test_kayenta_needs_ten_minutes_and_a_shift_that_chance_does_not_make():
    rng = fixed(0)
    assert (rules.kayenta(draw(rng, 20, 0.2)) == 39).all()
    assert (rules.kayenta(draw(rng, 100, 0.01)) >= 0).mean() < 0.06


def test_our_rule_is_quicker_than_ten_minutes_and_leaves_the_healthy_alone():
    rng = fixed(1)
    found = outcome(rules.ours(draw(rng, 100, 0.05)))
    assert found.hits == 100
    assert found.median <= 3
    assert outcome(rules.ours(draw(rng, 100, 0.01))).hits <= 1


def test_minutes_are_sums_of_four_ticks():
    assert minutes(np.arange(9.0)[None]).tolist() == [[6, 22]]


def test_bursts_have_the_variance_they_claim():
    trace = draw(fixed(2), 400, 0.01, burst=2.0)
    for bad, total in ((trace.candidate_bad, trace.candidate_total), (trace.stable_bad, trace.stable_total)):
        phi = ((bad - total * 0.01) ** 2 / (total * 0.01 * 0.99)).mean()
        assert phi == pytest.approx(2, abs=0.1)


def test_latency_buckets_hold_the_lognormal_and_its_quantile():
    trace = draw_latency(np.random.default_rng(3), 2, 1.0)
    p99 = rules._quantile(trace.past.sum(axis=1), 0.99)
    np.testing.assert_allclose(p99, 0.1 * np.exp(0.5 * 2.326), rtol=0.05)
    assert bucket_chances(1.0).sum() == pytest.approx(1)
    assert len(bucket_chances(1.0)) == len(EDGES) + 1


def test_restarts_of_servers_lose_little_and_invent_nothing():
    rng = fixed(4)
    plain = draw(rng, 5, 0.02)
    read = stress._with_resets(rng, plain)
    assert (read.candidate_bad <= plain.candidate_bad).all()
    assert (read.candidate_bad <= read.candidate_total).all()
    lost = 1 - read.stable_total.sum() / plain.stable_total.sum()
    assert 0 < lost < 5 / HOUR


def test_an_outcome_counts_harm_up_to_the_decision():
    trace = counted([4, 4, 4])
    found = outcome(np.array([3]), trace)
    assert (found.percent, found.median, found.harm) == (100, 1.0, 4)
    missed = outcome(np.array([-1]), trace)
    assert (missed.hits, missed.harm) == (0, 12)


def test_wilson_interval_is_the_published_one():
    assert wilson(0, 1000) == pytest.approx((0, 0.383), abs=0.01)
    assert wilson(50, 100) == pytest.approx((40.4, 59.6), abs=0.1)


def test_our_rule_is_right_on_every_recorded_phase():
    assert DATA.exists(), "the recording belongs to the repository"
    for phase in recordings():
        assert (phase.decided["ours"] is not None) == phase.wanted, phase.name
