"""What lowers without ending a rollout lowers during a defect too: other weights, a bake in doubt, no judgement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from modelrollout.core import reasons
from modelrollout.core.observation import Backend
from modelrollout.core.rollout.decide import Decision
from modelrollout.core.rollout.fallback.decision import decide_less
from modelrollout.core.rollout.phases import Trigger
from tests.expect import present
from tests.unit.rollout.world import World, _spec_of, in_doubt, manifest

OLD, NEW = "sha256:0", "sha256:1"


def reached(phase: str, **analysis: Any) -> World:
    """Version 2 there, and all is well."""
    world = World(spec=manifest(analysis={"interval": "15s", "minimumRequests": 100} | analysis), digest=OLD)
    world.stepping()
    while world.phase != phase:
        world.tick()
    world.tick(1)
    return world


def less(world: World) -> Decision:
    """One pass that could not build its decision, with its writes."""
    spec, _ = _spec_of(world.spec)
    return decide_less(spec, world.parsed, world.seen(None), world.now, RuntimeError("a defect"))


def reloaded() -> World:
    world = reached("Baking")
    world.digest = NEW
    return world


def reloaded_again() -> World:
    world = reloaded()
    world.status["rollout"]["reloads"] = 3
    return world


def doubted() -> World:
    world = reached("Baking")
    world.verdict, world.frozen = "FAIL", True
    return world


def doubted_again() -> World:
    world = doubted()
    world.status["rollout"]["doubts"] = 1
    return world


def doubted_for_good() -> World:
    world = reached("Baking", onInconclusive="Rollback")
    world.verdict, world.frozen = "FAIL", True
    world.status["rollout"]["doubts"] = 1
    return world


def unjudged() -> World:
    """Nothing could be decided since longer than maxBlind."""
    world = reached("Stepping", maxBlind="2m")
    while world.weight < 25:
        world.tick()
    world.tick(1)
    world.status = _status_after(less(world))
    world.now += 121
    return world


def _status_after(decision: Decision) -> dict[str, Any]:
    found: dict[str, Any] = decision.status.model_dump(mode="json", by_alias=True, exclude_none=True)
    return found


ENDS: dict[str, tuple[Callable[[], World], Trigger, str]] = {
    "other weights": (reloaded, Trigger.WEIGHTS_CHANGED, "Waiting"),
    "other weights for the fourth time": (reloaded_again, Trigger.CANDIDATE_UNSTABLE, "RolledBack"),
    "a bake in doubt": (doubted, Trigger.BAKE_IN_DOUBT, "Waiting"),
    "a second bake in doubt": (doubted_again, Trigger.BAKE_IN_DOUBT, "Waiting"),
    "a second bake in doubt, and nobody is asked": (doubted_for_good, Trigger.BREACH, "RolledBack"),
    "no decision for longer than maxBlind": (unjudged, Trigger.BLIND, "Waiting"),
}


@pytest.mark.parametrize("what", ENDS)
def test_it_loses_all_traffic(what: str):
    made, trigger, phase = ENDS[what]
    world = made()
    decision = less(world)
    assert (decision.trigger, decision.status.phase) == (trigger, phase)
    assert (present(decision.lower).stable, present(decision.lower).weight) == ("1", 0)
    assert decision.route is None
    assert decision.status.reason == reasons.INTERNAL_ERROR


@pytest.mark.slow
@pytest.mark.parametrize("what", ENDS)
def test_the_next_whole_decision_goes_on_and_raises_nothing_at_once(what: str):
    made, _, phase = ENDS[what]
    world = made()
    decision = less(world)
    world._write("lower", present(decision.lower))
    world.status, world.verdict, world.frozen = _status_after(decision), "PASS", False
    world.tick(1)
    assert world.weight in ((0, 5) if phase == "Waiting" else (0,))
    for _ in range(200):
        if world.phase in ("Serving", "Inconclusive"):
            break
        world.tick()
    person = "Inconclusive" if what == "a second bake in doubt" else "Serving"
    assert world.phase == (person if phase == "Waiting" else phase)


def test_of_other_weights_the_next_whole_decision_starts_the_evidence_again():
    world = reloaded()
    world.status = _status_after(less(world))
    world.tick(1)
    rollout = present(world.parsed.rollout)
    assert (rollout.digest, rollout.reloads, rollout.evidence_from) == (NEW, 1, world.now)


def test_a_second_defect_moves_and_says_nothing_more():
    world = reloaded()
    first = less(world)
    world._write("lower", present(first.lower))
    world.status = _status_after(first)
    again = less(world)
    assert (again.trigger, again.lower, again.events) == (None, None, ())
    assert again.status.rollout == first.status.rollout


def test_nothing_is_lost_to_a_defect_that_is_shorter_than_max_blind():
    world = unjudged()
    world.now -= 2
    decision = less(world)
    assert (decision.trigger, decision.lower, decision.status.phase) == (None, None, "Stepping")


def test_a_doubt_is_for_a_person_where_the_spec_says_so():
    world = reached("Baking", onBreach="Pause")
    world.verdict, world.frozen = "FAIL", True
    assert less(world).trigger is None


def test_a_bake_in_doubt_is_one_by_decide_too():
    """What is tried here is what a whole decision calls so."""
    world = in_doubt(World().stepping())
    assert present(world.last).trigger is Trigger.BAKE_IN_DOUBT


@pytest.mark.parametrize("forged", ["another", "nothing"])
def test_the_routes_word_counts_where_the_status_cannot_be_the_operators_own(forged: str):
    world = reached("Stepping")
    world.status = world.status | {"stable": "3"} if forged == "another" else {}
    decision = less(world)
    assert (present(decision.lower).stable, present(decision.lower).weight) == ("1", 0)


def test_what_was_just_promoted_keeps_its_traffic():
    world = reached("Baking")
    while world.phase == "Baking":
        world.tick(crash="route")
    assert world.phase == "Serving"
    assert world.parsed.stable == "2"
    assert less(world).lower is None


def test_a_route_of_git_that_cannot_be_split_carries_no_candidate():
    world = reached("Stepping")
    world.route = replace(present(world.route), adopted="HTTPRoute vision/ours", unfit="it has filters")
    assert present(less(world).lower).weight == 0


def test_a_stranger_on_the_route_gets_nothing():
    world = reached("Stepping")
    mine, _ = present(world.route).backends
    world.route = replace(present(world.route), backends=(mine, Backend("9", "digits-v9", 8000, 50)))
    assert (present(less(world).lower).candidate, present(less(world).lower).weight) == ("9", 0)
