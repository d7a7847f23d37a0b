"""What must hold for every input: monotone, additive over split ticks, the same on a prefix, never NaN."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelrollout.core.analysis.stats import parameters
from modelrollout.core.analysis.stats.arrays import CountTicks, StableHistory
from modelrollout.core.analysis.stats.count_evidence import count_evidence
from modelrollout.core.analysis.stats.eprocess import log_factors
from modelrollout.core.analysis.stats.limits import ACCURACY, ERROR_RATE, EXCEEDANCE, NON_FINITE, LimitLine, absolute
from tests.draws import fixed

LINES = [ERROR_RATE, ACCURACY, NON_FINITE, EXCEEDANCE, absolute(0.01), absolute(0.0)]
BASE = parameters.DEFAULTS
ONCE = parameters.Stakes(first=1.0, steps=0.0, later=0.0)


def rollout(seed=0, ticks=80, batch=(), candidate=0.03, stable=0.01):
    rng = fixed(seed)
    shape = (*batch, ticks)
    n_c, n_s = rng.poisson(30, shape), rng.poisson(300, shape)
    present = rng.random_sample(shape) > 0.1
    restart = rng.random_sample(shape) > 0.97
    seconds = np.arange(1, ticks + 1) * 15.0
    return counted(seconds, rng.binomial(n_c, candidate), n_c, rng.binomial(n_s, stable), n_s, present, restart)


def counted(seconds: np.ndarray, *others: np.ndarray) -> CountTicks:
    """Ticks of whole numbers, as the generators draw them."""
    candidate_bad, candidate_total, stable_bad, stable_total, *flags = others
    counts = (each.astype(float) for each in (candidate_bad, candidate_total, stable_bad, stable_total))
    return CountTicks(seconds, *counts, *flags)


def history(seed=1, ticks=120, stable=0.01):
    rng = fixed(seed)
    total = rng.poisson(330, ticks)
    return StableHistory(np.arange(1 - ticks, 1) * 15.0, rng.binomial(total, stable).astype(float), total.astype(float))


def prefix(ticks: CountTicks, length: int) -> CountTicks:
    return CountTicks(**{one.name: getattr(ticks, one.name)[..., :length] for one in fields(ticks)})


@pytest.mark.alike(2)
@pytest.mark.parametrize("line", LINES, ids=str)
@pytest.mark.parametrize("past", [None, history()], ids=["cold", "seeded"])
def test_evidence_on_a_prefix_is_the_evidence_on_the_whole(line, past):
    ticks = rollout(batch=(3,))
    whole = count_evidence(ticks, line, history=past)
    for length in (1, 2, 3, 17, 41, 79):
        part = count_evidence(prefix(ticks, length), line, history=past)
        for name in ("log_bad", "log_good", "limit", "phi", "rare"):
            np.testing.assert_allclose(getattr(part, name), getattr(whole, name)[..., :length], rtol=1e-12, atol=1e-12)


def test_a_rollout_has_the_same_evidence_alone_as_in_a_batch():
    ticks = rollout(batch=(5,))
    whole = count_evidence(ticks, ERROR_RATE)
    for b in range(5):
        alone = CountTicks(
            ticks.seconds, ticks.candidate_bad[b], ticks.candidate_total[b], ticks.stable_bad[b], ticks.stable_total[b],
            ticks.present[b], ticks.restart[b],
        )  # fmt: skip
        np.testing.assert_allclose(count_evidence(alone, ERROR_RATE).log_bad, whole.log_bad[b], rtol=1e-12)


@pytest.mark.slow
@pytest.mark.alike(2)
@pytest.mark.parametrize("line", LINES, ids=str)
def test_more_bad_candidate_requests_never_lower_the_bad_evidence(line):
    ticks = rollout(seed=3)
    before = count_evidence(ticks, line, history=history())
    for tick in range(0, 80, 7):
        for extra in (1, 5, 40):
            bad = ticks.candidate_bad.copy()
            bad[tick] = min(bad[tick] + extra, ticks.candidate_total[tick])
            after = count_evidence(replace(ticks, candidate_bad=bad), line, history=history())
            assert (after.log_bad >= before.log_bad - 1e-9).all()
            assert (after.log_good <= before.log_good + 1e-9).all()


@given(
    n_c=st.integers(1, 400), n_s=st.integers(1, 4000), bad=st.integers(0, 400), rate=st.floats(1e-5, 0.5),
    extra=st.integers(1, 50),
)  # fmt: skip
@example(n_c=5, n_s=2, bad=5, rate=0.375, extra=1)
def test_extra_requests_that_are_all_bad_never_lower_a_factor(n_c, n_s, bad, rate, extra):
    y_c, y_s = min(bad, n_c), round(n_s * rate)
    stable = (np.array([float(y_s)]), np.array([float(n_s)]))
    one, two = (
        log_factors(
            (np.array([float(y)]), np.array([float(n)])),
            stable,
            np.array([rate]),
            ERROR_RATE,
            parameters.BAD_ALTERNATIVES,
        )
        for y, n in ((y_c, n_c), (y_c + extra, n_c + extra))
    )
    # Compared through what decides: the best-paid bet. Where stable itself does worse than expected in the tick, more
    # of the same from both may speak less against the candidate: by less than a hundredth of what a verdict needs.
    lost = 1e-9 if y_s <= n_s * rate else 0.01 * np.log(1 / parameters.FALSE_ROLLBACK)
    assert two.max() >= one.max() - lost


@given(
    parts=st.integers(2, 6), n_c=st.integers(1, 50), n_s=st.integers(1, 500), rate=st.floats(1e-4, 0.6),
    seed=st.integers(0, 999),
)  # fmt: skip
def test_a_tick_split_in_equal_parts_says_the_same_in_sum(parts, n_c, n_s, rate, seed):
    rng = fixed(seed)
    y_c, y_s = rng.randint(0, n_c + 1, parts), rng.randint(0, n_s + 1, parts)
    split_rate = np.full(parts, rate)
    for line in (ERROR_RATE, EXCEEDANCE, absolute(0.02)):
        for bets, null in ((parameters.BAD_ALTERNATIVES, line), (parameters.GOOD_ALTERNATIVES, line.good)):
            split = log_factors(
                (y_c.astype(float), np.full(parts, float(n_c))), (y_s.astype(float), np.full(parts, float(n_s))),
                split_rate, null, bets,
            )  # fmt: skip
            whole = log_factors(
                (np.array([float(y_c.sum())]), np.array([float(n_c * parts)])),
                (np.array([float(y_s.sum())]), np.array([float(n_s * parts)])),
                split_rate[:1], null, bets,
            )  # fmt: skip
            np.testing.assert_allclose(split.sum(axis=-1), whole[:, 0], rtol=1e-6, atol=1e-7)


def test_evidence_hardly_depends_on_how_finely_time_is_cut():
    n_c, n_s = np.full(160, 20), np.full(160, 400)
    y_c, y_s = np.tile([1, 0, 1, 1, 0, 1, 1, 0, 1, 1], 16), np.full(160, 4)  # 3.5 % against 1 %
    fine = counted(np.arange(1, 161) * 7.5, y_c, n_c, y_s, n_s)
    coarse = counted(np.arange(1, 81) * 15.0, *(a.reshape(80, 2).sum(axis=1) for a in (y_c, n_c, y_s, n_s)))
    ends = [
        count_evidence(ticks, ERROR_RATE, history=history(), settings=replace(BASE, dispersion=False)).log_bad[-1]
        for ticks in (fine, coarse)
    ]
    assert ends[0] == pytest.approx(ends[1], rel=0.05)


def test_missing_ticks_say_nothing_either_way():
    ticks = rollout(seed=4, ticks=40)
    ticks = replace(ticks, present=np.ones(40, dtype=bool), restart=np.zeros(40, dtype=bool))
    holes = np.ones(40, dtype=bool)
    holes[20:25] = False
    seen = count_evidence(
        replace(ticks, present=holes), ERROR_RATE, settings=replace(BASE, bad_stakes=ONCE, good_stakes=ONCE)
    )
    assert (np.diff(seen.log_bad[19:25]) == 0).all()
    assert (np.diff(seen.log_good[19:25]) == 0).all()
    as_nan = ticks.candidate_bad.astype(float)
    as_nan[20:25] = np.nan
    # NaN in one arm is as good as absent in that arm
    nan = count_evidence(
        replace(ticks, candidate_bad=as_nan), ERROR_RATE, settings=replace(BASE, bad_stakes=ONCE, good_stakes=ONCE)
    )
    assert (np.diff(nan.log_bad[19:25]) == 0).all()


def test_one_tick_however_bad_cannot_reach_the_odds_to_act():
    ticks = CountTicks(*(np.array([a]) for a in (15.0, 1e6, 1e6, 0.0, 1e6)))
    assert count_evidence(ticks, ERROR_RATE, history=history()).log_bad[0] < np.log(25)
    twice = CountTicks(*(np.array([a, b]) for a, b in ((15.0, 30.0), (40, 40), (40, 40), (7, 7), (700, 700))))
    assert count_evidence(twice, ERROR_RATE, history=history()).log_bad[1] > np.log(100)


counts = st.one_of(
    st.sampled_from([0.0, 1.0, 2.0, 1e-3, 1e6, 1e12, 1e15, -1.0, float("nan"), float("inf")]), st.floats(0, 1e9)
)


@given(
    rows=st.lists(st.tuples(counts, counts, counts, counts), min_size=0, max_size=12),
    line=st.one_of(
        st.sampled_from([*LINES, LimitLine(1.0, 1.0), LimitLine(100.0, 0.0), absolute(1.0)]),
        st.builds(LimitLine, st.floats(1, 100), st.floats(0, 1)),
        st.builds(absolute, st.floats(0, 1)),
    ),
    past=st.one_of(st.none(), st.lists(st.tuples(counts, counts), min_size=0, max_size=5)),
)
@example(rows=[(1e15, 1e15, 1e15, 1e15)] * 5, line=ERROR_RATE, past=None)
@example(rows=[(0, 1e15, 0, 1e15)] * 5, line=EXCEEDANCE, past=None)
def test_no_input_gives_nan_or_an_exception(rows, line, past):
    columns = np.array(rows, dtype=float).reshape(len(rows), 4).T
    ticks = CountTicks(np.arange(1, len(rows) + 1) * 15.0, columns[0], columns[1], columns[2], columns[3])
    before = None
    if past is not None:
        earlier = np.array(past, dtype=float).reshape(len(past), 2).T
        before = StableHistory(np.arange(1 - len(past), 1) * 15.0, earlier[0], earlier[1])
    evidence = count_evidence(ticks, line, history=before)
    for name in ("log_bad", "log_good", "expected", "limit", "phi"):
        values = getattr(evidence, name)
        assert values.shape == (len(rows),)
        assert np.isfinite(values).all(), name
    if rows:
        assert 0 <= evidence.began(np.array(len(rows) - 1)) < len(rows)


def test_dispersion_learns_from_earlier_ticks_of_stable_only():
    ticks = rollout(seed=6, ticks=30)
    changed = ticks.stable_bad.copy()
    changed[-1] = ticks.stable_total[-1]
    wild = ticks.candidate_bad.copy()
    wild[5] = ticks.candidate_total[5]
    base = count_evidence(ticks, ERROR_RATE)
    np.testing.assert_allclose(count_evidence(replace(ticks, stable_bad=changed), ERROR_RATE).phi, base.phi, rtol=1e-9)
    np.testing.assert_array_equal(count_evidence(replace(ticks, candidate_bad=wild), ERROR_RATE).phi, base.phi)


def test_bursts_in_stable_temper_the_evidence():
    rng = fixed(8)
    total = np.full(120, 700.0)
    calm = StableHistory(np.arange(-119, 1) * 15.0, rng.binomial(700, 0.01, 120).astype(float), total)
    rate = np.where(rng.random_sample(120) < 0.1, 0.06, 0.005)
    wild = StableHistory(calm.seconds, rng.binomial(700, rate).astype(float), total)
    ticks = rollout(seed=9)
    calm_evidence, wild_evidence = (count_evidence(ticks, ERROR_RATE, history=h) for h in (calm, wild))
    assert calm_evidence.phi[0] < 1.6
    assert wild_evidence.phi[0] > 3
    assert wild_evidence.log_bad.max() < calm_evidence.log_bad.max()


def test_without_history_the_first_two_ticks_with_stable_requests_only_seed():
    ticks = rollout(seed=10, ticks=10)
    ticks = replace(ticks, stable_total=ticks.stable_total // 10, stable_bad=ticks.stable_bad // 10)
    empty_first = ticks.stable_total.copy()
    empty_first[0] = 0
    plain = replace(ticks, present=None, restart=None)
    cold = count_evidence(plain, ERROR_RATE)
    assert (cold.log_bad_steps[..., :2] == 0).all()
    assert (cold.log_bad_steps[..., 2] != 0).any()
    later = count_evidence(
        replace(plain, stable_total=empty_first, stable_bad=ticks.stable_bad * (empty_first > 0)), ERROR_RATE
    )
    assert (later.log_bad_steps[..., :3] == 0).all()
    absolute_limit = count_evidence(plain, absolute(0.01))
    assert (absolute_limit.log_bad_steps[..., 0] != 0).any()


@pytest.mark.parametrize("every", [5.0, 15.0, 3600.0])
def test_the_stake_is_never_spent_whole_however_long_the_rollout_and_often_raised(every):
    ticks = replace(rollout(ticks=2000), present=None, restart=np.ones(2000, dtype=bool))
    found = count_evidence(replace(ticks, seconds=np.arange(1, 2001) * every), ERROR_RATE)
    for weights in (found.weights, found.good_weights):
        assert weights.sum() < 1
        assert (weights > 0).all()
    assert found.weights[0] == parameters.BAD_STAKES.first


def test_finer_ticks_share_the_stake_of_a_coarse_one():
    coarse, fine = (
        count_evidence(replace(rollout(ticks=n), restart=None, seconds=np.arange(1, n + 1) * every), ERROR_RATE).weights
        for n, every in ((300, 15.0), (900, 5.0))
    )
    np.testing.assert_allclose(coarse.cumsum()[:290], np.concatenate([fine[:1], fine[1:]]).cumsum()[0:870:3], rtol=1e-9)


def test_two_hundred_requests_of_stable_seed_as_well_as_two_ticks():
    ticks = replace(rollout(seed=10, ticks=10), present=None, restart=None)
    assert ticks.stable_total[0] > parameters.SEED_REQUESTS
    steps = count_evidence(ticks, ERROR_RATE).log_bad_steps
    assert (steps[..., 0] == 0).all()
    assert (steps[..., 1] != 0).all()


def test_the_second_of_two_bad_looks_decides_however_small_the_stake():
    good, bad = 800, 2
    y_c = np.concatenate([np.zeros(good), np.full(bad, 40.0)])
    n = np.full(good + bad, 200.0)
    ticks = CountTicks(np.arange(1, good + bad + 1) * 5.0, y_c, n, n * 0 + 8, 4 * n)
    odds = count_evidence(ticks, ERROR_RATE, history=history()).log_bad
    assert odds[-2] < np.log(25)
    assert odds[-1] > np.log(500)


def test_began_names_the_tick_at_which_the_candidate_turned_bad():
    n_c, n_s = np.full(120, 150), np.full(120, 2850)
    y_c = np.where(np.arange(120) < 70, 1 + np.arange(120) % 2, 12)  # 1 %, then 8 %
    ticks = counted(np.arange(1, 121) * 15.0, y_c, n_c, 28 + np.arange(120) % 2, n_s)
    evidence = count_evidence(ticks, ERROR_RATE, history=history())
    tick = int(np.argmax(evidence.log_bad >= np.log(100)))
    assert tick > 70
    assert abs(int(evidence.began(np.array(tick))) - 70) <= 1
