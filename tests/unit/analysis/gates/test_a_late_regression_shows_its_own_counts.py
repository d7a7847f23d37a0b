"""Half an hour of good answers must not hide, in the sentence, the minutes that speak against a version."""

from __future__ import annotations

import numpy as np

from modelrollout.core.analysis.gates.checks import limit_check
from modelrollout.core.analysis.gates.checks.standing import CountTest, Standing
from modelrollout.core.analysis.stats.arrays import CountTicks
from modelrollout.core.analysis.stats.count_evidence import count_evidence
from modelrollout.core.analysis.stats.limits import LimitLine


def test_a_failed_test_counts_from_when_the_evidence_began():
    ticks, onset = 160, 120
    bad = np.where(np.arange(ticks) < onset, 0, 15).astype(float)
    totals, stable = np.full(ticks, 40.0), np.full(ticks, 700.0)
    counted = CountTicks(np.arange(ticks) * 15.0, bad, totals, np.full(ticks, 7.0), stable)
    test = CountTest("stable", counted, LimitLine(1.25, 0.001), 1.0)
    found = count_evidence(counted, test.line)
    first = limit_check._began(found)
    standing = Standing("stable", "FAIL", bad.sum() / totals.sum(), bad.sum(), totals.sum(), 0.01, 1.0, 0.0135)
    shown = limit_check._since_it_began(standing, found, test.line)
    assert first >= onset - 20
    assert shown.rate > 2 * standing.rate
    assert shown.total < standing.total
