"""Latency by bucket exceedance: whole-bucket margins, P90 and P99 together, warm-up ignored."""

from __future__ import annotations

import numpy as np
import pytest

from modelrollout.core.analysis.stats.exceedances.histogram import (
    choose_edge,
    edge_at_or_above,
)
from modelrollout.core.analysis.stats.latency_evidence import (
    LatencyHistory,
    LatencyTicks,
    at_most,
    tails,
    versus_stable,
)
from modelrollout.core.analysis.stats.parameters import NOTHING
from tests.draws import fixed

EDGES = 0.010 * 1.09 ** np.arange(45)
SIGMA = 0.4


def histogram(rng, requests, scale):
    """Per-bucket counts (T, B+1) of lognormal latencies with median 50 ms * scale."""
    out = np.zeros((len(requests), len(EDGES) + 1))
    for t, n in enumerate(requests):
        seconds = 0.05 * np.broadcast_to(scale, len(requests))[t] * rng.lognormal(0, SIGMA, n)
        out[t] = np.bincount(np.searchsorted(EDGES, seconds), minlength=len(EDGES) + 1)
    return out


def rollout(scale, ticks=120, seed=0, cold=False, **more):
    rng = fixed(seed)
    candidate = histogram(rng, rng.poisson(38, ticks), scale)
    stable = histogram(rng, rng.poisson(712, ticks), 1.0)
    past = LatencyHistory(np.arange(-119, 1) * 15.0, histogram(rng, rng.poisson(750, 120), 1.0))
    made = LatencyTicks(np.arange(1, ticks + 1) * 15.0, EDGES, candidate, stable, **more)
    return made, None if cold else past


def first(flags):
    return int(flags.argmax()) if flags.any() else None


def test_doubled_latency_is_found_within_a_minute():
    ticks, past = rollout(2.0)
    assert first(versus_stable(ticks, history=past).log_bad >= np.log(100)) <= 3


def test_equal_latency_passes_and_is_never_called_bad():
    ticks, past = rollout(1.0, ticks=240)
    evidence = versus_stable(ticks, history=past)
    assert evidence.log_bad.max() < np.log(25)
    assert evidence.passing.any()


@pytest.mark.slow
def test_latency_beyond_the_good_edge_does_not_pass():
    ticks, past = rollout(1.25, ticks=240)
    assert not versus_stable(ticks, history=past).passing.any()


def test_the_margin_is_counted_in_whole_buckets():
    ticks, past = rollout(1.0, ticks=5)
    for buckets in (1, 3):
        evidence = versus_stable(ticks, buckets=buckets, history=past)
        for part in evidence.parts:
            assert (part.allowed - part.edge == buckets).all()
            assert (part.good_allowed - part.edge == 2 * buckets).all()
    edge = EDGES[versus_stable(ticks, history=past).parts[-1].edge[-1]]
    p99 = 0.05 * np.exp(SIGMA * 2.326)
    assert p99 / 1.09 < edge < p99 * 1.09


def test_warm_up_ticks_carry_no_evidence_of_the_candidate():
    slow_start = np.where(np.arange(60) < 8, 4.0, 1.0)
    ignore = np.arange(60) < 8
    ticks, past = rollout(slow_start, ticks=60, ignore=ignore)
    warm = versus_stable(ticks, history=past)
    assert warm.log_bad.max() < np.log(25)
    assert warm.log_bad[:8] == pytest.approx(0)


def test_evidence_on_a_prefix_is_the_evidence_on_the_whole():
    ticks, past = rollout(1.15, ticks=40)
    for seeded in (past, None):
        whole = versus_stable(ticks, history=seeded)
        part = versus_stable(
            LatencyTicks(ticks.seconds[:23], EDGES, ticks.candidate[:23], ticks.stable[:23]), history=seeded
        )
        np.testing.assert_allclose(part.log_bad, whole.log_bad[:23], rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(part.parts[-1].edge, whole.parts[-1].edge[:23])


@pytest.mark.slow
def test_both_quantiles_share_the_gate():
    for quantile, wanted in ((0.99, (0.1, 0.05, 0.01)), (0.9, (0.5, 0.25, 0.1)), (0.5, (0.5, 0.5, 0.5))):
        (wide, least), own = tails(quantile)
        assert (wide, least, *own) == pytest.approx((*wanted, wanted[-1]))
    ticks, past = rollout(1.3)
    evidence = versus_stable(ticks, history=past)
    assert sum(p.stake for p in evidence.parts) == pytest.approx(1)
    assert evidence.parts[0].stake > evidence.parts[1].stake
    mean = np.sum([p.stake * np.exp(p.evidence.log_bad) for p in evidence.parts], axis=0)
    np.testing.assert_allclose(np.exp(evidence.log_bad), mean)


def test_an_absolute_limit_rounds_up_to_an_edge_and_works_without_stable():
    assert EDGES[edge_at_or_above(EDGES, 0.120)] >= 0.120
    assert edge_at_or_above(EDGES, EDGES[7]) == 7
    assert edge_at_or_above(EDGES, 1e9) == len(EDGES) - 1
    ticks, _ = rollout(1.0)
    alone = LatencyTicks(ticks.seconds, EDGES, ticks.candidate, np.zeros_like(ticks.stable))
    assert at_most(alone, 0.095).log_bad.max() >= np.log(100)
    assert at_most(alone, 0.200).passing.any()


def test_nothing_beyond_a_last_edge_that_is_below_the_limit_counts_against_the_candidate():
    ticks, _ = rollout(1.0)
    cut = 20  # the last edge is 56 ms, which 40 % exceed
    short = [
        np.concatenate([a[:, :cut], a[:, cut:].sum(axis=1, keepdims=True)], axis=1) for a in (ticks.candidate,) * 2
    ]
    seen = LatencyTicks(ticks.seconds, EDGES[:cut], *short)
    assert at_most(seen, 0.05).log_bad.max() >= np.log(100)
    assert at_most(seen, 0.5).log_bad.max() == 0
    few = LatencyTicks(ticks.seconds, EDGES, ticks.candidate, ticks.stable)
    assert at_most(few, 5.0).passing.any(), "who is within the last edge is within any limit above it"


def test_an_edge_is_kept_below_the_top_so_that_the_margin_fits():
    past = np.zeros((1, 5))
    past[0, -1] = 100  # all of stable above the last edge
    assert choose_edge(past, 0.99, 1).tolist() == [2]
    assert choose_edge(past * 0, 0.99, 1).tolist() == [0]
    assert choose_edge(past, 0.99, 9).tolist() == [0]


def test_a_histogram_with_one_edge_or_nothing_in_it_gives_no_evidence_and_no_error():
    seconds = np.arange(1, 6) * 15.0
    for counts in (np.zeros((5, 2)), np.full((5, 2), np.nan)):
        evidence = versus_stable(LatencyTicks(seconds, np.array([0.1]), counts, counts))
        np.testing.assert_allclose(evidence.log_bad, 0, atol=1e-12)
        assert (evidence.log_good >= -NOTHING).all()
        assert np.isfinite(evidence.log_good).all()
