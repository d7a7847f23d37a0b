"""Good versions are promoted without a failed request; each kind of bad one is rolled back by the gate that sees it."""

from __future__ import annotations

import json

import pytest

from modelrollout.adapters.kubernetes.snapshot_kind import SNAPSHOT_KIND
from modelrollout.api.base import GROUP_VERSION
from tests.e2e.support.hands import waiting
from tests.e2e.support.live_rollout import gates
from tests.e2e.support.rollouts import BRISK, Rollouts
from tests.expect import present

STEPS = [0, 10, 30, 50, 100]


@pytest.mark.oldest
def test_a_better_version_is_promoted_with_no_failed_request_and_no_other_weight_than_the_steps(rollouts: Rollouts):
    live = rollouts.start(1, 2, rate=BRISK)
    client = live.adopt(gates=gates("errors", "accuracy", "dead-neurons", "non-finite"))
    live.version(2)
    with waiting(live, "Ready") as ready, waiting(live, "Stalled") as stalled:
        live.wait_weight(2, 30)
        assert ready.poll() is None, "Ready was True of the version before, and kubectl must not take it for this one's"
        status = live.ended()
        assert status["history"][-1]["result"] == "Promoted", live.report()
        assert ready.wait(60) == 0
        assert stalled.poll() is None
    live.wait("rest", lambda s: s["conditions"][0]["status"] == "True")
    assert live.weight(2) == 100
    assert live.weights(2) == STEPS
    client.stop()
    assert client.failed == []
    assert client.versions()["2"] > 100


def test_v3_is_rolled_back_by_its_dead_neurons_while_accuracy_passes(rollouts: Rollouts):
    live = rollouts.start(1, 3, rate=BRISK)
    live.adopt(gates=gates("errors", "accuracy", "dead-neurons", "non-finite"))
    live.version(3)
    with waiting(live, "Ready") as ready, waiting(live, "Stalled") as stalled:
        status = live.ended()
        assert stalled.wait(60) == 0
        assert ready.poll() is None
    last = status["history"][-1]
    assert last["result"] == "RolledBack", live.report()
    assert "dead-neurons: layer hidden_1" in last["message"]
    assert live.gate("accuracy")["verdict"] == "PASS", live.report()
    assert live.weight(3) <= 0
    assert live.weight(1) == 100
    last = live.wait("what is kept of it", lambda s: "snapshot" in s["history"][-1], 30)["history"][-1]
    kept = present(live.kube.get(GROUP_VERSION, SNAPSHOT_KIND, rollouts.namespace, last["snapshot"]))
    layers = json.loads(kept["data"]["snapshot.json"])["layers"]
    dead = {
        arm: found["hidden_1"]["windowDeadNeurons"] / found["hidden_1"]["windowNeurons"]
        for arm, found in layers.items()
    }
    assert dead["candidate"] > 0.5 > dead["stable"]
    assert layers["candidate"]["hidden_1"]["histogram"]


def test_v6_is_rolled_back_by_accuracy_where_that_is_the_only_required_gate(rollouts: Rollouts):
    live = rollouts.start(1, 6, rate=BRISK)
    others = [gate | {"required": False} for gate in gates("errors", "dead-neurons", "non-finite")]
    live.adopt(gates=[*gates("accuracy"), *others])
    live.version(6)
    status = live.ended()
    assert status["history"][-1]["result"] == "RolledBack", live.report()
    assert status["history"][-1]["message"].startswith("accuracy:")


def test_v4_is_rolled_back_by_latency(rollouts: Rollouts):
    live = rollouts.start(1, 4, rate=BRISK)
    live.adopt(gates=gates("errors", "latency", "accuracy"))
    live.version(4)
    status = live.ended()
    assert status["history"][-1]["result"] == "RolledBack", live.report()
    assert status["history"][-1]["message"].startswith("latency:")


@pytest.mark.oldest
def test_v5_is_rolled_back_by_its_nan(rollouts: Rollouts):
    live = rollouts.start(1, 5, rate=BRISK)
    live.adopt(gates=gates("errors", "non-finite"))
    live.version(5)
    status = live.ended()
    assert status["history"][-1]["result"] == "RolledBack", live.report()
    assert status["history"][-1]["message"].startswith("non-finite:")


def test_the_plain_threshold_method_promotes_and_rolls_back_as_well(rollouts: Rollouts):
    live = rollouts.start(1, 2, 3, rate=BRISK)
    live.adopt(gates=gates("errors", "accuracy", "dead-neurons", method="Threshold"))
    live.version(2)
    assert live.ended()["history"][-1]["result"] == "Promoted", live.report()
    live.version(3)
    status = live.ended()
    assert status["history"][-1]["result"] == "RolledBack", live.report()
    assert "dead-neurons" in status["history"][-1]["message"]
