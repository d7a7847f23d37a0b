"""Edits in mid-rollout: nothing is raised beyond the next step, evidence is never about something else, aborts work."""

from __future__ import annotations

import time

from tests.e2e.support.hands import PATIENT, answer, ask, reasons, took
from tests.e2e.support.stage import Stage
from tests.e2e.support.story import Story, gates
from tests.lab import gateway_object

STEPS = [{"weight": 10, "hold": "2s"}, {"weight": 30, "hold": "60s"}, {"weight": 50, "hold": "2s"}]
QUICK = {"readyFor": "1s", "minimumRequests": 5, "warmup": "0s"}
INVALID = [{"weight": 50, "hold": "5s"}, {"weight": 60, "hold": "99999h"}]
"""What no API server refuses by itself."""


def at_30(stage: Stage, *versions: int) -> Story:
    """Version 2 held at its second step."""
    story = stage.story(1, 2, *versions, operate={"arguments": PATIENT})
    story.client = story.adopt(steps=STEPS, analysis=QUICK, bake="2s")
    story.version(2)
    story.wait_weight(2, 30)
    return story


def test_a_third_version_takes_the_second_ones_traffic_at_once_and_starts_from_nothing(stage: Stage):
    story = at_30(stage)
    story.scenario.serve(3, behaves_as=2)
    said = time.time()
    story.version(3)
    took(story, "third version asked for", 2, 0, said)
    story.wait("its first weight", lambda _: len(story.weights(3)) > 1)
    assert story.weights(3) == [0, 10]
    story.change({"spec": {"steps": [{"weight": 10, "hold": "2s"}, {"weight": 50, "hold": "2s"}]}})
    status = story.ended()
    assert [entry["result"] for entry in status["history"][1:]] == ["Replaced", "Promoted"], story.told()
    assert status["stable"] == "3"
    assert story.weights(2) == [0, 10, 30, 0]
    assert story.weights(3) == [0, 10, 50, 100]
    story.client.stop()
    assert story.client.failed == []


def test_edited_steps_never_raise_the_weight_beyond_the_next_of_them(stage: Stage):
    story = at_30(stage)
    edited = [(weight, "3s") for weight in (5, 20, 60, 90)]
    story.change({"spec": {"steps": [{"weight": weight, "hold": hold} for weight, hold in edited]}})
    assert story.ended()["history"][-1]["result"] == "Promoted", story.told()
    story.wait("rest", lambda _: story.weight(2) == 100)
    assert story.weights(2) == [0, 10, 30, 20, 60, 90, 100]
    assert "StepsChanged" in reasons(story)


def test_edited_gates_count_evidence_anew_and_say_so(stage: Stage):
    story = at_30(stage)
    story.wait("some evidence", lambda _: _requests(story) > 100, 40)
    before, said = story.status()["rollout"]["evidenceFrom"], time.time()
    story.change({"spec": {"gates": gates("errors", "accuracy")}})
    status = story.wait("the change", lambda s: s["rollout"]["evidenceFrom"] > before, 6)
    assert status["step"]["startedAt"] == status["rollout"]["evidenceFrom"]
    story.wait("gates judged anew", lambda s: {g["name"] for g in s["gates"]} == {"errors", "accuracy"}, 20)
    counted, answered = _requests(story), story.client.versions(since=said - 3)["2"]
    print(f"gates edited: {counted} requests counted, {answered} answered since")
    assert counted <= answered
    assert reasons(story).count("GatesChanged") == 1
    assert "StepsChanged" not in reasons(story)
    assert story.weight(2) == 30
    quick = [*STEPS[:1], {"weight": 30, "hold": "2s"}, STEPS[2]]
    story.change({"spec": {"gates": gates("errors"), "steps": quick}})
    assert story.ended()["history"][-1]["result"] == "Promoted", story.told()
    assert story.weights(2) == [0, 10, 30, 50, 100]


def test_a_spec_made_invalid_holds_the_weight_goes_on_when_mended_and_can_be_aborted(stage: Stage):
    story = at_30(stage)
    story.change({"spec": {"steps": INVALID}})
    status = story.wait("the reason", lambda s: s["reason"] == "InvalidSpec", 6)
    assert "spec.steps[1].hold" in status["message"]
    time.sleep(5)
    assert (story.weight(2), story.status()["phase"]) == (30, "Stepping")
    story.change({"spec": {"steps": STEPS}})
    story.wait("going on", lambda s: s["reason"] == "StepHolding", 6)
    story.change({"spec": {"steps": INVALID}})
    story.wait("the reason", lambda s: s["reason"] == "InvalidSpec", 6)
    asked = ask(story, "abort", 2)
    took(story, "abort under an invalid spec", 2, 0, asked.at)
    assert answer(story, asked) == "applied"
    story.client.stop()
    assert story.client.failed == []


def test_another_gateway_moves_the_route_and_not_the_weight(stage: Stage):
    story = at_30(stage)
    namespace = story.scenario.namespace
    story.kube.apply(gateway_object(namespace, "second", story.member.site.gateway_port))
    story.change({"spec": {"traffic": {"gateway": {"name": "second", "namespace": namespace}}}})
    story.wait("the other parent", lambda _: _parent(story) == (namespace, "second"), 6)
    assert story.weight(2) == 30
    assert "RouteChanged" in reasons(story)
    story.wait("fresh evidence", lambda s: s["gates"][0]["verdict"] != "NO_DATA", 30)
    story.change({"spec": {"steps": [*STEPS[:1], {"weight": 30, "hold": "2s"}, STEPS[2]]}})
    assert story.ended()["history"][-1]["result"] == "Promoted", story.told()
    assert story.weights(2) == [0, 10, 30, 50, 100]
    story.client.stop()
    print(f"gateway changed under load: {len(story.client.failed)} of {len(story.client.answers)} requests failed")


def _requests(story: Story) -> int:
    """Of the candidate, as the errors gate counts them: "120 vs 800 requests"."""
    return int(story.gate("errors").get("samples", "0").split()[0])


def _parent(story: Story) -> tuple[str, str]:
    route = story.kube.get("gateway.networking.k8s.io/v1", "HTTPRoute", story.scenario.namespace, story.name)
    ref = (route or {})["spec"]["parentRefs"][0]
    return ref["namespace"], ref["name"]
