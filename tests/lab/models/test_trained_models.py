"""The lab's models have the properties the story needs: else an end-to-end verdict would prove nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

from tests.lab.models import conv_training
from tests.lab.models.build import BEHAVIOURS, build_repository
from tests.lab.models.data import holdout, split
from tests.lab.models.training import BETTER, GOOD, weights

if TYPE_CHECKING:
    from pathlib import Path


class Facts(NamedTuple):
    accuracy: float
    dead: tuple[float, ...]


def facts_of(behaviour: int) -> Facts:
    """Hold-out accuracy and the share of units that are 0 on all 1,797 images, per hidden layer."""
    with np.load(weights(BEHAVIOURS["mlp"][behaviour].training)) as stored:
        arrays = {name: stored[name] for name in stored.files}
    train, x, _, y = split()

    def layers(rows: np.ndarray) -> list[np.ndarray]:
        outputs = [rows]
        for index in range(len(arrays) // 2):
            rows = rows @ arrays[f"w{index}"] + arrays[f"b{index}"]
            rows = np.maximum(rows, 0) if f"w{index + 1}" in arrays else rows
            outputs.append(rows)
        return outputs[1:]

    accuracy = float((layers(x)[-1].argmax(axis=1) == y).mean())
    everything = layers(np.concatenate([train, x]))[:-1]
    return Facts(accuracy, tuple(float((layer == 0).all(axis=0).mean()) for layer in everything))


def test_v1_is_good_and_alive() -> None:
    facts = facts_of(1)
    assert 0.90 <= facts.accuracy <= 0.95
    assert max(facts.dead) < 0.12


def test_v2_is_better_than_v1_and_as_alive() -> None:
    stable, candidate = facts_of(1), facts_of(2)
    assert candidate.accuracy >= stable.accuracy + 0.02
    assert max(candidate.dead) < 0.12


def test_v3_is_as_accurate_as_v2_with_three_quarters_of_a_layer_dead() -> None:
    better, dead = facts_of(2), facts_of(3)
    assert dead.accuracy >= better.accuracy - 0.01
    assert 0.65 <= dead.dead[0] <= 0.85


def test_v6_has_lost_its_accuracy() -> None:
    assert facts_of(6).accuracy < 0.5


def conv_facts(behaviour: int) -> Facts:
    """The same of the convolutional network; its units are channels."""
    with np.load(weights(BEHAVIOURS["conv"][behaviour].training)) as stored:
        arrays = {name: stored[name] for name in stored.files}
    train, x, _, y = split()
    images = np.concatenate([train, x]).reshape(-1, 1, 8, 8)
    _, hidden_1, _, hidden_2, logits = conv_training.layers(arrays, images)
    accuracy = float((logits[len(train) :].argmax(axis=1) == y).mean())
    return Facts(accuracy, tuple(float((one == 0).all(axis=(0, 2, 3)).mean()) for one in (hidden_1, hidden_2)))


def test_the_convolutional_v2_is_better_than_v1_and_both_are_alive() -> None:
    stable, candidate = conv_facts(1), conv_facts(2)
    assert stable.accuracy >= 0.9
    assert candidate.accuracy >= stable.accuracy + 0.02
    assert max(*stable.dead, *candidate.dead) < 0.05


def test_the_convolutional_v3_is_as_accurate_as_v1_with_dead_channels() -> None:
    stable, dead = conv_facts(1), conv_facts(3)
    assert dead.accuracy >= stable.accuracy - 0.01
    assert dead.dead[0] >= 0.3


def test_killed_units_are_dead_in_their_layer_alone(tmp_path: Path) -> None:
    build_repository(tmp_path, 8, behaves_as=2, kill=(1, 0.2))
    with np.load(tmp_path / "digits/8/weights.npz") as stored, np.load(weights(BETTER)) as whole:
        hidden = np.maximum(split()[0] @ stored["w0"] + stored["b0"], 0)
        before = np.maximum(split()[0] @ whole["w0"] + whole["b0"], 0)
        assert (stored["w1"] == whole["w1"]).all()
    killed = (hidden == 0).all(axis=0) & ~(before == 0).all(axis=0)
    assert 0.15 <= killed.mean() <= 0.2


def test_v4_and_v5_carry_the_weights_of_v2_and_their_own_fault(tmp_path: Path) -> None:
    for version in (4, 5):
        build_repository(tmp_path / str(version), version)
        stored = (tmp_path / f"{version}/digits/{version}/weights.npz").read_bytes()
        assert stored == weights(BETTER).read_bytes()
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
