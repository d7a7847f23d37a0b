"""A few ticks are solved one by one, many at once: to the last bit the same, whatever else is in the batch."""

from __future__ import annotations

import numpy as np
import pytest

from modelrollout.core.analysis.stats import eprocess
from modelrollout.core.analysis.stats.exceedances import factors
from modelrollout.core.analysis.stats.limits import ACCURACY, ERROR_RATE, NON_FINITE, REFUSED
from tests.draws import fixed

NUMBER = 3000


def drawn(line):
    rng = fixed(5)
    counts = [rng.randint(0, most, NUMBER).astype(float) for most in (500, 2000)]
    stable = 10 ** rng.uniform(-9, -0.1, NUMBER)
    multiple = rng.choice([0.25, 0.5, 0.7, 1.6, 2.5, 7], NUMBER)
    return (*counts, np.clip(line.at(stable) * multiple, 1e-12, 0.97), stable)


def solved(line, given):
    n_c, n_s, tc, ts = given
    return eprocess.project(n_c, n_s, tc, ts, line)[1]


@pytest.mark.parametrize("line", [ERROR_RATE, REFUSED, ACCURACY, NON_FINITE, NON_FINITE.good])
@pytest.mark.slow
def test_the_projection_of_one_is_that_of_many(line):
    given = drawn(line)
    many = solved(line, given)
    few = [solved(line, [one[at : at + 5] for one in given]) for at in range(0, NUMBER, 5)]
    assert np.concatenate(few).tolist() == many.tolist()
    half = solved(line, [one[: NUMBER // 2] for one in given])
    assert half.tolist() == many[: NUMBER // 2].tolist()


def test_the_nearest_share_of_one_is_that_of_many():
    n_c, n_s, tc, ts = drawn(ERROR_RATE)
    plus = np.maximum(0.1 - ts, 0.0)
    many = factors._nearest(n_c, n_s, tc, ts, plus)
    few = [factors._nearest(*(one[at : at + 5] for one in (n_c, n_s, tc, ts, plus))) for at in range(0, NUMBER, 5)]
    assert np.concatenate(few).tolist() == many.tolist()
