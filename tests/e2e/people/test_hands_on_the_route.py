"""A route that somebody else changes: more is taken back at once, less is accepted, and the Event says who it was."""

from __future__ import annotations

import time
from typing import Any

from tests.e2e.support.hands import ask, took
from tests.e2e.support.stage import Stage
from tests.e2e.support.story import Story
from tests.lab import Fault

ROUTE = ("gateway.networking.k8s.io/v1", "HTTPRoute")


def edit(story: Story, manager: str, patch: dict[str, Any]) -> float:
    """A merge patch of the route by somebody; time.time() before it."""
    at = time.time()
    story.kube.resource(*ROUTE).patch(
        body=patch,
        name=story.name,
        namespace=story.scenario.namespace,
        content_type="application/merge-patch+json",
        field_manager=manager,
    )
    return at


def weigh(story: Story, manager: str, weight: int) -> float:
    """Somebody sets the candidate's weight."""
    rules = rules_of(story)
    rules[0]["backendRefs"][0]["weight"] = 100 - weight
    rules[0]["backendRefs"][1]["weight"] = weight
    return edit(story, manager, {"spec": {"rules": rules}})


def rules_of(story: Story) -> list[dict[str, Any]]:
    route = story.kube.get(*ROUTE, story.scenario.namespace, story.name)
    assert route is not None
    return list(route["spec"]["rules"])


def told(story: Story, reason: str, *words: str, deadline: float = 15) -> None:
    """Wait for an Event of this reason whose note has these words."""
    end = time.monotonic() + deadline
    while not any(why == reason and all(word in note for word in words) for why, note in story.events()):
        assert time.monotonic() < end, f"no {reason} with {words} in {story.events()}"
        time.sleep(0.2)


def at_thirty(story: Story) -> None:
    story.wait("30 %", lambda s: s.get("weight", {}) == {"desired": 30, "observed": 30} and story.weight(2) == 30)


def test_a_weight_edited_by_hand_is_taken_back_or_accepted_and_the_event_names_who_did_it(stage: Stage):
    prometheus = stage.member.http_faults(stage.member.site.prometheus)
    story = stage.story(1, 2, operate={"prometheus": prometheus.url})
    story.adopt(steps=[{"weight": 30, "hold": "5m"}])
    story.version(2)
    at_thirty(story)

    took(story, "raised by hand", 2, 30, weigh(story, "ann", 80) + 0.001)
    told(story, "WeightRaisedByOthers", "ann", "80 %")

    lowered = weigh(story, "bob", 5)
    told(story, "WeightLowered", "bob", "5 %")
    at_thirty(story)
    back = story.record.first("digits-v2", 30, since=lowered)
    assert back is not None
    print(f"lowered by hand -> raised by an evaluation after {back - lowered:.1f} s")
    started = story.status()["step"]["startedAt"]
    assert started > time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(lowered)), "the hold did not start anew"

    prometheus.add(Fault(status=503))
    story.wait("blindness", lambda s: s.get("reason") == "MetricsUnavailable")
    took(story, "raised by hand without metrics", 2, 30, weigh(story, "carl", 90) + 0.001)
    told(story, "WeightRaisedByOthers", "carl", "90 %")
    weigh(story, "dora", 5)
    told(story, "WeightLowered", "dora", "5 %")
    for _ in range(10):
        assert story.weight(2) == 5, "raised without metrics"
        time.sleep(0.8)
    took(story, "resume without metrics", 2, 30, ask(story, "resume").at)
    prometheus.clear()


def test_a_route_that_is_deleted_or_taken_over_is_written_anew_with_the_candidate_at_nothing_first(stage: Stage):
    story = stage.story(1, 2)
    client = story.adopt(steps=[{"weight": 30, "hold": "5m"}])
    story.version(2)
    at_thirty(story)

    deleted = time.time()
    story.kube.delete(*ROUTE, stage.namespace, story.name)
    told(story, "RouteMissing", "100 % on stable version 1")
    at_thirty(story)
    after = [w.weights for w in story.record.seen if w.at >= deleted and w.weights]
    assert after[0].get("digits-v2", 0) == 0, "created with traffic for the candidate"
    assert after[-1] == {"digits-v1": 70, "digits-v2": 30}

    rules = rules_of(story)
    rules[0]["matches"] = [{"path": {"type": "PathPrefix", "value": "/"}}]
    edit(story, "kustomize-controller", {"spec": {"rules": rules, "hostnames": ["elsewhere.example.com"]}})
    told(story, "RouteChanged", "kustomize-controller")
    story.wait(
        "our rules", lambda _: rules_of(story)[0]["matches"][0]["path"]["value"] == "/v2/models/digits", deadline=15
    )

    only = [{"name": "digits-v2", "port": 8000, "weight": 100}]
    stolen = edit(story, "argocd-controller", {"spec": {"rules": [rules[0] | {"backendRefs": only}]}})
    end = time.time() + 20
    while story.weight(1) < 70:
        assert time.time() < end, f"stable was not put back\n{story.told()}"
        time.sleep(0.1)
    print(f"stable taken out of the route -> back after {time.time() - stolen:.1f} s")
    at_thirty(story)
    assert client is not None
    client.stop()
