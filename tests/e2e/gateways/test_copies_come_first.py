"""A step of copies behind real gateways: the candidate answers copies that reach no user, or nothing moves at all."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.support.hands import PATIENT
from tests.e2e.support.live_rollout import LiveRollout, gates
from tests.e2e.support.rollouts import BRISK, Rollouts
from tests.expect import present

if TYPE_CHECKING:
    from tests.lab import Door

QUICK = {"readyFor": "1s", "minimumRequests": 20, "warmup": "0s"}
COPIES: dict[str, Any] = {
    "steps": [{"mirror": 50, "hold": "6s"}, {"weight": 50, "hold": "2s"}],
    "bake": "2s",
    "analysis": QUICK,
}


def filters_of(live: LiveRollout) -> list[dict[str, Any]]:
    route = present(live.kube.get("gateway.networking.k8s.io/v1", "HTTPRoute", live.scenario.namespace, live.name))
    return list(route["spec"]["rules"][0].get("filters", []))


def judged(status: dict[str, Any]) -> dict[str, Any]:
    """The gate of errors of version 2 once it has a verdict; before that, nothing."""
    found = [gate for gate in status.get("gates", []) if gate["name"] == "errors" and status.get("candidate") == "2"]
    return found[0] if found and found[0]["verdict"] in ("CONTINUE", "PASS") else {}


@pytest.mark.envoy_gateway
def test_copies_are_judged_by_the_candidates_own_series_and_no_user_meets_them(rollouts: Rollouts, envoy_gateway: Door):
    live = rollouts.start(1, 2, 5, rate=BRISK, door=envoy_gateway, operate={"arguments": PATIENT})
    client = live.adopt(**COPIES, gates=gates("errors", "non-finite"))

    live.version(5)
    live.wait("copies", lambda s: (s.get("step") or {}).get("mirror") == 50 and filters_of(live))
    last = live.ended()["history"][-1]
    assert last["result"] == "RolledBack", live.report()
    assert live.weights(5) == [0]
    assert filters_of(live) == []
    assert client.versions().get("5", 0) == 0

    live.version(2)
    live.wait("copies", lambda s: (s.get("step") or {}).get("mirror") == 50 and filters_of(live))
    among = live.wait("a judgement of copies", lambda s: (s.get("step") or {}).get("mirror") == 50 and judged(s))
    assert judged(among)["source"] in ("Model", "Triton")
    answered_by_2 = client.versions().get("2", 0)
    assert answered_by_2 == 0
    assert live.ended()["history"][-1]["result"] == "Promoted", live.report()
    assert live.weights(2)[:2] == [0, 50]
    assert min(live.weights(2)[2:]) >= 100, "its bake and what follows"
    assert filters_of(live) == []
    client.stop()


def test_a_gateway_that_cannot_copy_is_asked_for_nothing(rollouts: Rollouts):
    live = rollouts.start(1, 2)
    client = live.adopt(**COPIES)
    live.version(2)
    status = live.wait("the sentence", lambda s: s.get("reason") == "MirrorNotSupported")
    assert "does not list HTTPRouteRequestMirror" in status["message"]
    time.sleep(6)  # an absence: the candidate has been ready for longer than it takes
    assert (live.weights(2), filters_of(live)) == ([0], [])
    client.stop()
    assert client.failed == []
