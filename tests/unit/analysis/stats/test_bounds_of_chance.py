"""The bounds that tests on real traffic use miss as rarely as they say; seeded draws are those of any NumPy."""

from __future__ import annotations

from math import comb

import pytest

from tests.draws import binomial_bounds, fixed


def tail(number: int, chance: float, outcomes: range) -> float:
    return sum(comb(number, k) * chance**k * (1 - chance) ** (number - k) for k in outcomes)


@pytest.mark.alike(1)
@pytest.mark.parametrize(("number", "chance"), [(20, 0.5), (200, 0.75), (300, 0.01), (900, 0.1)])
def test_bounds_are_the_narrowest_that_miss_with_half_the_error_on_each_side(number, chance):
    least, most = binomial_bounds(number, chance, 1e-3)
    assert tail(number, chance, range(least)) <= 5e-4
    assert tail(number, chance, range(least + 1)) > 5e-4
    assert tail(number, chance, range(most + 1, number + 1)) <= 5e-4
    assert tail(number, chance, range(most, number + 1)) > 5e-4


def test_what_is_certain_has_no_spread():
    assert binomial_bounds(7, 0.0) == (0, 0)
    assert binomial_bounds(7, 1.0) == (7, 7)


def test_fixed_draws_are_the_ones_that_were_drawn_when_this_was_written():
    draws = fixed(1)
    assert draws.poisson(30, 4).tolist() == [29, 23, 24, 28]
    assert draws.binomial(700, 0.01, 4).tolist() == [6, 8, 5, 10]
