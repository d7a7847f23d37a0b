"""Few requests are compared over several ticks: the promise, the evidence that is left, and who looks when."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from modelrollout.core.analysis.stats import parameters
from modelrollout.core.analysis.stats.arrays import CountTicks, StableHistory
from modelrollout.core.analysis.stats.count_evidence import CountEvidence, count_evidence
from modelrollout.core.analysis.stats.joining import group
from modelrollout.core.analysis.stats.latency_evidence import LatencyTicks, versus_stable
from modelrollout.core.analysis.stats.limits import ERROR_RATE, NON_FINITE, LimitLine
from modelrollout.core.analysis.stats.traffic.forecast import growth
from tests.draws import fixed

SCRAPE = 5.0
APART = replace(parameters.DEFAULTS, joined=0)


def little(seed: int = 0, ticks: int = 400, stable: float = 0.2, weight: float = 0.2, rate: float = 0.05) -> CountTicks:
    """Rollouts with so many requests of stable a second, the weight being raised twice."""
    rng = fixed(seed)
    n_c = rng.poisson(SCRAPE * stable * weight / (1 - weight), (3, ticks))
    n_s = rng.poisson(SCRAPE * stable, (3, ticks))
    restart = np.zeros(ticks, dtype=bool)
    restart[[0, ticks // 3 + 1, ticks // 2]] = True
    return CountTicks(
        np.arange(1, ticks + 1) * SCRAPE,
        rng.binomial(n_c, rate).astype(float),
        n_c.astype(float),
        rng.binomial(n_s, 0.2 * rate).astype(float),
        n_s.astype(float),
        restart=restart,
    )


def prefix(ticks: CountTicks, length: int) -> CountTicks:
    def cut(value: Any) -> Any:
        return None if value is None else value[..., :length]

    return CountTicks(**{one.name: cut(getattr(ticks, one.name)) for one in fields(ticks)})


def says(found: CountEvidence) -> np.ndarray:
    """Ticks at which something was said."""
    return (found.log_bad_steps != 0).any(axis=0)


def binomial(n: int, p: float) -> np.ndarray:
    return np.array([math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])


@pytest.mark.slow
@pytest.mark.parametrize("line", [ERROR_RATE, LimitLine(2.0, 0.1)], ids=str)
def test_expected_evidence_of_joined_ticks_is_at_most_one(line):
    requests = ((2, 0), (0, 3), (1, 4), (3, 0), (0, 1), (1, 0))
    tables = [np.indices((n_c + 1, n_s + 1)).reshape(2, -1) for n_c, n_s in requests]
    course = np.indices([each.shape[1] for each in tables]).reshape(len(requests), -1)
    bad = np.stack([each[:, at] for each, at in zip(tables, course, strict=True)], axis=-1).astype(float)
    total = np.broadcast_to(np.array(requests, dtype=float).T[:, None, :], bad.shape)
    past = StableHistory(np.arange(-7.0, 1) * 60, np.array([0, 2, 0, 0, 3, 0, 0, 1.0]), np.full(8, 6.0))
    ticks = CountTicks(np.arange(1, 7) * SCRAPE, bad[0], total[0], bad[1], total[1])
    found = count_evidence(ticks, line, history=past, settings=replace(parameters.DEFAULTS, joined=5))
    assert says(found).any(axis=0).tolist() == [False, True, True, False, False, True]
    for side, allowed in ((found.log_bad, line), (found.log_good, line.good)):
        for p_s in ((0.05, 0.05, 0.3, 0.6, 0.6, 0.6), (0.4, 0.4, 0.02, 0.3, 0.3, 0.3)):  # drifts from group to group
            chance = np.ones(bad.shape[1])
            for tick, (n_c, n_s) in enumerate(requests):
                p_c = min(float(allowed.at(np.array(p_s[tick]))), 1.0)
                chance = chance * np.outer(binomial(n_c, p_c), binomial(n_s, p_s[tick])).ravel()[course[tick]]
            assert chance.sum() == pytest.approx(1)
            assert (chance @ np.exp(side)).max() <= 1 + 1e-9


@pytest.mark.slow
@pytest.mark.alike(2)
@pytest.mark.parametrize(
    ("stable", "weight"), [(0.05, 0.5), (0.2, 0.05), (0.2, 0.2), (0.2, 0.95), (1.0, 0.05), (5, 0.2)]
)
def test_little_of_the_evidence_is_lost_where_requests_are_few(stable, weight):
    ticks = little(1, 20_000, stable, weight)
    n_c, n_s = ticks.candidate_total[0], ticks.stable_total[0]
    groups = group(ticks.seconds, n_c + n_s, np.zeros(n_c.shape, dtype=bool), parameters.JOIN_REQUESTS)
    kept, alone, all_of_it = (
        _information(*pair) for pair in ((groups.of(n_c), groups.of(n_s)), (n_c, n_s), (n_c.sum(), n_s.sum()))
    )
    assert 1 - kept / all_of_it < 0.13
    if stable < 1 and weight < 0.9:
        assert 1 - alone / all_of_it > 0.5


def _information(n_c: np.ndarray, n_s: np.ndarray) -> float:
    """Expected log evidence of those counts, where 1 % has become 5 %."""
    each = np.stack(np.broadcast_arrays(n_c, n_s)).reshape(2, -1)
    each = each[:, (each > 0).all(axis=0)]
    kinds, times = np.unique(each, axis=1, return_counts=True)
    rates = np.full(kinds.shape[1], 0.05), np.full(kinds.shape[1], 0.01)
    return float((times * kinds[0] * growth(*rates, kinds[1] / kinds[0], ERROR_RATE)).sum())


def test_where_a_group_ends_does_not_depend_on_what_was_bad():
    ticks, past = little(2), StableHistory(np.arange(-9, 1) * SCRAPE, np.full(10, 1.0), np.full(10, 100.0))
    for bad in (0 * ticks.candidate_bad, ticks.candidate_bad, ticks.candidate_total):
        spoken = says(count_evidence(replace(ticks, candidate_bad=bad), ERROR_RATE, history=past))
        assert (spoken <= _ends(ticks)).all()
        assert (spoken.sum(axis=-1) > 0.9 * _ends(ticks).sum(axis=-1)).all()


def _ends(ticks: CountTicks) -> np.ndarray:
    assert ticks.restart is not None
    restart = np.broadcast_to(ticks.restart, ticks.stable_total.shape)
    found = group(ticks.seconds, ticks.candidate_total + ticks.stable_total, restart, parameters.JOIN_REQUESTS)
    return found.into == np.arange(found.into.shape[-1])


@pytest.mark.slow
@pytest.mark.parametrize("line", [ERROR_RATE, NON_FINITE], ids=str)
def test_whoever_looks_late_or_starts_again_finds_the_same_groups(line):
    ticks = little(3)
    whole = count_evidence(ticks, line)
    for length in (1, 2, 7, 23, 133, 134, 135, 199, 200, 201, 399):
        part = count_evidence(prefix(ticks, length), line)
        for name in ("log_bad", "log_good", "limit", "phi", "rare"):
            np.testing.assert_allclose(getattr(part, name), getattr(whole, name)[..., :length], rtol=1e-12, atol=1e-12)


def test_an_open_group_says_nothing_and_is_not_known_of_stable():
    ticks = replace(little(4, ticks=60, stable=0.2), restart=None)
    last = np.flatnonzero(_ends(replace(ticks, restart=np.zeros(60, dtype=bool)))[0])[-1]
    assert 0 < last < 59
    bad = ticks.candidate_total.copy(), ticks.stable_total.copy()
    found = [
        count_evidence(replace(ticks, candidate_bad=one, stable_bad=two), ERROR_RATE)
        for one, two in ((bad[0] * (np.arange(60) > last), bad[1] * (np.arange(60) > last)), (0 * bad[0], 0 * bad[1]))
    ]
    for name in ("log_bad", "expected", "phi"):
        np.testing.assert_array_equal(getattr(found[0], name)[0], getattr(found[1], name)[0])


def test_a_group_ends_with_a_weight():
    seconds, total = np.arange(1, 9) * SCRAPE, np.array([3.0, 3, 3, 3, 3, 30, 3, 20])
    restart = np.arange(8) == 2
    groups = group(seconds, total, restart, 10)
    assert groups.into.tolist() == [-1, -1, 5, 5, 5, 5, 7, 7]
    assert groups.first.tolist() == [0, 0, 2, 2, 2, 2, 6, 6]
    assert groups.of(total).tolist() == [0, 0, 0, 0, 0, 39, 0, 23]


@pytest.mark.parametrize(("every", "ticks"), [(5.0, 24), (15.0, 8), (60.0, 2), (300.0, 1)])
def test_no_group_is_longer_than_its_bound_unless_a_tick_is(every, ticks):
    seconds = np.arange(100, 200) * every
    groups = group(seconds, np.zeros(100), np.zeros(100, dtype=bool), 20)
    lengths = np.diff(np.flatnonzero(groups.into == np.arange(100)))
    assert set(lengths.tolist()) == {ticks}


def test_busy_ticks_are_each_their_own():
    ticks = little(5, stable=40, weight=0.2)
    joined, apart = count_evidence(ticks, ERROR_RATE), count_evidence(ticks, ERROR_RATE, settings=APART)
    np.testing.assert_array_equal(joined.log_bad, apart.log_bad)
    assert joined.first is None


def test_zero_bad_in_enough_is_about_every_request_that_was_counted():
    ticks = little(6, ticks=900, stable=2.0, rate=0.0)
    line = LimitLine(1.25, 0.01)
    found = count_evidence(ticks, line, minimum_requests=200)
    assert found.rare[0, -1]
    bad = ticks.candidate_bad.copy()
    at = int(np.flatnonzero((ticks.candidate_total[0] > 0) & ~_ends(ticks)[0])[-1])
    assert found.rare[0, at]
    bad[0, at] = 1
    now = count_evidence(replace(ticks, candidate_bad=bad), line, minimum_requests=200)
    assert not now.rare[0, at]
    assert now.ticks.candidate_bad[0, at] == 1


def test_what_began_began_with_the_first_tick_of_its_group():
    seconds, none = np.arange(1, 41) * SCRAPE, np.zeros(40)
    n_c, n_s = np.full(40, 1.0), np.full(40, 4.0)
    past = StableHistory(np.arange(-99, 1) * SCRAPE, np.full(100, 0.05), np.full(100, 5.0))
    bad = np.where(np.arange(40) >= 20, 1.0, 0.0)
    found = count_evidence(CountTicks(seconds, bad, n_c, none, n_s), ERROR_RATE, history=past)
    assert found.log_bad[-1] > math.log(100)
    assert int(found.began(np.array(39))) == 20


@pytest.mark.slow
def test_slow_requests_are_compared_over_the_same_groups():
    rng = fixed(7)
    edges = np.array([0.1, 0.2, 0.4])
    ends = np.arange(1, 301) * SCRAPE
    slow, usual = np.array([0.2, 0.3, 0.3, 0.2]), np.array([0.9, 0.06, 0.03, 0.01])
    candidate, stable = (
        np.array([rng.multinomial(n, chances) for n in rng.poisson(mean, 300)]).astype(float)
        for mean, chances in ((0.5, slow), (2.0, usual))
    )
    found = versus_stable(LatencyTicks(ends, edges, candidate, stable))
    apart = versus_stable(LatencyTicks(ends, edges, candidate, stable), settings=replace(parameters.SLOWER, joined=0))
    assert found.log_bad[-1] > apart.log_bad[-1] + 2
    own = found.parts[-1].evidence.ticks
    assert own.candidate_total.sum() == candidate.sum()
    for length in (10, 77, 150):
        cut = versus_stable(LatencyTicks(ends[:length], edges, candidate[:length], stable[:length]))
        np.testing.assert_allclose(cut.log_bad, found.log_bad[:length], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(cut.log_good, found.log_good[:length], rtol=1e-12, atol=1e-12)
