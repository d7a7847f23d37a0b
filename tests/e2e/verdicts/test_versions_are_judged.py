"""Good versions are promoted without a failed request; each kind of bad one is rolled back by the gate that sees it."""

from __future__ import annotations

import json

import pytest

from tests.e2e.support.stage import BRISK, Stage
from tests.e2e.support.story import gates
from tests.expect import present

STEPS = [0, 10, 30, 50, 100]


@pytest.mark.oldest
def test_a_better_version_is_promoted_with_no_failed_request_and_no_other_weight_than_the_steps(stage: Stage):
    story = stage.story(1, 2, rate=BRISK)
    client = story.adopt(gates=gates("errors", "accuracy", "dead-neurons", "non-finite"))
    story.version(2)
    status = story.ended()
    assert status["history"][-1]["result"] == "Promoted", story.told()
    story.wait("rest", lambda s: s["conditions"][0]["status"] == "True")
    assert story.weight(2) == 100
    assert story.weights(2) == STEPS
    client.stop()
    assert client.failed == []
    assert client.versions()["2"] > 100


def test_v3_is_rolled_back_by_its_dead_neurons_while_accuracy_passes(stage: Stage):
    story = stage.story(1, 3, rate=BRISK)
    story.adopt(gates=gates("errors", "accuracy", "dead-neurons", "non-finite"))
    story.version(3)
    status = story.ended()
    last = status["history"][-1]
    assert last["result"] == "RolledBack", story.told()
    assert "dead-neurons: layer hidden_1" in last["message"]
    assert story.gate("accuracy")["verdict"] == "PASS", story.told()
    assert story.weight(3) <= 0
    assert story.weight(1) == 100
    kept = present(story.kube.get("v1", "ConfigMap", stage.namespace, last["snapshot"]))
    layers = json.loads(kept["data"]["snapshot.json"])["layers"]
    dead = {
        arm: found["hidden_1"]["windowDeadNeurons"] / found["hidden_1"]["windowNeurons"]
        for arm, found in layers.items()
    }
    assert dead["candidate"] > 0.5 > dead["stable"]
    assert layers["candidate"]["hidden_1"]["histogram"]


def test_v6_is_rolled_back_by_accuracy_where_that_is_the_only_required_gate(stage: Stage):
    story = stage.story(1, 6, rate=BRISK)
    others = [gate | {"required": False} for gate in gates("errors", "dead-neurons", "non-finite")]
    story.adopt(gates=[*gates("accuracy"), *others])
    story.version(6)
    status = story.ended()
    assert status["history"][-1]["result"] == "RolledBack", story.told()
    assert status["history"][-1]["message"].startswith("accuracy:")


def test_v4_is_rolled_back_by_latency(stage: Stage):
    story = stage.story(1, 4, rate=BRISK)
    story.adopt(gates=gates("errors", "latency", "accuracy"))
    story.version(4)
    status = story.ended()
    assert status["history"][-1]["result"] == "RolledBack", story.told()
    assert status["history"][-1]["message"].startswith("latency:")


@pytest.mark.oldest
def test_v5_is_rolled_back_by_its_nan(stage: Stage):
    story = stage.story(1, 5, rate=BRISK)
    story.adopt(gates=gates("errors", "non-finite"))
    story.version(5)
    status = story.ended()
    assert status["history"][-1]["result"] == "RolledBack", story.told()
    assert status["history"][-1]["message"].startswith("non-finite:")


def test_the_plain_threshold_method_promotes_and_rolls_back_as_well(stage: Stage):
    story = stage.story(1, 2, 3, rate=BRISK)
    story.adopt(gates=gates("errors", "accuracy", "dead-neurons", method="Threshold"))
    story.version(2)
    assert story.ended()["history"][-1]["result"] == "Promoted", story.told()
    story.version(3)
    status = story.ended()
    assert status["history"][-1]["result"] == "RolledBack", story.told()
    assert "dead-neurons" in status["history"][-1]["message"]
