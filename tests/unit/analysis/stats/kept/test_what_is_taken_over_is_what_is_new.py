"""Evidence that goes on from the evaluation before equals evidence from all ticks, whatever changed meanwhile."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.core.analysis.stats.arrays import CountTicks, StableHistory
from modelrollout.core.analysis.stats.count_evidence import count_evidence
from modelrollout.core.analysis.stats.kept.memo import Memo
from modelrollout.core.analysis.stats.latency_evidence import LatencyHistory, LatencyTicks, versus_stable
from modelrollout.core.analysis.stats.limits import DEAD_RETRAIN, ERROR_RATE, absolute
from modelrollout.core.analysis.stats.parameters import DEFAULTS, SLOWER
from modelrollout.core.analysis.stats.replicates import ReplicateHistory, Replicates
from modelrollout.core.analysis.stats.window_evidence import WindowSettings, window_evidence
from tests.draws import fixed

TICKS, HISTORY = 60, 20


def equal(one, other) -> bool:
    pairs = ((getattr(one, each.name), getattr(other, each.name)) for each in fields(one) if each.name != "settings")
    return all(
        np.array_equal(a, b, equal_nan=True) if isinstance(a, np.ndarray) and a.dtype != bool else np.array_equal(a, b)
        for a, b in pairs
        if isinstance(a, np.ndarray)
    )


def looks(rng):
    """Ends of what is judged, rising mostly; and where an old tick is another one than before, if so."""
    last = 5
    while last < TICKS:
        yield last, (int(rng.randint(last)) if rng.random_sample() < 0.2 else None)
        last = max(last + int(rng.choice([1, 1, 2, 7, -3])), 2)


@pytest.mark.slow
@given(seed=st.integers(0, 10**6))
def test_counts_go_on(seed):
    rng = fixed(seed)
    rate, share = rng.choice([3, 40, 900]), rng.choice([0.001, 0.02, 0.5])
    total = rng.poisson(rate, (2, HISTORY + TICKS)).astype(float)
    bad = np.minimum(rng.poisson(total * share), total)
    restart = rng.random_sample(HISTORY + TICKS) < 0.03
    seconds, memo = 15.0 * np.arange(HISTORY + TICKS), Memo()
    for line in (ERROR_RATE, absolute(0.01)):
        for last, changed in looks(rng):
            if changed is not None:
                total[:, changed] += 1
            now, before = slice(HISTORY, HISTORY + last), slice(0, HISTORY)
            ticks = CountTicks(
                seconds[now], bad[0, now], total[0, now], bad[1, now], total[1, now], restart=restart[now]
            )
            history = StableHistory(seconds[before], bad[1, before], total[1, before])
            kept, whole = (
                count_evidence(ticks, line, history=history, settings=replace(DEFAULTS, memo=each))
                for each in (memo, None)
            )
            assert equal(kept, whole)
            memo.forget_unused()


@pytest.mark.slow
@given(seed=st.integers(0, 10**6))
def test_latency_goes_on(seed):
    rng = fixed(seed)
    shares = rng.dirichlet(np.ones(6))
    counts = rng.poisson(rng.choice([5, 200]) * shares, (2, HISTORY + TICKS, 6)).astype(float)
    seconds, memo = 15.0 * np.arange(HISTORY + TICKS), Memo()
    for last, changed in looks(rng):
        if changed is not None:
            counts[:, changed] += 1
        now, before = slice(HISTORY, HISTORY + last), slice(0, HISTORY)
        ticks = LatencyTicks(seconds[now], np.array([0.1, 0.2, 0.4, 0.8, 1.6]), counts[0, now], counts[1, now])
        history = LatencyHistory(seconds[before], counts[1, before])
        kept, whole = (
            versus_stable(ticks, 0.9, history=history, settings=replace(SLOWER, memo=each)) for each in (memo, None)
        )
        assert np.array_equal(kept.log_bad, whole.log_bad)
        assert np.array_equal(kept.log_good, whole.log_good)
        assert all(equal(a.evidence, b.evidence) for a, b in zip(kept.parts, whole.parts, strict=True))


@pytest.mark.slow
@given(seed=st.integers(0, 10**6))
def test_windows_go_on(seed):
    rng = fixed(seed)
    count = rng.poisson(1, (2, 3, HISTORY + TICKS)).astype(float)
    rates = rng.uniform(0, 0.3, count.shape)
    seconds, memo = 15.0 * np.arange(HISTORY + TICKS), Memo()
    for last, changed in looks(rng):
        if changed is not None:
            count[:, :, changed] += 1
        now, before = slice(HISTORY, HISTORY + last), slice(0, HISTORY)
        candidate, stable = (
            Replicates(count[arm], count[arm] * rates[arm], count[arm] * rates[arm] ** 2) for arm in (0, 1)
        )
        kept, whole = (
            window_evidence(
                seconds[now],
                candidate.until(HISTORY + last).since(HISTORY),
                stable.until(HISTORY + last).since(HISTORY),
                DEAD_RETRAIN,
                WindowSettings(alpha=0.01, memo=each),
                history=ReplicateHistory(seconds[before], stable.until(HISTORY)),
            )
            for each in (memo, None)
        )
        assert equal(kept, whole)


def test_what_nobody_asks_for_is_forgotten():
    memo = Memo()
    memo.at("a").ticks("x", lambda given, first, _: given[0][first:], [np.zeros(9)])
    assert memo.bytes > 0
    memo.forget_unused()
    memo.forget_unused()
    assert memo.bytes == 0
