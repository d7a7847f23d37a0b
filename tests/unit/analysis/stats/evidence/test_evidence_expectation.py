"""Under the null the expected evidence is at most 1: exact sums over every possible table, no simulation."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from modelrollout.core.analysis.stats import parameters
from modelrollout.core.analysis.stats.arrays import CountTicks, StableHistory
from modelrollout.core.analysis.stats.count_evidence import count_evidence
from modelrollout.core.analysis.stats.eprocess import log_factors, project, temper
from modelrollout.core.analysis.stats.limits import ACCURACY, ERROR_RATE, EXCEEDANCE, NON_FINITE, LimitLine, absolute

LINES = [ERROR_RATE, ACCURACY, NON_FINITE, EXCEEDANCE, LimitLine(2.0, 0.1), absolute(0.01), absolute(0.3)]
TABLES = [(1, 1), (3, 40), (12, 12), (40, 3), (1, 60), (25, 30)]
RATES = [1e-6, 0.001, 0.01, 0.08, 0.3, 0.6]
EVERYTHING = (*parameters.BAD_ALTERNATIVES, *parameters.GOOD_ALTERNATIVES)


def binomial(n: int, p: float) -> np.ndarray:
    return np.array([math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])


def factors(n_c: int, n_s: int, guess: float, line: LimitLine, bets: tuple[float, ...]) -> np.ndarray:
    """Log e for every table (y_c, y_s), shape (R, n_c + 1, n_s + 1)."""
    y_c, y_s = np.meshgrid(np.arange(n_c + 1.0), np.arange(n_s + 1.0), indexing="ij")
    full = np.full(y_c.shape, guess)
    return log_factors((y_c, full * 0 + n_c), (y_s, full * 0 + n_s), full, line, bets)


def expectation(log_e: np.ndarray, n_c: int, n_s: int, p_c: float, p_s: float) -> np.ndarray:
    return np.einsum("i,j,rij->r", binomial(n_c, p_c), binomial(n_s, p_s), np.exp(log_e))


@pytest.mark.alike(4)
@pytest.mark.parametrize("line", LINES, ids=str)
@pytest.mark.parametrize(("n_c", "n_s"), TABLES)
def test_expected_bad_evidence_is_at_most_one_wherever_the_candidate_is_within_the_line(line, n_c, n_s):
    for guess in (0.002, 0.01, 0.2, 0.9):
        log_e = factors(n_c, n_s, guess, line, parameters.BAD_ALTERNATIVES)
        for p_s in RATES:
            allowed = min(float(line.at(np.array(p_s))), 1.0)
            for p_c in (allowed, 0.7 * allowed, 0.0):
                assert expectation(log_e, n_c, n_s, p_c, p_s).max() <= 1 + 1e-9


@pytest.mark.alike(4)
@pytest.mark.parametrize("line", [line.good for line in LINES], ids=str)
@pytest.mark.parametrize(("n_c", "n_s"), TABLES)
def test_expected_good_evidence_is_at_most_one_wherever_the_candidate_is_beyond_the_good_line(line, n_c, n_s):
    for guess in (0.002, 0.01, 0.2, 0.9):
        log_e = factors(n_c, n_s, guess, line, parameters.GOOD_ALTERNATIVES)
        for p_s in RATES:
            unacceptable = float(line.at(np.array(p_s)))
            if unacceptable < 1:
                for p_c in (unacceptable, 0.5 * (1 + unacceptable), 1.0):
                    assert expectation(log_e, n_c, n_s, p_c, p_s).max() <= 1 + 1e-9


@pytest.mark.parametrize("line", [ERROR_RATE, EXCEEDANCE, absolute(0.05)], ids=str)
def test_the_bound_is_tight_at_the_projected_null(line):
    n_c, n_s, guess = 6, 30, 0.02
    for number, bet in enumerate(parameters.BAD_ALTERNATIVES):
        log_e = factors(n_c, n_s, guess, line, parameters.BAD_ALTERNATIVES)[number : number + 1]
        tc = min(parameters.TOP_RATE, bet * float(line.at(np.array(guess))))
        tc0, ts0 = project(np.array(float(n_c)), np.array(float(n_s)), np.array(tc), np.array(guess), line)
        assert expectation(log_e, n_c, n_s, float(tc0), float(ts0))[0] == pytest.approx(1, abs=1e-9)


def test_tempering_only_lowers_the_expectation():
    n_c, n_s, p_s = 20, 30, 0.1
    log_e = factors(n_c, n_s, p_s, ERROR_RATE, parameters.BAD_ALTERNATIVES)
    for phi in (1.0, 1.5, 4.0):
        tempered = temper(log_e, np.array(phi))
        assert expectation(tempered, n_c, n_s, float(ERROR_RATE.at(np.array(p_s))), p_s).max() <= 1 + 1e-9


APART = replace(parameters.DEFAULTS, joined=0)
SHORT = replace(APART, one_look=math.log(1.5), leap=math.log(1.2))
"""Bounds so low that they are met within a few requests."""


@pytest.mark.alike(3)
@pytest.mark.parametrize("settings", [APART, SHORT], ids=["as it is", "low bounds"])
@pytest.mark.parametrize("line", [ERROR_RATE, EXCEEDANCE, LimitLine(2.0, 0.1), absolute(0.3)], ids=str)
@pytest.mark.slow
def test_expected_evidence_of_whole_rollouts_is_at_most_one_while_stable_drifts_and_weights_change(line, settings):
    """Every course that three ticks can take, with what each tick learns from those before it."""
    requests = ((2, 3), (1, 4), (3, 1))
    tables = [np.indices((n_c + 1, n_s + 1)).reshape(2, -1) for n_c, n_s in requests]
    course = np.indices([each.shape[1] for each in tables]).reshape(3, -1)
    bad = np.stack([each[:, at] for each, at in zip(tables, course, strict=True)], axis=-1).astype(float)
    total = np.broadcast_to(np.array(requests, dtype=float).T[:, None, :], bad.shape)
    raised = np.array([True, False, True])
    past = StableHistory(np.arange(-7.0, 1) * 60, np.array([0, 2, 0, 0, 3, 0, 0, 1.0]), np.full(8, 6.0))
    for elapsed in (5.0, 2000.0):
        ends = np.arange(1, 4) * elapsed
        ticks = CountTicks(ends, bad[0], total[0], bad[1], total[1], restart=raised)
        found = count_evidence(ticks, line, history=past, settings=settings)
        for side, allowed in ((found.log_bad, line), (found.log_good, line.good)):
            for p_s in ((0.05, 0.3, 0.6), (0.4, 0.02, 0.3), (0.2, 0.2, 0.2)):
                chance = np.ones(bad.shape[1])
                for tick, (n_c, n_s) in enumerate(requests):
                    p_c = min(float(allowed.at(np.array(p_s[tick]))), 1.0)
                    now = np.outer(binomial(n_c, p_c), binomial(n_s, p_s[tick])).ravel()
                    chance = chance * now[course[tick]]
                assert chance.sum() == pytest.approx(1)
                assert (chance @ np.exp(side)).max() <= 1 + 1e-9


def test_the_bound_on_one_look_takes_hold_in_those_rollouts():
    ticks = CountTicks(*(np.array([a, a]) for a in (5.0, 40.0, 40.0, 0.0, 400.0)))
    assert count_evidence(ticks, absolute(0.3), settings=SHORT).log_bad[0] == pytest.approx(
        math.log(1.5 + 1 - parameters.BAD_STAKES.first)
    )


def test_an_alternative_pushed_below_the_line_by_the_top_rate_is_skipped():
    log_e = factors(4, 4, 0.85, LimitLine(1.25, 0.001), parameters.BAD_ALTERNATIVES)
    assert (log_e == 0).all()


def test_the_projection_is_the_nearest_point_of_the_line():
    def divergence(x):
        y = line.at(np.array(x))
        return n_c * kl(tc, y) + n_s * kl(ts, x)

    def kl(p, q):
        return p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))

    for line in (ERROR_RATE, ERROR_RATE.good, NON_FINITE, EXCEEDANCE, LimitLine(1.0, 0.005)):
        for n_c, n_s, tc, ts in ((37.0, 712.0, 0.05, 0.01), (5.0, 3.0, 0.9, 0.2), (4e4, 9.0, 0.002, 0.01)):
            ts0 = project(np.array(n_c), np.array(n_s), np.array(tc), np.array(ts), line)[1].item()
            here = divergence(ts0)
            for other in np.linspace(max(ts0 - 0.01, ts0 * 0.9), min(ts0 + 0.01, ts0 * 1.1), 7):
                assert here <= divergence(other) + 1e-9 * abs(here)
