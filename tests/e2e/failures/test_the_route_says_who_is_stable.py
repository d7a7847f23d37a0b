"""A resource without its status: the route decides who is stable, and a candidate is never shipped unanalysed."""

from __future__ import annotations

import time
from typing import Any

from tests.e2e.support.stage import Stage
from tests.e2e.support.story import API, KIND, Story
from tests.lab import LoadClient

ROUTE = ("gateway.networking.k8s.io/v1", "HTTPRoute")
STEPS = [{"weight": 25, "hold": "5m"}]
STABLE, CANDIDATE = "modelrollout.dev/stable", "modelrollout.dev/candidate"


def at_a_quarter(stage: Stage) -> tuple[Story, LoadClient]:
    """A rollout of version 3 that has a quarter of the traffic, and the client that sends it."""
    story = stage.story(1, 3)
    client = story.adopt(steps=STEPS)
    story.version(3)
    story.wait_weight(3, 25)
    return story, client


def wipe_status(story: Story) -> None:
    """What a restore from a backup without status leaves."""
    resource = story.kube.resource(API, KIND)
    for _ in range(20):
        obj = resource.get(name=story.name, namespace=story.scenario.namespace).to_dict()
        try:
            resource.status.replace(body=obj | {"status": {}}, namespace=story.scenario.namespace)
        except Exception as error:  # the operator writes too; a conflict is tried again
            if getattr(error, "status", 0) != 409:
                raise
        else:
            return
    raise AssertionError("the status could not be wiped")


def remake(story: Story, version: int, notes: dict[str, Any] | None = None, weight: int = 25) -> None:
    """The operator dead, the resource gone without its finalizer and made anew; the route as `notes` and `weight`."""
    story.operator.kill()
    spec = (story.resource() or {})["spec"]
    story.change({"metadata": {"finalizers": None}})
    story.delete()
    story.wait_gone()
    refs = [{"name": f"digits-v{v}", "port": 8000, "weight": w} for v, w in ((1, 100 - weight), (version, weight))]
    route = story.kube.get(*ROUTE, story.scenario.namespace, story.name)
    assert route is not None
    rules = [route["spec"]["rules"][0] | {"backendRefs": refs}]
    annotations = {"modelrollout.dev/services": f'{{"1":"digits-v1:8000","{version}":"digits-v{version}:8000"}}'}
    patch = {"metadata": {"annotations": annotations | (notes or {})}, "spec": {"rules": rules}}
    story.kube.merge(*ROUTE, story.scenario.namespace, story.name, patch)
    story.kube.apply(
        {
            "apiVersion": API,
            "kind": KIND,
            "metadata": {"name": story.name, "namespace": story.scenario.namespace},
            "spec": spec,
        }
    )
    story.operator.start()


def test_a_status_wiped_in_mid_rollout_starts_over_from_what_the_route_says_is_stable(stage: Stage):
    story, client = at_a_quarter(stage)
    wiped = time.time()
    wipe_status(story)
    status = story.wait("stable again", lambda s: s.get("stable") is not None and s.get("history"))
    assert status["stable"] == "1", story.told()
    assert "the route says so" in status["history"][-1]["message"]
    gone = story.record.first("digits-v3", 0, since=wiped)
    story.wait("a rollout from the start", lambda s: s.get("candidate") == "3")
    assert gone is not None
    print(f"status wiped -> candidate at 0 %: {gone - wiped:.2f} s")
    assert set(story.weights(3)) <= {0, 25}
    assert client is not None
    client.stop()
    assert client.failed == []


def test_a_resource_made_anew_over_a_route_in_mid_rollout_never_adopts_the_candidate(stage: Stage):
    story, _ = at_a_quarter(stage)

    remake(story, 3)
    status = story.wait("stable", lambda s: s.get("stable") is not None)
    assert (status["stable"], status["history"][0]["result"]) == ("1", "Adopted"), story.told()
    story.wait_weight(3, 25)

    remake(story, 3, {STABLE: "3"})
    status = story.wait("the doubt", lambda s: s.get("reason") == "RouteUnclear")
    assert "name version 3 both as stable and as the candidate" in status["message"]
    assert (status.get("stable"), story.weight(3)) == (None, 25)

    remake(story, 3, {STABLE: "3", CANDIDATE: None})
    status = story.wait("the doubt", lambda s: "which has 25 of the weight" in s.get("message", ""))
    assert (status.get("stable"), status["reason"], story.weight(3)) == (None, "RouteUnclear", 25)

    remake(story, 3, {STABLE: None})
    status = story.wait("the doubt", lambda s: "no annotation" in s.get("message", ""))
    assert (status.get("stable"), status["reason"], story.weight(3)) == (None, "RouteUnclear", 25)
    assert {c["type"]: c["status"] for c in status["conditions"]}["Stalled"] == "True"

    story.kube.merge(*ROUTE, stage.namespace, story.name, {"metadata": {"annotations": {STABLE: "1"}}})
    status = story.wait("fixed", lambda s: s.get("stable") is not None)
    assert status["stable"] == "1"
    story.wait("a rollout from the start", lambda s: s.get("candidate") == "3")


def test_replacing_the_resource_by_force_leaves_the_traffic_on_stable_and_starts_over(stage: Stage):
    story, client = at_a_quarter(stage)
    obj = story.resource()
    assert obj is not None
    story.delete()
    story.wait_gone()
    assert story.weight(1) == 100
    meta = {"name": story.name, "namespace": stage.namespace}
    story.kube.create({"apiVersion": API, "kind": KIND, "metadata": meta, "spec": obj["spec"]})
    status = story.wait("stable", lambda s: s.get("stable") is not None)
    assert status["stable"] == "1", story.told()
    story.wait_weight(3, 25)
    assert set(story.weights(3)) == {0, 25}
    assert client is not None
    client.stop()
    assert client.failed == []
