"""A resource without its status: the route decides who is stable, and a candidate is never shipped unanalysed."""

from __future__ import annotations

import time
from typing import Any

from tests.e2e.support.live_rollout import API, KIND, LiveRollout
from tests.e2e.support.rollouts import Rollouts
from tests.lab import LoadClient

ROUTE = ("gateway.networking.k8s.io/v1", "HTTPRoute")
STEPS = [{"weight": 25, "hold": "5m"}]
STABLE, CANDIDATE = "modelrollout.dev/stable", "modelrollout.dev/candidate"


def at_a_quarter(rollouts: Rollouts) -> tuple[LiveRollout, LoadClient]:
    """A rollout of version 3 that has a quarter of the traffic, and the client that sends it."""
    live = rollouts.start(1, 3)
    client = live.adopt(steps=STEPS)
    live.version(3)
    live.wait_weight(3, 25)
    return live, client


def wipe_status(live: LiveRollout) -> None:
    """What a restore from a backup without status leaves."""
    resource = live.kube.resource(API, KIND)
    for _ in range(20):
        obj = resource.get(name=live.name, namespace=live.scenario.namespace).to_dict()
        try:
            resource.status.replace(body=obj | {"status": {}}, namespace=live.scenario.namespace)
        except Exception as error:  # the operator writes too; a conflict is tried again
            if getattr(error, "status", 0) != 409:
                raise
        else:
            return
    raise AssertionError("the status could not be wiped")


def remake(live: LiveRollout, version: int, notes: dict[str, Any] | None = None, weight: int = 25) -> None:
    """The operator gone, the resource created again, its finalizer removed; the route as `notes` and `weight`.

    It is stopped, not killed: the next one need not wait for its Lease to end.
    """
    live.operator.stop()
    spec = (live.resource() or {})["spec"]
    live.change({"metadata": {"finalizers": None}})
    live.delete()
    live.wait_gone()
    refs = [{"name": f"digits-v{v}", "port": 8000, "weight": w} for v, w in ((1, 100 - weight), (version, weight))]
    route = live.kube.get(*ROUTE, live.scenario.namespace, live.name)
    assert route is not None
    rules = [route["spec"]["rules"][0] | {"backendRefs": refs}]
    annotations = {"modelrollout.dev/services": f'{{"1":"digits-v1:8000","{version}":"digits-v{version}:8000"}}'}
    patch = {"metadata": {"annotations": annotations | (notes or {})}, "spec": {"rules": rules}}
    live.kube.merge(*ROUTE, live.scenario.namespace, live.name, patch)
    live.kube.apply(
        {
            "apiVersion": API,
            "kind": KIND,
            "metadata": {"name": live.name, "namespace": live.scenario.namespace},
            "spec": spec,
        }
    )
    live.operator.start()


def test_a_status_wiped_in_mid_rollout_starts_over_from_what_the_route_says_is_stable(rollouts: Rollouts):
    live, client = at_a_quarter(rollouts)
    wiped = time.time()
    wipe_status(live)
    status = live.wait("stable again", lambda s: s.get("stable") is not None and s.get("history"))
    assert status["stable"] == "1", live.report()
    assert status["history"][-1]["result"] == "Adopted"
    gone = live.record.first("digits-v3", 0, since=wiped)
    live.wait("a rollout from the start", lambda s: s.get("candidate") == "3")
    assert gone is not None
    print(f"status wiped -> candidate at 0 %: {gone - wiped:.2f} s")
    assert set(live.weights(3)) <= {0, 25}
    assert client is not None
    client.stop()
    assert client.failed == []


def test_a_resource_created_again_over_a_route_in_mid_rollout_never_adopts_the_candidate(rollouts: Rollouts):
    live, _ = at_a_quarter(rollouts)

    remake(live, 3)
    status = live.wait("stable", lambda s: s.get("stable") is not None)
    assert (status["stable"], status["history"][0]["result"]) == ("1", "Adopted"), live.report()
    live.wait_weight(3, 25)

    remake(live, 3, {STABLE: "3"})
    status = live.wait("the doubt", lambda s: s.get("reason") == "RouteUnclear")
    assert "both as stable and as the candidate" in status["message"]
    assert (status.get("stable"), live.weight(3)) == (None, 25)

    remake(live, 3, {STABLE: "3", CANDIDATE: None})
    status = live.wait("the doubt", lambda s: "which has 25 of the weight" in s.get("message", ""))
    assert (status.get("stable"), status["reason"], live.weight(3)) == (None, "RouteUnclear", 25)

    remake(live, 3, {STABLE: None})
    status = live.wait("the doubt", lambda s: "no annotation" in s.get("message", ""))
    assert (status.get("stable"), status["reason"], live.weight(3)) == (None, "RouteUnclear", 25)
    assert {c["type"]: c["status"] for c in status["conditions"]}["Stalled"] == "True"

    live.kube.merge(*ROUTE, rollouts.namespace, live.name, {"metadata": {"annotations": {STABLE: "1"}}})
    status = live.wait("fixed", lambda s: s.get("stable") is not None)
    assert status["stable"] == "1"
    live.wait("a rollout from the start", lambda s: s.get("candidate") == "3")


def test_replacing_the_resource_by_force_leaves_the_traffic_on_stable_and_starts_over(rollouts: Rollouts):
    live, client = at_a_quarter(rollouts)
    obj = live.resource()
    assert obj is not None
    live.delete()
    live.wait_gone()
    assert live.weight(1) == 100
    meta = {"name": live.name, "namespace": rollouts.namespace}
    live.kube.create({"apiVersion": API, "kind": KIND, "metadata": meta, "spec": obj["spec"]})
    status = live.wait("stable", lambda s: s.get("stable") is not None)
    assert status["stable"] == "1", live.report()
    live.wait_weight(3, 25)
    assert set(live.weights(3)) == {0, 25}
    assert client is not None
    client.stop()
    assert client.failed == []
