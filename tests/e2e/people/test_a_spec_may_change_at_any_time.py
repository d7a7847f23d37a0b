"""Edits in mid-rollout: nothing is raised beyond the next step, evidence is never about something else, aborts work."""

from __future__ import annotations

import time
from dataclasses import replace

from tests.e2e.support.hands import PATIENT, answer, ask, reasons, took
from tests.e2e.support.live_rollout import LiveRollout, gates
from tests.e2e.support.rollouts import Rollouts
from tests.lab import gateway_object

STEPS = [{"weight": 10, "hold": "2s"}, {"weight": 30, "hold": "60s"}, {"weight": 50, "hold": "2s"}]
QUICK = {"readyFor": "1s", "minimumRequests": 5, "warmup": "0s"}
INVALID = [{"weight": 50, "hold": "5s"}, {"weight": 60, "hold": "99999h"}]
"""What no API server refuses by itself."""


def at_30(rollouts: Rollouts, *versions: int) -> LiveRollout:
    """Version 2 held at its second step."""
    live = rollouts.start(1, 2, *versions, operate={"arguments": PATIENT})
    live.client = live.adopt(steps=STEPS, analysis=QUICK, bake="2s")
    live.version(2)
    live.wait_weight(2, 30)
    return live


def test_a_third_version_takes_the_second_ones_traffic_at_once_and_starts_from_nothing(rollouts: Rollouts):
    live = at_30(rollouts)
    live.scenario.serve(3, behaves_as=2)
    said = time.time()
    live.version(3)
    took(live, "third version asked for", 2, 0, said)
    live.wait("its first weight", lambda _: len(live.weights(3)) > 1)
    assert live.weights(3) == [0, 10]
    live.change({"spec": {"steps": [{"weight": 10, "hold": "2s"}, {"weight": 50, "hold": "2s"}]}})
    status = live.ended()
    assert [entry["result"] for entry in status["history"][1:]] == ["Replaced", "Promoted"], live.report()
    assert status["stable"] == "3"
    assert live.weights(2) == [0, 10, 30, 0]
    assert live.weights(3) == [0, 10, 50, 100]
    live.client.stop()
    assert live.client.failed == []


def test_edited_steps_never_raise_the_weight_beyond_the_next_of_them(rollouts: Rollouts):
    live = at_30(rollouts)
    edited = [(weight, "3s") for weight in (5, 20, 60, 90)]
    live.change({"spec": {"steps": [{"weight": weight, "hold": hold} for weight, hold in edited]}})
    assert live.ended()["history"][-1]["result"] == "Promoted", live.report()
    live.wait("rest", lambda _: live.weight(2) == 100)
    assert live.weights(2) == [0, 10, 30, 20, 60, 90, 100]
    assert "StepsChanged" in reasons(live)


def test_edited_gates_restart_the_evidence_and_say_so(rollouts: Rollouts):
    live = at_30(rollouts)
    live.wait("some evidence", lambda _: _requests(live) > 100, 40)
    before, said = live.status()["rollout"]["evidenceFrom"], time.time()
    live.change({"spec": {"gates": gates("errors", "accuracy")}})
    status = live.wait("the change", lambda s: s["rollout"]["evidenceFrom"] > before, 6)
    assert status["step"]["startedAt"] == status["rollout"]["evidenceFrom"]
    live.wait("gates judged again", lambda s: {g["name"] for g in s["gates"]} == {"errors", "accuracy"}, 20)
    counted, answered = _requests(live), live.client.versions(since=said - 3)["2"]
    print(f"gates edited: {counted} requests counted, {answered} answered since")
    assert counted <= answered
    assert reasons(live).count("GatesChanged") == 1
    assert "StepsChanged" not in reasons(live)
    assert live.weight(2) == 30
    quick = [*STEPS[:1], {"weight": 30, "hold": "2s"}, STEPS[2]]
    live.change({"spec": {"gates": gates("errors"), "steps": quick}})
    assert live.ended()["history"][-1]["result"] == "Promoted", live.report()
    assert live.weights(2) == [0, 10, 30, 50, 100]


def test_a_spec_made_invalid_holds_the_weight_continues_when_fixed_and_can_be_aborted(rollouts: Rollouts):
    live = at_30(rollouts)
    live.change({"spec": {"steps": INVALID}})
    status = live.wait("the reason", lambda s: s["reason"] == "InvalidSpec", 6)
    assert "spec.steps[1].hold" in status["message"]
    time.sleep(5)
    assert (live.weight(2), live.status()["phase"]) == (30, "Stepping")
    live.change({"spec": {"steps": STEPS}})
    live.wait("going on", lambda s: s["reason"] == "StepHolding", 6)
    live.change({"spec": {"steps": INVALID}})
    live.wait("the reason", lambda s: s["reason"] == "InvalidSpec", 6)
    asked = ask(live, "abort", 2)
    took(live, "abort under an invalid spec", 2, 0, asked.at)
    assert answer(live, asked) == "applied"
    live.client.stop()
    assert live.client.failed == []


def test_another_gateway_moves_the_route_and_not_the_weight(rollouts: Rollouts):
    live = at_30(rollouts)
    namespace = live.scenario.namespace
    live.kube.apply(gateway_object(replace(live.scenario.door, namespace=namespace, name="second")))
    live.change({"spec": {"traffic": {"gateway": {"name": "second", "namespace": namespace}}}})
    live.wait("the other parent", lambda _: _parent(live) == (namespace, "second"), 6)
    assert live.weight(2) == 30
    assert "RouteChanged" in reasons(live)
    live.wait("fresh evidence", lambda s: s["gates"][0]["verdict"] != "NO_DATA", 30)
    live.change({"spec": {"steps": [*STEPS[:1], {"weight": 30, "hold": "2s"}, STEPS[2]]}})
    assert live.ended()["history"][-1]["result"] == "Promoted", live.report()
    assert live.weights(2) == [0, 10, 30, 50, 100]
    live.client.stop()
    print(f"gateway changed under load: {len(live.client.failed)} of {len(live.client.answers)} requests failed")


def _requests(live: LiveRollout) -> int:
    """Of the candidate, as the errors gate counts them: "120 vs 800 requests"."""
    return int(live.gate("errors").get("samples", "0").split()[0])


def _parent(live: LiveRollout) -> tuple[str, str]:
    route = live.kube.get("gateway.networking.k8s.io/v1", "HTTPRoute", live.scenario.namespace, live.name)
    ref = (route or {})["spec"]["parentRefs"][0]
    return ref["namespace"], ref["name"]
