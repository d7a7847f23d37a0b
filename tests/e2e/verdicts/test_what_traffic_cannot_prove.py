"""A gate that the traffic cannot prove: said before the first step, and at the deadline done as the spec says."""

from __future__ import annotations

import json

from tests.e2e.support.hands import kubectl
from tests.e2e.support.live_rollout import gates
from tests.e2e.support.rollouts import BRISK, Rollouts

STEPS = [0, 10, 30, 50, 100]
STRICT = {"type": "ErrorRate", "versusStable": {"ratio": 1.25, "plus": "0.1%"}}
"""Asks for 3,000 requests without an error, which no deadline of seconds brings."""
ANALYSIS = {"deadline": "50s", "onInconclusive": "Promote"}


def test_it_is_planned_promoted_unproven_and_the_history_says_what_was_excluded(rollouts: Rollouts):
    live = rollouts.start(1, 2, rate=BRISK)
    client = live.adopt(gates=gates(errors=STRICT), analysis=ANALYSIS)
    live.wait("stable's traffic", lambda _: client.versions().get("1", 0) > 10 * BRISK)
    live.version(2)
    status = live.wait("a plan", lambda s: s.get("rollout", {}).get("plan"))
    assert "errors cannot be proven at this traffic within 50s" in status["rollout"]["plan"]
    asked = kubectl(live, "plan", "digits", "--prometheus", live.member.site.prometheus, "--json")
    assert asked.returncode == 1, asked.stderr
    found = json.loads(asked.stdout)
    assert 0.5 * BRISK < found["requestsPerSecond"] < 1.5 * BRISK
    assert [gate["name"] for gate in found["gates"] if gate["passesAfterSeconds"] is None] == ["errors"]
    status = live.ended()
    last = status["history"][-1]
    assert (last["result"], last["reason"]) == ("Promoted", "PromotedUnproven"), live.report()
    assert "errors at most " in last["message"]
    assert ", 95 %: not proven <= " in last["message"]
    assert live.weights(2) == STEPS
    live.wait("the Events", lambda _: {"AdvancedUnproven", "PromotedUnproven"} <= {why for why, _ in live.events()}, 20)
    assert [why for why, _ in live.events()].count("Planned") == 1
    client.stop()
    assert client.failed == []
