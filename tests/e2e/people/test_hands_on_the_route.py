"""A route that others change: more is taken back at once, less is accepted, and the Event says who it was."""

from __future__ import annotations

import time
from typing import Any

from tests.e2e.support.hands import ask, took
from tests.e2e.support.live_rollout import LiveRollout
from tests.e2e.support.rollouts import Rollouts
from tests.expect import present
from tests.lab import Fault

ROUTE = ("gateway.networking.k8s.io/v1", "HTTPRoute")


def edit(live: LiveRollout, manager: str, patch: dict[str, Any]) -> float:
    """A merge patch of the route by someone else; time.time() before it."""
    at = time.time()
    live.kube.resource(*ROUTE).patch(
        body=patch,
        name=live.name,
        namespace=live.scenario.namespace,
        content_type="application/merge-patch+json",
        field_manager=manager,
    )
    return at


def weigh(live: LiveRollout, manager: str, weight: int) -> float:
    """Someone sets the candidate's weight."""
    rules = rules_of(live)
    rules[0]["backendRefs"][0]["weight"] = 100 - weight
    rules[0]["backendRefs"][1]["weight"] = weight
    return edit(live, manager, {"spec": {"rules": rules}})


def rules_of(live: LiveRollout) -> list[dict[str, Any]]:
    route = live.kube.get(*ROUTE, live.scenario.namespace, live.name)
    assert route is not None
    return list(route["spec"]["rules"])


def told(live: LiveRollout, reason: str, *words: str, deadline: float = 15) -> None:
    """Wait for an Event of this reason whose note has these words."""
    end = time.monotonic() + deadline
    while not any(why == reason and all(word in note for word in words) for why, note in live.events()):
        assert time.monotonic() < end, f"no {reason} with {words} in {live.events()}"
        time.sleep(0.2)


def at_thirty(live: LiveRollout) -> None:
    live.wait("30 %", lambda s: s.get("weight", {}) == {"desired": 30, "observed": 30} and live.weight(2) == 30)


def test_a_weight_edited_by_hand_is_taken_back_or_accepted_and_the_event_names_who_did_it(rollouts: Rollouts):
    prometheus = rollouts.member.http_faults(rollouts.member.site.prometheus)
    live = rollouts.start(1, 2, operate={"prometheus": prometheus.url})
    live.adopt(steps=[{"weight": 30, "hold": "5m"}])
    live.version(2)
    at_thirty(live)

    took(live, "raised by hand", 2, 30, weigh(live, "ann", 80) + 0.001)
    told(live, "WeightRaisedByOthers", "ann", "80 %")

    lowered = weigh(live, "bob", 5)
    told(live, "WeightLowered", "bob", "5 %")
    at_thirty(live)
    live.wait("the record of it", lambda _: live.record.first("digits-v2", 30, since=lowered), 30)
    back = present(live.record.first("digits-v2", 30, since=lowered))
    print(f"lowered by hand -> raised by an evaluation after {back - lowered:.1f} s")
    started = live.status()["step"]["startedAt"]
    assert started > time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(lowered)), "the hold did not start again"

    prometheus.add(Fault(status=503))
    live.wait("blindness", lambda s: s.get("reason") == "MetricsUnavailable")
    took(live, "raised by hand without metrics", 2, 30, weigh(live, "carl", 90) + 0.001)
    told(live, "WeightRaisedByOthers", "carl", "90 %")
    weigh(live, "dora", 5)
    told(live, "WeightLowered", "dora", "5 %")
    for _ in range(10):
        assert live.weight(2) == 5, "raised without metrics"
        time.sleep(0.8)
    took(live, "resume without metrics", 2, 30, ask(live, "resume").at)
    prometheus.clear()


def test_a_route_that_is_deleted_or_taken_over_is_written_again_with_the_candidate_at_0_first(rollouts: Rollouts):
    live = rollouts.start(1, 2)
    client = live.adopt(steps=[{"weight": 30, "hold": "5m"}])
    live.version(2)
    at_thirty(live)

    deleted = time.time()
    live.kube.delete(*ROUTE, rollouts.namespace, live.name)
    told(live, "RouteMissing", "100 % on stable version 1")
    at_thirty(live)
    seen = [w.weights for w in live.record.seen if w.at >= deleted]
    after = seen[seen.index({}) + 1 :]  # what was on its way before says nothing
    assert after[0].get("digits-v2", 0) == 0, "created with traffic for the candidate"
    assert after[-1] == {"digits-v1": 70, "digits-v2": 30}

    rules = rules_of(live)
    rules[0]["matches"] = [{"path": {"type": "PathPrefix", "value": "/"}}]
    edit(live, "kustomize-controller", {"spec": {"rules": rules, "hostnames": ["elsewhere.example.com"]}})
    told(live, "RouteChanged", "kustomize-controller")
    ours = f"/v2/models/{live.scenario.model}/infer"
    live.wait("our rules", lambda _: ours in {m["path"]["value"] for m in rules_of(live)[0]["matches"]}, deadline=15)

    only = [{"name": "digits-v2", "port": 8000, "weight": 100}]
    stolen = edit(live, "argocd-controller", {"spec": {"rules": [rules[0] | {"backendRefs": only}]}})
    end = time.time() + 20
    while live.weight(1) < 70:
        assert time.time() < end, f"stable was not put back\n{live.report()}"
        time.sleep(0.1)
    print(f"stable taken out of the route -> back after {time.time() - stolen:.1f} s")
    at_thirty(live)
    assert client is not None
    client.stop()
