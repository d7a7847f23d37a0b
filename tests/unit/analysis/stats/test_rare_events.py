"""Events too rare for evidence: enough clean requests pass, one bad request does not."""

from __future__ import annotations

import numpy as np
import pytest

from modelrollout.core.analysis.stats.arrays import CountTicks
from modelrollout.core.analysis.stats.count_evidence import count_evidence
from modelrollout.core.analysis.stats.limits import ACCURACY, ERROR_RATE, NON_FINITE, absolute
from modelrollout.core.analysis.stats.traffic.rule_of_three import rare_bound, rare_requests


def ticks(candidate_bad: dict[int, int], per_tick=38, length=120):
    bad = np.zeros(length)
    for at, count in candidate_bad.items():
        bad[at] = count
    ones = np.ones(length)
    return CountTicks(np.arange(1, length + 1) * 15.0, bad, ones * per_tick, ones * 0, ones * 700)


@pytest.mark.parametrize(
    ("line", "minimum", "needed"),
    [(ERROR_RATE, 200, 3000), (NON_FINITE, 200, 3000), (ACCURACY, 200, 600), (ACCURACY, 1000, 1000),
     (absolute(0.01), 200, 300), (absolute(0.5), 200, 200), (NON_FINITE, 5000, 5000)],
)  # fmt: skip
def test_requests_needed_follow_plus_up_to_the_cap_and_never_undercut_the_users_minimum(line, minimum, needed):
    assert rare_requests(line, minimum) == needed


def test_a_clean_candidate_passes_exactly_when_it_has_enough_requests():
    evidence = count_evidence(ticks({}), NON_FINITE)
    first = int(evidence.rare.argmax())
    assert first == 3000 // 38  # 0-based tick in which the 3,000th request arrives
    assert evidence.passing[first]
    assert evidence.log_good[first] < np.log(20)


def test_one_bad_request_takes_the_rare_pass_away():
    evidence = count_evidence(ticks({100: 1}), NON_FINITE)
    assert evidence.rare[99]
    assert not evidence.rare[100:].any()


def test_the_bound_that_clean_requests_buy_is_three_over_n():
    np.testing.assert_allclose(rare_bound(np.array([0, 2, 300, 3000])), [1, 1, 0.01, 0.001])
