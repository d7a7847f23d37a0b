"""Activations decide fairly: equal weights at a hundredth of the traffic are not accused, killed units are found."""

from __future__ import annotations

import json

from modelrollout.adapters.kubernetes.snapshot_kind import SNAPSHOT_KIND
from modelrollout.api.base import GROUP_VERSION
from tests.e2e.support.live_rollout import gates
from tests.e2e.support.rollouts import BRISK, Rollouts
from tests.expect import present

TESTER = "x-model-candidate"


def test_the_same_weights_at_a_hundredth_of_the_traffic_are_not_accused(rollouts: Rollouts):
    """Raw counts would read several times as many dead units for the candidate, which has seen so few rows.

    By chance it is accused less than once in a million times: no 25 rows have twice the limit of dead units (the
    ceiling), and for the sequence the mean of n windows, n = 3 at least, would have to be 5.4 standard errors high.
    """
    live = rollouts.start(1, rate=BRISK, window=25, rows_per_second=400.0)
    live.scenario.serve(2, behaves_as=1, window=25, rows_per_second=400.0)
    activations = gates("dead-neurons", dead_same={"type": "DeadNeurons", "profile": "SameWeights"})
    steps = [{"weight": 1, "hold": "150s"}]
    traffic = {"gateway": live.scenario.gateway_ref, "testerHeader": TESTER}
    live.adopt(gates=[*gates("errors"), *activations], steps=steps, analysis={"minimumRequests": 1}, traffic=traffic)
    live.version(2)
    live.wait_weight(2, 1)
    # Traefik restarts its round robin when any rollout's route changes, so that one in a hundred gets less, or nothing:
    # a tester sends the candidate its hundredth.
    with live.scenario.client(rate=BRISK / 100, headers={TESTER: "always"}) as tester:
        live.wait("windows of the candidate", lambda _: _windows(live.gate("dead-neurons")) >= 2, 120)
    assert tester.versions()["2"] >= len(tester.answers) - 1  # the first may come before the gateway knows the rule
    status = live.status()
    assert status["candidate"] == "2", live.report()
    assert all(gate["verdict"] != "FAIL" for gate in status["gates"]), live.report()


def test_a_fifth_of_a_layer_killed_is_found_and_the_layer_is_named(rollouts: Rollouts):
    live = rollouts.start(1, rate=BRISK)
    live.scenario.serve(2, behaves_as=1, kill=(1, 0.2))
    dead = {"type": "DeadNeurons", "profile": "SameWeights"}
    live.adopt(gates=[*gates("errors", "accuracy"), {"name": "dead-neurons"} | dead])
    live.version(2)
    last = live.ended()["history"][-1]
    assert last["result"] == "RolledBack", live.report()
    assert "dead-neurons: layer hidden_1" in last["message"]


def test_a_convolutional_network_is_judged_by_its_channels(rollouts: Rollouts):
    live = rollouts.start(1, 2, 3, rate=BRISK, network="conv")
    ratios = {"type": "ZeroRatio"}, {"type": "NegativeRatio"}, {"type": "Drift"}
    shown = gates(zeros=ratios[0], negatives=ratios[1], drift=ratios[2])
    live.adopt(gates=[*gates("errors", "accuracy", "dead-neurons"), *shown])
    live.version(2)
    assert live.ended()["history"][-1]["result"] == "Promoted", live.report()
    for name in ("zeros", "negatives", "drift"):
        gate = live.gate(name)
        assert (gate["required"], gate["layer"].startswith("conv")) == (False, True), gate
    live.version(3)
    last = live.ended()["history"][-1]
    assert last["result"] == "RolledBack", live.report()
    assert "dead-neurons: layer conv" in last["message"]
    last = live.wait("what is kept of it", lambda s: "snapshot" in s["history"][-1], 30)["history"][-1]
    kept = present(live.kube.get(GROUP_VERSION, SNAPSHOT_KIND, rollouts.namespace, last["snapshot"]))
    assert any(layer.startswith("conv") for layer in json.loads(kept["data"]["snapshot.json"])["layers"]["candidate"])


def _windows(gate: dict[str, str]) -> int:
    """Candidate windows in "3 vs 120 windows"."""
    return int(gate.get("samples", "0 ").split()[0].replace(",", ""))
