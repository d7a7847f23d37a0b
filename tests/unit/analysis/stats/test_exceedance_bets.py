"""Bets on requests beyond an edge are fair under all that a latency gate allows: exact sums over every table."""

from __future__ import annotations

import math

import numpy as np
import pytest

from modelrollout.core.analysis.stats.arrays import CountTicks
from modelrollout.core.analysis.stats.baseline import Baseline
from modelrollout.core.analysis.stats.exceedances.evidence import exceedance_evidence
from modelrollout.core.analysis.stats.exceedances.factors import log_above_floor, log_beyond, log_within
from modelrollout.core.analysis.stats.parameters import BAD_ALTERNATIVES, DEFAULTS, GOOD_ALTERNATIVES, GOOD_EXCEEDANCE

TABLES = [(1, 1), (3, 40), (12, 12), (40, 3), (1, 60), (25, 30)]
FLOORS = [0.001, 0.01, 0.05, 0.1, 0.5]
GUESSES = [0.0005, 0.0043, 0.0099, 0.0865, 0.3, 0.9]
RATES = [0.0, 1e-6, 0.001, 0.01, 0.08, 0.3, 0.6, 0.97]


def binomial(n, p):
    return np.array([math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])


def tables(n_c, n_s, guess):
    y_c, y_s = np.meshgrid(np.arange(n_c + 1.0), np.arange(n_s + 1.0), indexing="ij")
    full = np.full(y_c.shape, guess)
    return (y_c, full * 0 + n_c), (y_s, full * 0 + n_s), full


def expectation(log_e, n_c, n_s, p_c, p_s):
    return np.einsum("i,j,rij->r", binomial(n_c, p_c), binomial(n_s, p_s), np.exp(log_e)).max()


@pytest.mark.alike(4)
@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize(("n_c", "n_s"), TABLES)
def test_against_the_candidate_nothing_is_expected_while_it_is_within_what_stable_has_and_lacks(floor, n_c, n_s):
    for guess in GUESSES:
        candidate, stable, rate = tables(n_c, n_s, guess)
        log_e = log_within(candidate, stable, rate, floor, BAD_ALTERNATIVES)
        for p_s in RATES:
            allowed = min(p_s + max(floor - guess, 0.0), 1.0)
            for p_c in (allowed, 0.6 * allowed, 0.0):
                assert expectation(log_e, n_c, n_s, p_c, p_s) <= 1 + 1e-9


@pytest.mark.alike(6)
@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize(("n_c", "n_s"), TABLES)
def test_against_the_candidate_nothing_is_expected_below_the_floor_whatever_stable_does(floor, n_c, n_s):
    for guess in GUESSES:
        candidate, _, rate = tables(n_c, n_s, guess)
        log_e = log_above_floor(candidate, rate, floor, BAD_ALTERNATIVES)
        for p_c in (floor, 0.5 * floor, 0.0):
            assert expectation(log_e, n_c, n_s, p_c, 0.3) <= 1 + 1e-9


@pytest.mark.alike(4)
@pytest.mark.parametrize("ratio", [1.0, GOOD_EXCEEDANCE])
@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize(("n_c", "n_s"), TABLES)
def test_for_the_candidate_nothing_is_expected_while_it_is_beyond_both_stable_and_the_floor(ratio, floor, n_c, n_s):
    for guess in GUESSES:
        candidate, stable, rate = tables(n_c, n_s, guess)
        log_e = log_beyond(candidate, stable, rate, floor, ratio, GOOD_ALTERNATIVES)
        for p_s in RATES:
            unacceptable = ratio * max(p_s, floor)
            if unacceptable <= 1:
                for p_c in (unacceptable, 0.5 * (1 + unacceptable), 1.0):
                    assert expectation(log_e, n_c, n_s, p_c, p_s) <= 1 + 1e-9


def test_the_bets_are_not_made_small_instead_at_the_nearest_point_each_expects_what_it_costs():
    n_c, n_s, guess, floor = 6, 30, 0.004, 0.01
    candidate, stable, rate = tables(n_c, n_s, guess)
    above = log_above_floor(candidate, rate, floor, BAD_ALTERNATIVES)
    assert expectation(above, n_c, n_s, floor, 0.3) == pytest.approx(1, abs=1e-9)
    beyond = log_beyond(candidate, stable, rate, floor, 1.0, GOOD_ALTERNATIVES)
    assert expectation(beyond, n_c, n_s, floor, guess) == pytest.approx(1, abs=1e-9)
    within = log_within(candidate, stable, rate, floor, BAD_ALTERNATIVES)
    best = max(expectation(within, n_c, n_s, p_s + floor - guess, p_s) for p_s in np.linspace(guess, 0.03, 300))
    assert best == pytest.approx(1, abs=1e-4)


def paths(n_c, n_s, ticks, guess, floor):
    """The expected evidence (against, for) at the end of every path of so many ticks, given one rate a tick each."""
    ranges = [np.arange(n_c + 1.0)] * ticks + [np.arange(n_s + 1.0)] * ticks
    every = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 2 * ticks)
    y_c, y_s = every[:, :ticks], every[:, ticks:]
    totals = np.full(y_c.shape, float(n_c)), np.full(y_c.shape, float(n_s))
    counts = CountTicks(np.arange(1, ticks + 1) * 15.0, y_c, totals[0], y_s, totals[1]).clean()
    known = np.ones(y_c.shape)
    base = Baseline(known * guess, known * 1000, known, known > 0)
    found, _ = exceedance_evidence((counts, counts), floor, base, known * guess, 200, DEFAULTS)

    def expected(p_c, p_s):
        chance = np.ones(len(every))
        for t in range(ticks):
            chance *= binomial(n_c, p_c[t])[y_c[:, t].astype(int)] * binomial(n_s, p_s[t])[y_s[:, t].astype(int)]
        assert chance.sum() == pytest.approx(1)
        return float(chance @ np.exp(found.log_bad[:, -1])), float(chance @ np.exp(found.log_good[:, -1]))

    return expected


@pytest.mark.parametrize("floor", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("guess", [0.004, 0.08, 0.3])
def test_over_several_ticks_with_other_rates_in_each_the_evidence_stays_fair(floor, guess):
    expected = paths(4, 4, 2, guess, floor)
    lacks = max(floor - guess, 0.0)
    for p_s in ((0.02, 0.6), (0.6, 0.02), (guess, guess), (0.0, 0.9)):
        incident = tuple(min(p + lacks, 1.0) for p in p_s)
        assert expected(incident, p_s)[0] <= 1 + 1e-9  # no worse than stable, whatever both do
        assert expected((floor, floor), p_s)[0] <= 1 + 1e-9  # within the quantile, however good stable is
        beyond = tuple(min(GOOD_EXCEEDANCE * max(p, floor), 1.0) for p in p_s)
        assert expected(beyond, p_s)[1] <= 1 + 1e-9


@pytest.mark.parametrize("floor", [0.01, 0.1, 0.5])
def test_stable_becoming_better_than_expected_is_no_evidence_against_a_candidate_at_its_quantile(floor):
    expected = paths(2, 40, 1, floor, floor)
    for p_s in (0.0, 0.5 * floor, floor):
        assert expected((floor,), (p_s,))[0] <= 1 + 1e-9
