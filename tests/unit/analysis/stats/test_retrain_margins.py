"""A margin learned from promoted versions is wide enough for the next retrain, and too narrow for a loss."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.core.analysis.stats import parameters as d
from modelrollout.core.analysis.stats.margins.retrain import DefaultMargin, LearnedMargin, learn

SHARES = st.lists(st.floats(0, 1), min_size=3, max_size=10)
UNITS = st.integers(1, 100_000)


def learnt(*shares: float, units: float = 128) -> LearnedMargin:
    found = learn(shares, units)
    assert found is not None
    return found


def limit(margin: DefaultMargin | LearnedMargin, stable: float, room: float = 0.0) -> float:
    return float(margin.limit(np.array(stable), np.array(room)))


def test_nothing_is_learned_from_fewer_than_three_versions():
    assert learn([], 128) is None
    assert learn([0.08, 0.09], 128) is None
    assert learnt(0.08, 0.09, 0.1).versions == 3


def test_three_versions_that_are_alike_leave_room_for_the_next():
    assert limit(learnt(0.0, 0.0, 0.0), 0.0) >= 0.1
    assert limit(learnt(0.08, 0.08, 0.08, units=32), 0.08) > 0.2


def test_a_wider_spread_allows_more_and_more_versions_are_believed_more():
    near, far = learnt(0.15, 0.16, 0.17, units=64), learnt(0.08, 0.16, 0.24, units=64)
    assert far.excess > near.excess
    assert learnt(*[0.15, 0.16, 0.17] * 3, units=64).excess < near.excess


def test_stable_with_few_dead_units_by_chance_does_not_narrow_the_limit():
    margin = learnt(0.05, 0.15, 0.16, 0.17, units=64)
    assert limit(margin, 0.05) == limit(margin, float(margin.mean)) > 0.23


def test_a_stable_version_with_more_dead_units_than_its_past_moves_the_limit():
    margin = learnt(0.08, 0.09, 0.1)
    assert limit(margin, 0.3) == pytest.approx(limit(margin, 0.09) + 0.3 - margin.mean)


def test_a_drifted_version_among_the_promoted_ones_counts_for_nothing():
    assert learnt(0.08, 0.74, 0.09, 0.1) == learnt(0.08, 0.09, 0.1)
    assert learn([0.08, 0.09, 0.74], 128) is None


def test_what_is_no_share_counts_for_nothing():
    assert learnt(0.08, float("nan"), 0.09, -1.0, 0.1, 7.0, float("inf")) == learnt(0.08, 0.09, 0.1)
    assert learn([0.02, 0.03, -0.01], 128) is None
    assert learn([0.98, 0.99, 1.01], 128) is None


@given(SHARES, UNITS, st.floats(0, 1), st.floats(0, 1))
def test_the_limit_lies_between_the_least_margin_and_a_loss(
    shares: list[float], units: int, stable: float, room: float
):
    margin = learn(shares, units)
    if margin is None:
        return
    base = max(stable, margin.mean)
    assert base + d.PAST_LEAST - 1e-9 <= limit(margin, stable, room)
    assert limit(margin, stable, room) <= base + max(margin.loss - room, d.PAST_LEAST) + 1e-9
    assert margin.loss == max(d.LOSS, d.LOSS_UNITS / units)


@given(st.permutations([0.05, 0.08, 0.09, 0.13, 0.2]))
def test_the_order_of_the_versions_does_not_matter(shares: list[float]):
    assert learnt(*shares).excess == pytest.approx(learnt(*sorted(shares)).excess)


def test_the_default_is_twice_stable_and_ten_points_and_more_in_small_layers():
    assert limit(DefaultMargin(512), 0.08) == pytest.approx(0.26)
    assert limit(DefaultMargin(20), 0.0) > 3 / 20
    assert limit(DefaultMargin(32), 0.0625) > 2 * 0.0625 + 0.1
