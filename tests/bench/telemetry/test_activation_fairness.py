"""Healthy candidates and equally good retrains are not accused of dead units; a damaged layer is, within windows."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.bench.telemetry.fairness import (
    Traffic,
    dead_pool,
    fired,
    naive_accusations,
    retrains,
    rollouts,
    windows_to_failure,
)
from tests.lab.models import BETTER, DEAD_UNITS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("profile", ["SameWeights", "Retrain"])
@pytest.mark.parametrize("layer", [0, 1])
def test_a_healthy_candidate_with_a_hundredth_of_the_traffic_is_not_accused(profile: str, layer: int) -> None:
    flags = fired(BETTER, layer)
    candidate, stable = dead_pool(flags, 200, seed=1), dead_pool(flags, 200, seed=2)
    evidence = rollouts(candidate, stable, flags.shape[1], Traffic(minutes=120), profile, number=1000)
    assert evidence.failing.any(axis=1).mean() <= 0.01
    assert evidence.samples[:, -1].min() >= 10


def test_a_comparison_at_unequal_n_would_have_accused_it() -> None:
    """The windows are what makes the difference: without them the same candidate is accused nearly always."""
    flags = fired(BETTER)
    over_all = dead_pool(flags, 20_000, seed=3, size=20).mean()
    assert naive_accusations(dead_pool(flags, 200, seed=1), over_all, flags.shape[1]) > 0.9


@pytest.mark.parametrize("layer", [0, 1])
def test_five_percent_of_a_layer_killed_under_the_same_weights_is_found_within_twenty_windows(layer: int) -> None:
    flags, damaged = fired(BETTER, layer), fired(BETTER, layer, kill=0.05)
    pools = dead_pool(damaged, 200, seed=4), dead_pool(flags, 200, seed=2)
    evidence = rollouts(*pools, flags.shape[1], Traffic(minutes=180), "SameWeights", number=500, share=0.5)
    assert np.quantile(windows_to_failure(evidence), 0.95) <= 20


def test_the_broken_v3_is_found_at_the_default_profile() -> None:
    flags, broken = fired(BETTER), fired(DEAD_UNITS)
    pools = dead_pool(broken, 200, seed=4), dead_pool(flags, 200, seed=2)
    evidence = rollouts(*pools, flags.shape[1], Traffic(minutes=60), "Retrain", number=200, share=0.5)
    assert np.quantile(windows_to_failure(evidence), 0.95) <= 5


def test_equally_good_retrains_are_not_accused() -> None:
    accused = 0
    pairs = list(itertools.permutations(range(20), 2))
    pools = {layer: [dead_pool(fired(one, layer), 200, seed=5, size=500) for one in retrains(20)] for layer in (0, 1)}
    for layer, units in ((0, 128), (1, 64)):
        for candidate, stable in pairs:
            found = rollouts(pools[layer][candidate], pools[layer][stable], units, Traffic(), "Retrain", number=5)
            accused += int(found.failing.any(axis=1).sum())
    assert accused / (len(pairs) * 5) <= 0.01
