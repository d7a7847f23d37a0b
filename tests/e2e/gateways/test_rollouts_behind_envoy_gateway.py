"""A real Envoy Gateway in front: every story ends as behind Traefik, and each version is judged by its own requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.e2e.support.hands import PATIENT, answer, ask, took
from tests.e2e.support.leaders import kept_running
from tests.e2e.support.live_rollout import OK, LiveRollout, gates
from tests.e2e.support.rollouts import BRISK, Rollouts
from tests.e2e.support.writes import Unlucky

if TYPE_CHECKING:
    from tests.lab import Answer, Door, LoadClient

pytestmark = pytest.mark.envoy_gateway
QUICK = {"readyFor": "1s", "minimumRequests": 5, "warmup": "0s"}
ONE_STEP: dict[str, Any] = {"steps": [{"weight": 50, "hold": "2s"}], "bake": "2s", "analysis": QUICK}
GAP, AFTER, MOST_GAPS = 500, 2.0, 4
"""Status, seconds after a change, and how many there may be: each lasts some milliseconds."""
LEARNED = 80
"""Requests after which what is shown of stable rests on its answers, and not on the first guess."""
APPROVED: dict[str, Any] = {
    "steps": [{"weight": 50, "hold": "2s", "approval": True}],
    "bake": "3s",
    "analysis": QUICK,
    "gates": [{"name": "accuracy", "type": "Accuracy", "min": "50%"}],  # passes soon: here the writes are the point
}
CALM = {"arguments": PATIENT}


def named(live: LiveRollout, count: int) -> set[tuple[str, str]]:
    """(what the header says, who answered) of so many answers through the gateway."""
    found = set()
    with requests.Session() as session:
        session.trust_env = False
        for _ in range(count):
            got = session.get(live.scenario.url, headers={"Host": live.scenario.hostname}, timeout=5)
            who = got.json()["versions"][0] if got.status_code == OK else f"HTTP {got.status_code}"
            found.add((got.headers.get("x-model-version", ""), who))
    return found


def unexplained(live: LiveRollout, client: LoadClient) -> list[Answer]:
    """Failed answers but for those that Envoy Gateway gives itself while a place changes: see its page.

    It takes the cluster of a backend without weight away some milliseconds before the route that leads there.
    """
    changes = [seen.at for seen in list(live.record.seen)]
    own = [each for each in client.failed if each.status == GAP and any(-1 < each.at - at < AFTER for at in changes)]
    print(f"{len(own)} of {len(client.answers)} answers fell into a change of places")
    return [each for each in client.failed if each not in own] + own[MOST_GAPS:]


def stables(gate: dict[str, Any]) -> tuple[float, int]:
    """(share of bad answers, requests) of stable, as a gate shows them; (0, 0) where it shows none."""
    if "stable" not in gate:
        return 0.0, 0
    return float(gate["stable"].split()[0]) / 100, int(gate["samples"].split()[2].replace(",", ""))


def test_a_better_version_is_promoted_and_one_with_dead_neurons_comes_back(rollouts: Rollouts, envoy_gateway: Door):
    live = rollouts.start(1, 2, 3, rate=BRISK, door=envoy_gateway, operate=CALM)
    client = live.adopt(gates=gates("errors", "latency", "accuracy", "dead-neurons", "non-finite"))
    live.version(2)
    live.wait_weight(2, 50)
    assert named(live, 60) == {("1", "1"), ("2", "2")}
    assert live.ended()["history"][-1]["result"] == "Promoted", live.report()
    live.wait("rest", lambda _: live.weight(2) == 100)
    assert live.weights(2) == [0, 10, 30, 50, 100]
    live.wait("the next generation's answers", lambda _: named(live, 20) == {("2", "2")}, 20)
    live.version(3)
    last = live.ended()["history"][-1]
    assert last["result"] == "RolledBack", live.report()
    assert "dead-neurons: layer hidden_1" in last["message"]
    assert (live.weight(3), live.weight(2)) == (0, 100)
    client.stop()
    assert unexplained(live, client) == []
    assert client.versions()["2"] > 100


def test_slow_and_failing_versions_are_rolled_back_by_what_envoy_counts_and_an_abort_is_at_once(
    rollouts: Rollouts, envoy_gateway: Door
):
    live = rollouts.start(1, 2, 7, rate=BRISK, door=envoy_gateway, operate=CALM)
    live.scenario.serve(4, slow_ms=120)
    # One of Envoy's buckets is as wide as eight of those that the lab gives to Traefik.
    counted = gates("errors", latency={"type": "Latency", "quantile": 0.9, "versusStable": {"buckets": 1}})
    counted = [gate | {"source": "Gateway"} for gate in counted]
    live.adopt(steps=[{"weight": 20, "hold": "90s"}], analysis=QUICK, gates=counted)
    for version, gate in ((4, "latency"), (7, "errors")):
        live.version(version)
        last = live.ended()["history"][-1]
        assert last["result"] == "RolledBack", live.report()
        assert last["message"].startswith(f"{gate}:"), live.report()
        assert live.weights(version)[-2:] == [20, 0]
    live.version(2)
    live.wait_weight(2, 20)
    asked = ask(live, "abort", 2)
    took(live, "abort behind Envoy Gateway", 2, 0, asked.at)
    assert answer(live, asked) == "applied"
    assert live.weight(1) == 100


def test_what_a_place_counted_for_another_version_is_never_stables(rollouts: Rollouts, envoy_gateway: Door):
    live = rollouts.start(1, 2, 7, rate=BRISK, door=envoy_gateway, operate=CALM)
    client = live.adopt(**ONE_STEP, gates=gates("non-finite"))
    live.version(7)  # one answer in four fails, which no gate looks at
    assert live.ended()["history"][-1]["result"] == "Promoted", live.report()
    live.wait("all traffic", lambda _: live.weight(7) == 100)
    client.wait_for(300)
    before = len(live.seen)
    live.version(1)
    live.wait("the way back", lambda s: s["history"][-1]["result"] == "FastRollback")
    held = [{"weight": 50, "hold": "10m"}]
    live.change({"spec": {"gates": gates("errors"), "model": {"version": "2"}, "steps": held}})
    live.wait("stable's requests", lambda s: any(stables(gate)[1] > LEARNED for gate in s.get("gates", [])))
    live.change({"spec": {"steps": ONE_STEP["steps"]}})
    assert live.ended()["history"][-1]["result"] == "Promoted", live.report()
    shown = [stables(gate) for _, status in live.seen[before:] for gate in status.get("gates", [])]
    print(f"what stable had, and of how many requests: {shown}")
    assert max(share for share, requests in shown if requests > LEARNED) < 0.05, live.report()


PROMOTIONS = 8


@pytest.mark.long
@pytest.mark.timeout(900)  # so many rollouts
def test_no_request_fails_in_many_promotions(rollouts: Rollouts, envoy_gateway: Door):
    live = rollouts.start(1, 2, 3, rate=4 * BRISK, door=envoy_gateway, operate=CALM)
    brief = {**ONE_STEP, "steps": [{"weight": 50, "hold": "1s"}], "bake": "1s"}
    client = live.adopt(**brief, gates=gates("non-finite"))
    live.wait("every answer named", lambda _: named(live, 5) == {("1", "1")}, 100)
    client.wait_for(50)
    before, places = len(client.answers), []
    for number in range(PROMOTIONS):
        version = (number + 1) % 3 + 1  # never the one before: that would come back at once
        live.version(version)
        assert live.ended()["history"][-1]["result"] == "Promoted", live.report()
        live.wait("all traffic", lambda _: live.weight(version) == 100)  # noqa: B023 - asked before the next one
        places.append(live.status()["place"])
        client.wait_for(100)
    client.stop()
    answered = client.answers[before:]
    lost = [each for each in client.failed if each in answered]
    print(f"{len(lost)} of {len(answered)} requests failed in {PROMOTIONS} promotions")
    for one in lost:
        near = [seen for seen in live.record.seen if abs(seen.at - one.at) < 1]
        print(one, [(round(seen.at - one.at, 3), seen.weights) for seen in near])
    assert places == [(number + 1) % 2 for number in range(PROMOTIONS)]
    assert lost == []


def often(unlucky: Unlucky) -> dict[str, int]:
    """How often each kind was tried, but for a route that is begun before the gateway is known."""
    return {kind: count for kind, count in unlucky.seen.items() if kind != "route digits-v1:100"}


@pytest.mark.long
@pytest.mark.timeout(500)  # half a dozen leaders, each waiting for the Lease of the one before
def test_conflicts_kills_and_lost_answers_at_every_kind_of_route_write_change_no_promotion(
    rollouts: Rollouts, envoy_gateway: Door
):
    proxy = rollouts.member.api_faults()
    settings = {"api": proxy.url, "arguments": ("--lease-duration=4",)}
    live = rollouts.start(1, 2, door=envoy_gateway, operate=settings)
    unlucky = Unlucky(live, proxy)
    with kept_running(live):
        live.apply(1, **APPROVED)
        live.wait("adoption", lambda s: s.get("stable") == "1", 100)
        live.wait("every answer named", lambda _: named(live, 5) == {("1", "1")}, 100)
        client = live.adopt(**APPROVED)
        live.version(2)
        live.wait_phase("AwaitingApproval", deadline=150)
        ask(live, "approve", 2, 0)
        live.wait("promotion", lambda s: s.get("stable") == "2" and live.weight(2) == 100, 200)
        live.wait("the last fault", lambda _: min(often(unlucky).values()) >= 3, 100)
        live.wait("answers of the new stable", lambda _: named(live, 5) == {("2", "2")}, 30)
    print(f"failed three times each: {'; '.join(sorted(often(unlucky)))}")
    assert len(often(unlucky)) >= 4
    assert [entry["result"] for entry in live.status()["history"]] == ["Adopted", "Promoted"], live.report()
    assert live.weights(2) == [0, 50, 100]
    client.stop()
    assert unexplained(live, client) == []
