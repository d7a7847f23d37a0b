"""The lab's models have the properties the scenarios need: else an end-to-end verdict would prove nothing.

The weights are fixed, and what is asserted of them is computed in float64 and lies away from its limit: a unit counts
as dead, an answer as right, whatever BLAS there is.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

from modelrollout.core.analysis.stats import limits
from tests.draws import fixed
from tests.lab.models.build import BEHAVIOURS, build_repository
from tests.lab.models.data import PATH, holdout, split
from tests.lab.models.make_models import digest
from tests.lab.models.reference import certain, images, stored
from tests.lab.models.training import (
    BETTER,
    CATALOGUE,
    CONV_BETTER,
    DEAD_UNITS,
    GOOD,
    MIDDLING,
    RETRAINS,
    TRAINED,
    Training,
    weights,
)

if TYPE_CHECKING:
    from pathlib import Path


class Facts(NamedTuple):
    accuracy: float
    dead: tuple[float, ...]


def facts_of(training: Training) -> Facts:
    """Hold-out accuracy and the share of units (channels) that are 0 on all 1,797 images, per hidden layer."""
    train, x, _, y = split()
    network = stored(training)
    hidden = network.hidden(images(training, np.concatenate([train, x])))
    dead = tuple(float((layer == 0).all(axis=(0, 1, 2)).mean()) for layer in hidden)
    return Facts(network.accuracy(images(training, x), y), dead)


def facts(behaviour: int, network: str = "mlp") -> Facts:
    return facts_of(BEHAVIOURS[network][behaviour].training)


def test_the_files_are_those_of_the_manifest_and_of_the_catalogue() -> None:
    manifest = json.loads((TRAINED / "manifest.json").read_text())
    assert list(manifest["models"]) == [f"{training.name}.npz" for training in CATALOGUE]
    for name, model in {**manifest["models"], PATH.name: manifest[PATH.name]}.items():
        assert digest((TRAINED / name).read_bytes()) == model["sha256"], name


def test_a_training_without_weights_is_named() -> None:
    with pytest.raises(ValueError, match=r"mlp-sgd-1-1/seeds-1-10/seed1 is not among the trained models"):
        weights(Training("sgd", 1.0, 1))


def test_float32_arithmetic_leaves_nearly_every_row_on_its_side() -> None:
    """Else the comparison with a real server, which takes certain rows alone, would compare little."""
    rows, _ = holdout()
    assert certain(BETTER, rows, (0.0, 2.0)).sum() >= 430
    assert certain(CONV_BETTER, rows).sum() >= 430


def test_v1_is_good_and_alive() -> None:
    found = facts(1)
    assert 0.90 <= found.accuracy <= 0.95
    assert max(found.dead) < 0.12


def test_v2_is_better_than_v1_and_as_alive() -> None:
    stable, candidate = facts(1), facts(2)
    assert candidate.accuracy >= stable.accuracy + 0.02
    assert max(candidate.dead) < 0.12


def test_v3_is_as_accurate_as_v2_with_three_quarters_of_a_layer_dead() -> None:
    better, dead = facts(2), facts(3)
    assert dead.accuracy >= better.accuracy - 0.01
    assert 0.65 <= dead.dead[0] <= 0.85


def test_v6_has_lost_its_accuracy() -> None:
    assert facts(6).accuracy < 0.5


def test_the_convolutional_v2_is_better_than_v1_and_both_are_alive() -> None:
    stable, candidate = facts(1, "conv"), facts(2, "conv")
    assert stable.accuracy >= 0.9
    assert candidate.accuracy >= stable.accuracy + 0.015
    assert max(*stable.dead, *candidate.dead) < 0.05


def test_the_convolutional_v3_is_nearly_as_accurate_as_v1_with_half_of_its_channels_dead() -> None:
    stable, dead = facts(1, "conv"), facts(3, "conv")
    assert dead.accuracy >= stable.accuracy - 0.015
    assert dead.dead[0] >= 0.5


def test_retrains_are_equally_good() -> None:
    found = [facts_of(training) for training in RETRAINS]
    assert all(0.955 <= one.accuracy <= 0.98 for one in found)
    assert len({weights(training).read_bytes() for training in RETRAINS}) == len(RETRAINS)


def window_shares(training: Training, rows: int, layer: int) -> np.ndarray:
    """Shares of dead units in 2,000 windows drawn from the hold-out."""
    picks = fixed(5).randint(0, 450, (2000, rows))
    hidden = list(stored(training).hidden(images(training, holdout()[0])))[layer]
    fired: np.ndarray = np.asarray(hidden.any(axis=(1, 2)))
    return np.array([1 - fired[pick].any(axis=0).mean() for pick in picks])


@pytest.mark.parametrize("layer", [0, 1])
def test_beside_the_middling_one_no_retrain_is_near_the_limit_and_the_broken_one_is_far_beyond(layer: int) -> None:
    """So far that the rows a window happens to hold decide nothing.

    A verdict takes the mean of three windows at least, which to reach the limit would have to be 4 * sqrt(3) standard
    errors high: less than once in a billion times.
    """
    limit = limits.DEAD_RETRAIN.at(window_shares(MIDDLING, 100, layer).mean())
    for training in RETRAINS:
        if training != MIDDLING:
            shares = window_shares(training, 100, layer)
            assert shares.mean() + 4 * shares.std() < limit, training.name
    if layer == 0:
        assert window_shares(DEAD_UNITS, 100, layer).min() > 2.1 * limit


def test_a_window_of_any_rows_of_the_scenarios_models_is_on_its_side_of_the_limit() -> None:
    """What is promoted never exceeds the limit beside stable, what is rolled back always exceeds the ceiling."""
    for network in ("mlp", "conv"):
        stable, better, dead = (BEHAVIOURS[network][number].training for number in (1, 2, 3))
        for layer in (0, 1):
            limit = limits.DEAD_RETRAIN.at(window_shares(stable, 100, layer).mean())
            assert window_shares(better, 100, layer).max() < limit, network
        for beside in (stable, better):
            limit = limits.DEAD_RETRAIN.at(window_shares(beside, 100, 0).mean())
            assert window_shares(dead, 100, 0).min() > 2 * limit


def test_killed_units_are_dead_in_their_layer_alone(tmp_path: Path) -> None:
    build_repository(tmp_path, 8, behaves_as=2, kill=(1, 0.2))
    with np.load(tmp_path / "digits/8/weights.npz") as damaged, np.load(weights(BETTER)) as whole:
        rows = split()[0].astype(np.float64)
        hidden, before = (np.maximum(rows @ arrays["w0"] + arrays["b0"], 0) for arrays in (damaged, whole))
        assert (damaged["w1"] == whole["w1"]).all()
    killed = (hidden == 0).all(axis=0) & ~(before == 0).all(axis=0)
    assert 0.15 <= killed.mean() <= 0.2


def test_v4_and_v5_carry_the_weights_of_v2_and_their_own_fault(tmp_path: Path) -> None:
    for version in (4, 5):
        build_repository(tmp_path / str(version), version)
        served = (tmp_path / f"{version}/digits/{version}/weights.npz").read_bytes()
        assert served == weights(BETTER).read_bytes()
    slow = json.loads((tmp_path / "4/digits/4/settings.json").read_text())
    broken = json.loads((tmp_path / "5/digits/5/settings.json").read_text())
    assert 80 <= slow["slow_ms"] <= 100
    assert 0 < broken["nan_share"] < 1


def test_a_version_number_can_carry_another_versions_behaviour(tmp_path: Path) -> None:
    build_repository(tmp_path, 7, model="digits", behaves_as=1, window=50)
    assert (tmp_path / "digits/7/weights.npz").read_bytes() == weights(GOOD).read_bytes()
    assert json.loads((tmp_path / "digits/7/settings.json").read_text())["window"] == 50
    assert "versions: [ 7 ]" in (tmp_path / "digits/config.pbtxt").read_text()


def test_the_holdout_is_not_trained_on() -> None:
    train, x, _, _ = split()
    assert len(holdout()[0]) == len(x) == 450
    assert len(train) + len(x) == 1797


@pytest.mark.parametrize(
    ("version", "options", "named"),
    [
        (9, {}, "behaves_as=9"),
        (1, {"speed": 1}, "'speed'"),
        (1, {"network": "rnn"}, "network='rnn'"),
        (6, {"network": "conv"}, "behaves_as=6"),
    ],
)
def test_unknown_options_are_named(tmp_path: Path, version: int, options: dict, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        build_repository(tmp_path, version, **options)
