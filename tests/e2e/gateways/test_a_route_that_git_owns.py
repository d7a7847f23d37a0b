"""A route that Git owns, behind a real Traefik: its weights follow the rollout, and Git's tools may be in the way."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from modelrollout.adapters.routers.adopted.mark import MARK
from modelrollout.adapters.routers.forms.marks import EPOCH
from tests.e2e.failures.test_a_kill_at_any_write_changes_no_end import APPROVED, HOLD, LEASE, Reaper
from tests.e2e.support.hands import ask
from tests.e2e.support.leaders import check_holds, kept_running
from tests.e2e.support.live_rollout import LiveRollout, gates
from tests.e2e.support.rollouts import Rollouts
from tests.expect import present

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUTE = ("gateway.networking.k8s.io/v1", "HTTPRoute")
QUICK = {"readyFor": "1s", "minimumRequests": 10, "warmup": "0s"}
TEAM = {"team": "vision"}


def git_route(live: LiveRollout, **weights: int) -> dict[str, Any]:
    """What Git holds: the rule of the split, and one for people who ask for version 2."""
    gateway = live.scenario.gateway_ref
    service = live.scenario.service_name
    refs = [{"name": service(int(v[1:])), "port": 8000, "weight": weight} for v, weight in weights.items()]
    parent = {key: gateway[key] for key in ("name", "namespace", "sectionName") if key in gateway}
    path = {"type": "PathPrefix", "value": "/"}
    chosen = [{"path": path, "headers": [{"name": "x-version", "value": "2"}]}]
    rules = [
        {"name": "infer", "matches": [{"path": path}], "backendRefs": refs},
        {"name": "testers", "matches": chosen, "backendRefs": [{"name": service(2), "port": 8000}]},
    ]
    meta = {"name": live.name, "namespace": live.scenario.namespace, "annotations": TEAM, "labels": TEAM}
    spec = {"parentRefs": [parent], "hostnames": gateway["hostnames"], "rules": rules}
    return {"apiVersion": ROUTE[0], "kind": ROUTE[1], "metadata": meta, "spec": spec}


def adopted(live: LiveRollout, **changes: Any) -> dict[str, Any]:
    """The changes of a spec that adopts that route."""
    gateway = {key: value for key, value in live.scenario.gateway_ref.items() if key != "hostnames"}
    return {"traffic": {"gateway": gateway, "adopt": {"name": live.name, "rule": "infer"}}} | changes


def route_of(live: LiveRollout) -> dict[str, Any]:
    return present(live.kube.get(*ROUTE, live.scenario.namespace, live.name))


def without_weights(route: dict[str, Any]) -> Any:
    """All that Git wrote but the weights of the rule infer."""
    rules = [{key: rule[key] for key in rule if key != "backendRefs"} for rule in route["spec"]["rules"]]
    refs = [[(ref["name"], ref["port"]) for ref in rule["backendRefs"]] for rule in route["spec"]["rules"]]
    testers = route["spec"]["rules"][1]["backendRefs"][0].get("weight", 1)
    meta = route["metadata"]
    notes = {key: value for key, value in meta["annotations"].items() if key not in (MARK, EPOCH)}
    return rules, refs, testers, notes, meta.get("labels"), meta.get("ownerReferences"), route["spec"]["hostnames"]


def self_heal(live: LiveRollout, git: dict[str, Any], stop: threading.Event) -> Iterator[float]:
    """As Argo CD does: the rules as in Git, every 3 s, for as long as they differ."""
    while not stop.wait(3):
        live.kube.resource(*ROUTE).patch(
            body={"spec": {"rules": git["spec"]["rules"]}},
            name=live.name,
            namespace=live.scenario.namespace,
            content_type="application/merge-patch+json",
            field_manager="argocd-controller",
        )
        yield time.time()


def test_its_weights_follow_a_promotion_and_are_handed_back_with_the_resource(rollouts: Rollouts):
    live = rollouts.start(1, 2, 5)
    git = git_route(live, v1=1, v2=0, v5=0)
    live.kube.apply(git)
    before = without_weights(route_of(live))
    spec = adopted(live, gates=gates("errors", "non-finite"), analysis=QUICK)
    client = live.adopt(**spec, steps=[{"weight": 30, "hold": "3s"}], bake="3s")
    assert [ref["weight"] for ref in route_of(live)["spec"]["rules"][0]["backendRefs"]] == [1, 0, 0]
    live.version(2)
    assert live.ended()["history"][-1]["result"] == "Promoted", live.report()
    assert live.gate("errors")["source"] == "Gateway"
    live.wait("rest", lambda _: live.weight(2) == 100)
    assert without_weights(route_of(live)) == before
    live.version(5)
    assert live.ended()["history"][-1]["result"] == "RolledBack", live.report()
    assert (live.weight(2), live.weight(5)) == (100, 0)
    live.delete()
    live.wait_gone()
    left = route_of(live)
    assert left["metadata"]["annotations"] == TEAM
    assert live.weight(2) == 100
    assert without_weights(left) == before
    client.stop()
    assert client.failed == []
    assert (live.weights(2), live.weights(5)) == ([0, 30, 100, 70, 100], [0, 30, 0])


@pytest.mark.long
@pytest.mark.timeout(500)  # a dozen leaders, each waiting for the Lease of the one before
def test_a_kill_at_any_write_changes_no_end_and_nothing_that_git_wrote(rollouts: Rollouts):
    proxy = rollouts.member.api_faults()
    live = rollouts.start(1, 2, operate={"api": proxy.url, "arguments": (LEASE,)})
    live.kube.apply(git_route(live, v1=100, v2=0))
    before = without_weights(route_of(live))
    reaper = Reaper(live, proxy)
    with kept_running(live):
        live.apply(1, **adopted(live, **APPROVED))
        live.wait("adoption", lambda s: s.get("stable") == "1", 150)
        live.wait_served(150)
        client = live.adopt(**adopted(live, **APPROVED))
        live.version(2)
        live.wait_phase("AwaitingApproval", deadline=200)
        ask(live, "approve", 2, 0)
        status = live.wait("promotion", lambda s: s.get("stable") == "2", 200)
        live.wait("all traffic", lambda _: live.weight(2) == 100)
        print(f"killed {len(reaper.seen)} times, at: {'; '.join(sorted(reaper.seen))}")
        assert {"lower ", "lower 100,0,50,50", "lower 50,50,0,100"} <= reaper.seen  # the mark, the step, the promotion
        reaper.seen.clear()  # a mark that goes looks like one that comes
        live.delete()
        live.wait_gone(120)
    print(f"killed at the deletion's: {'; '.join(sorted(reaper.seen))}")
    assert {"lower ", "finalizer off"} <= reaper.seen
    assert [entry["result"] for entry in status["history"]] == ["Adopted", "Promoted"], live.report()
    assert live.weights(2) == [0, 50, 100]
    check_holds(live, 2, HOLD)
    left = route_of(live)
    assert without_weights(left) == before
    assert left["metadata"]["annotations"] == TEAM
    client.stop()
    assert client.failed == []


def test_git_that_sets_the_weights_back_is_named_and_never_raises_the_candidate(rollouts: Rollouts):
    live = rollouts.start(1, 2)
    git = git_route(live, v1=100, v2=0)
    live.kube.apply(git)
    live.adopt(**adopted(live, steps=[{"weight": 30, "hold": "5m"}], analysis=QUICK))
    live.version(2)
    live.wait_weight(2, 30)
    stop = threading.Event()
    healing = threading.Thread(target=lambda: [None for _ in self_heal(live, git, stop)], daemon=True)
    healing.start()
    try:
        status = live.wait("the contest", lambda s: s.get("reason") == "RouteContested", 90)
        assert "argocd-controller" in status["message"], status["message"]
        contested = time.time()
        time.sleep(12)  # an absence: in it Git writes four times, and a raise would be due six times
        assert live.weight(2) == 0
        assert [w.weights for w in live.record.seen if w.at > contested + 3 and w.weights.get("digits-v2")] == []
    finally:
        stop.set()
        healing.join()
    assert set(live.weights(2)) == {0, 30}


def test_a_rule_that_is_renamed_and_a_route_that_is_deleted_leave_the_candidate_nothing(rollouts: Rollouts):
    live = rollouts.start(1, 2)
    git = git_route(live, v1=100, v2=0)
    live.kube.apply(git)
    live.adopt(**adopted(live, steps=[{"weight": 30, "hold": "5m"}], analysis=QUICK))
    live.version(2)
    live.wait_weight(2, 30)
    rules = route_of(live)["spec"]["rules"]
    rules[0]["name"] = "renamed"
    live.kube.merge(*ROUTE, live.scenario.namespace, live.name, {"spec": {"rules": rules}})
    status = live.wait("the sentence", lambda s: s.get("reason") == "RouteUnfit" and live.weight(2) == 0)
    assert "no rule named infer (its rules: renamed, testers)" in status["message"]
    live.kube.delete(*ROUTE, live.scenario.namespace, live.name)
    live.wait("the route's absence", lambda s: s.get("reason") == "RouteMissing")
    live.kube.apply(git)
    live.wait_weight(2, 30)
