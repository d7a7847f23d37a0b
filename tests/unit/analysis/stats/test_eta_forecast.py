"""The forecast of requests still needed is of the right size, and infinite where nothing will decide."""

from __future__ import annotations

import numpy as np
import pytest

from modelrollout.core.analysis.stats.arrays import CountTicks, StableHistory
from modelrollout.core.analysis.stats.count_evidence import count_evidence
from modelrollout.core.analysis.stats.limits import ERROR_RATE, absolute
from modelrollout.core.analysis.stats.traffic.forecast import growth, requests_needed
from tests.draws import fixed


@pytest.mark.slow
def test_the_forecast_of_a_pass_is_within_a_factor_of_two_of_what_it_takes():
    rng = fixed(0)
    n_c, n_s = np.full((200, 400), 38.0), np.full((200, 400), 712.0)
    y_c, y_s = (rng.binomial(n.astype(int), 0.01).astype(float) for n in (n_c, n_s))
    ticks = CountTicks(np.arange(1, 401) * 15.0, y_c, n_c, y_s, n_s)
    total = np.full(120, 750)
    past = StableHistory(np.arange(-119, 1) * 15.0, rng.binomial(total, 0.01).astype(float), total.astype(float))
    taken = np.median((count_evidence(ticks, ERROR_RATE, history=past).log_good >= np.log(20)).argmax(axis=-1)) * 38
    rate = growth(np.array(0.01), np.array(0.01), np.array(712 / 38), ERROR_RATE.good)
    forecast = float(requests_needed(np.log(20), 4, rate))
    assert 0.5 < forecast / taken < 2


def test_an_absolute_limit_grows_by_the_one_sample_divergence():
    rate = growth(np.array(0.05), np.array(0.5), np.array(3.0), absolute(0.01))
    assert float(rate) == pytest.approx(0.05 * np.log(5) + 0.95 * np.log(0.95 / 0.99))


def test_on_the_line_nothing_is_ever_decided():
    rate = growth(ERROR_RATE.at(np.array(0.01)), np.array(0.01), np.array(10.0), ERROR_RATE)
    assert requests_needed(np.log(100), 6, rate) == np.inf
