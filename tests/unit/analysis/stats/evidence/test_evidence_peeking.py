"""Looking at every tick does not raise the error: seeded simulations on the edge of what is allowed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from modelrollout.core.analysis.stats import alpha_budget
from modelrollout.core.analysis.stats.arrays import CountTicks, StableHistory
from modelrollout.core.analysis.stats.count_evidence import count_evidence
from modelrollout.core.analysis.stats.limits import ERROR_RATE, EXCEEDANCE, LimitLine, absolute
from tests.draws import binomial_bounds, fixed

pytestmark = pytest.mark.slow
RUNS, TICKS = 3000, 240


def at_most(hits: int, runs: int, rate: float) -> bool:
    """Whether `hits` of `runs` may come from `rate`: at that very rate, all but once in a million."""
    return hits <= binomial_bounds(runs, rate)[1]


def simulate(seed, line, candidate_share=0.05, drift=True, side="bad"):
    rng = fixed(seed)
    time = np.arange(TICKS)
    p_s = 0.01 * (1 + (0.8 * np.sin(time / 25) if drift else 0 * time))
    share = np.where(time < TICKS // 2, candidate_share, 0.5)  # a raise of the weight halfway
    n_c, n_s = rng.poisson(750 * share, (RUNS, TICKS)), rng.poisson(750 * (1 - share), (RUNS, TICKS))
    p_c = line.at(p_s) if side == "bad" else line.good.at(p_s)
    raised = np.diff(share, prepend=share[0]) != 0
    past = rng.poisson(750, (RUNS, 120))
    before = StableHistory(np.arange(-119, 1) * 15.0, rng.binomial(past, 0.01).astype(float), past.astype(float))
    c_bad, c_all, s_bad, s_all = (
        counts.astype(float) for counts in (rng.binomial(n_c, p_c), n_c, rng.binomial(n_s, p_s), n_s)
    )
    ticks = CountTicks(np.arange(1, TICKS + 1) * 15.0, c_bad, c_all, s_bad, s_all, restart=raised)
    return count_evidence(ticks, line, history=before)


@pytest.mark.parametrize("line", [ERROR_RATE, EXCEEDANCE, LimitLine(2.0, 0.0), absolute(0.012)], ids=str)
def test_a_candidate_on_the_line_is_ever_called_bad_in_at_most_alpha(line):
    evidence = simulate(1, line)
    for odds in (20, 100):
        hits = int((evidence.log_bad.max(axis=-1) >= math.log(odds)).sum())
        assert at_most(hits, RUNS, 1 / odds), (odds, hits)


@pytest.mark.parametrize("line", [ERROR_RATE, LimitLine(2.0, 0.0)], ids=str)
def test_a_candidate_on_the_good_line_ever_looks_good_in_at_most_one_in_twenty(line):
    evidence = simulate(2, line, side="good")
    hits = int((evidence.log_good.max(axis=-1) >= math.log(20)).sum())
    assert at_most(hits, RUNS, 1 / 20), hits


def test_the_promise_holds_over_several_dependent_tests():
    one, two = simulate(3, ERROR_RATE), simulate(4, EXCEEDANCE)
    # the third repeats the first: dependence as strong as it gets
    stacked = np.stack([one.log_bad, two.log_bad, one.log_bad])
    together = alpha_budget.log_combined(stacked, alpha_budget.split_shares([None, None, None]))
    hits = int((together.max(axis=-1) >= alpha_budget.log_threshold(0.05)).sum())
    assert at_most(hits, RUNS, 0.04), hits


def test_pooling_the_counts_would_break_the_promise():
    """The same traces, judged by a z-test on pooled counts at every tick: what the engine exists to avoid."""
    ticks = simulate(1, EXCEEDANCE).ticks
    y_c, n_c, y_s, n_s = (
        a.cumsum(axis=-1)[:, 20:]
        for a in (ticks.candidate_bad, ticks.candidate_total, ticks.stable_bad, ticks.stable_total)
    )
    pooled = (y_c + y_s) / (n_c + n_s)
    z = (y_c / n_c - y_s / n_s) / np.sqrt(pooled * (1 - pooled) * (1 / n_c + 1 / n_s))
    hits = int((z.max(axis=-1) >= 1.96).sum())
    assert not at_most(hits, RUNS, 0.05)
