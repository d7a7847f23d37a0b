"""Activations decide fairly: equal weights at a hundredth of the traffic are not accused, killed units are found."""

from __future__ import annotations

import json

from tests.e2e.support.stage import BRISK, Stage
from tests.e2e.support.story import gates
from tests.expect import present

TESTER = "x-model-candidate"


def test_the_same_weights_at_a_hundredth_of_the_traffic_are_not_accused(stage: Stage):
    """Raw counts would read several times as many dead units for the candidate, which has seen so few rows.

    By chance it is accused less than once in a million times: no 25 rows have twice the limit of dead units (the
    ceiling), and for the sequence the mean of n windows, n = 3 at least, would have to be 5.4 standard errors high.
    """
    story = stage.story(1, rate=BRISK, window=25, rows_per_second=400.0)
    story.scenario.serve(2, behaves_as=1, window=25, rows_per_second=400.0)
    activations = gates("dead-neurons", dead_same={"type": "DeadNeurons", "profile": "SameWeights"})
    steps = [{"weight": 1, "hold": "150s"}]
    traffic = {"gateway": story.scenario.gateway_ref, "testerHeader": TESTER}
    story.adopt(gates=[*gates("errors"), *activations], steps=steps, analysis={"minimumRequests": 1}, traffic=traffic)
    story.version(2)
    story.wait_weight(2, 1)
    # Traefik begins its round anew whenever any story's route changes, so that one in a hundred gets less, or nothing:
    # a tester sends the candidate its hundredth.
    with story.scenario.client(rate=BRISK / 100, headers={TESTER: "always"}) as tester:
        story.wait("windows of the candidate", lambda _: _windows(story.gate("dead-neurons")) >= 2, 120)
    assert tester.versions()["2"] >= len(tester.answers) - 1  # the first may come before the gateway knows the rule
    status = story.status()
    assert status["candidate"] == "2", story.told()
    assert all(gate["verdict"] != "FAIL" for gate in status["gates"]), story.told()


def test_a_fifth_of_a_layer_killed_is_found_and_the_layer_is_named(stage: Stage):
    story = stage.story(1, rate=BRISK)
    story.scenario.serve(2, behaves_as=1, kill=(1, 0.2))
    dead = {"type": "DeadNeurons", "profile": "SameWeights"}
    story.adopt(gates=[*gates("errors", "accuracy"), {"name": "dead-neurons"} | dead])
    story.version(2)
    last = story.ended()["history"][-1]
    assert last["result"] == "RolledBack", story.told()
    assert "dead-neurons: layer hidden_1" in last["message"]


def test_a_convolutional_network_is_judged_by_its_channels(stage: Stage):
    story = stage.story(1, 2, 3, rate=BRISK, network="conv")
    ratios = {"type": "ZeroRatio"}, {"type": "NegativeRatio"}, {"type": "Drift"}
    shown = gates(zeros=ratios[0], negatives=ratios[1], drift=ratios[2])
    story.adopt(gates=[*gates("errors", "accuracy", "dead-neurons"), *shown])
    story.version(2)
    assert story.ended()["history"][-1]["result"] == "Promoted", story.told()
    for name in ("zeros", "negatives", "drift"):
        gate = story.gate(name)
        assert (gate["required"], gate["layer"].startswith("conv")) == (False, True), gate
    story.version(3)
    last = story.ended()["history"][-1]
    assert last["result"] == "RolledBack", story.told()
    assert "dead-neurons: layer conv" in last["message"]
    kept = present(story.kube.get("v1", "ConfigMap", stage.namespace, last["snapshot"]))
    assert any(layer.startswith("conv") for layer in json.loads(kept["data"]["snapshot.json"])["layers"]["candidate"])


def _windows(gate: dict[str, str]) -> int:
    """Candidate windows in "3 vs 120 windows"."""
    return int(gate.get("samples", "0 ").split()[0].replace(",", ""))
