"""onInconclusive: Promote goes on at the deadline where nothing speaks against the candidate, and says what is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.core.evaluation import MetricsOutage
from modelrollout.core.rollout.phases import Trigger
from tests.expect import present
from tests.unit.rollout.world import World, in_doubt, manifest, reasons_of

EXCLUDED = "errors at most 1.1 %, 95 %: not proven <= 0.73 %"
AGAINST: dict[str, tuple[Callable[[World], Any], str]] = {
    "a required gate has no data": (lambda world: setattr(world, "verdict", "NO_DATA"), "NotProven"),
    "a required gate cannot be compared": (lambda world: setattr(world, "verdict", "NOT_COMPARABLE"), "NotProven"),
    "more speaks against it than for it": (lambda world: setattr(world, "outweighed", True), "EvidenceLeaningBad"),
    "a gate that weighs nothing leans bad": (lambda world: setattr(world, "leaning", True), "EvidenceLeaningBad"),
    "whoever was asked has not agreed": (lambda world: setattr(world, "awaited", True), "NotProven"),
    "a gate of the spec was left out": (lambda world: setattr(world, "judged", "another"), "NotProven"),
    "no required gate was judged": (lambda world: setattr(world, "required", False), "NotProven"),
    "requests are missing": (lambda world: setattr(world, "requests", 99), "TooFewRequests"),
    "the weight is held": (lambda world: setattr(world, "halt", "BurnRate"), "BurnRate"),
    "nothing was read again": (lambda world: setattr(world, "confirmed", False), "WaitingForEvaluation"),
    "there is no evaluation": (lambda world: setattr(world, "evaluating", False), "WaitingForEvaluation"),
}
CASES = pytest.mark.parametrize("lost", [lost for lost, _ in AGAINST.values()], ids=list(AGAINST))


def rollout(**changes: Any) -> World:
    """At the first step of version 2, its one gate open."""
    analysis = {"interval": "15s", "minimumRequests": 100, "deadline": "10m", "onInconclusive": "Promote", **changes}
    world = World(spec=manifest(analysis=analysis)).stepping()
    world.verdict, world.excluded = "CONTINUE", EXCLUDED
    return world


def late(world: World) -> World:
    """A minute beyond the deadline."""
    end = present(world.parsed.rollout).started_at + 660
    while world.now < end:
        world.tick()
    return world


def test_what_is_open_at_the_deadline_goes_on_and_history_and_events_say_what_was_excluded():
    world = rollout()
    while world.phase != "Serving":
        world.tick()
    entry = world.parsed.history[-1]
    assert (entry.candidate, entry.result, entry.reason) == ("2", "Promoted", "PromotedUnproven")
    assert EXCLUDED in entry.message
    assert "onInconclusive: Promote" in entry.message
    said = [event for event in world.events if event.reason in ("AdvancedUnproven", "PromotedUnproven")]
    assert [event.reason for event in said] == ["AdvancedUnproven", "PromotedUnproven"]
    assert all(EXCLUDED in event.message and event.warning for event in said)


def test_the_weight_is_raised_in_the_pass_that_decides_so():
    world = rollout()
    world.leaning, world.outweighed = True, False
    raised = []
    for _ in range(120):
        decision = world.tick()
        if decision.trigger in (Trigger.STEP_UNPROVEN, Trigger.UNPROVEN):
            raised.append((world.phase, world.weight_of("2")))
    assert raised == [("Stepping", 25), ("Stepping", 50), ("Baking", 100), ("Serving", 100)]


def test_before_the_deadline_nothing_goes_on_unproven():
    world = rollout()
    while world.now < present(world.parsed.rollout).started_at + 585:
        world.tick()
        assert world.weight_of("2") <= 50
    assert "AdvancedUnproven" not in reasons_of(world)


@pytest.mark.alike(1)
@pytest.mark.parametrize("choice", ["Pause", "Rollback"])
def test_only_the_spec_that_says_promote_is_promoted_unproven(choice):
    world = late(rollout(onInconclusive=choice))
    assert (world.parsed.stable, world.phase) == ("1", {"Pause": "Inconclusive", "Rollback": "RolledBack"}[choice])


@pytest.mark.alike(2)
@CASES
@pytest.mark.slow
def test_where_anything_speaks_against_it_a_person_is_asked(lost):
    world = rollout()
    lost(world)
    for _ in range(120):
        world.tick()
    assert (world.phase, world.parsed.stable) == ("Inconclusive", "1")
    assert world.weight_of("2") < 100


@pytest.mark.slow
def test_a_step_held_for_lack_of_a_lean_goes_on_at_the_deadline_with_its_own_hold():
    world = rollout()
    world.leaning, world.outweighed = True, False
    while world.weight_of("2") == 5:
        world.tick()
    began = world.now
    while world.weight_of("2") == 25:
        world.tick()
    assert (world.weight_of("2"), world.phase) == (50, "Stepping")
    assert 60 <= world.now - began <= 75
    assert reasons_of(world).count("AdvancedUnproven") == 2


@pytest.mark.slow
def test_a_step_that_begins_after_the_deadline_waits_for_its_requests():
    world = rollout()
    world.leaning, world.outweighed = True, False
    while world.weight_of("2") == 5:
        world.tick()
    world.requests = 99
    for _ in range(20):
        world.tick()
    assert (world.phase, world.weight_of("2"), world.parsed.reason) == ("Stepping", 25, "TooFewRequests")
    for _ in range(60):
        world.tick()
    assert world.phase == "Inconclusive"


@pytest.mark.slow
def test_an_evaluation_that_is_late_at_the_deadline_is_waited_for():
    world = rollout()
    while world.now < present(world.parsed.rollout).started_at + 575:
        world.tick()
    world.evaluating = False
    world.tick()
    world.tick()
    assert world.phase == "Stepping"
    world.evaluating = True
    world.tick()
    assert world.phase == "Baking"


@pytest.mark.slow
def test_a_step_that_needs_approval_is_still_asked_about():
    world = rollout()
    world.spec["steps"] = [step | {"approval": True} for step in world.spec["steps"][:1]]
    late(world)
    assert world.phase == "AwaitingApproval"
    world.ask("approve", "2", 0)
    world.tick(1)
    world.tick(1)
    assert world.phase == "Baking"


@pytest.mark.slow
def test_what_passes_in_the_bake_after_all_is_promoted_as_proven():
    world = rollout()
    while world.phase != "Baking":
        world.tick()
    world.verdict = "PASS"
    while world.phase != "Serving":
        world.tick()
    assert world.parsed.history[-1].reason == "Promoted"
    assert "unproven" not in world.parsed.history[-1].message


@pytest.mark.slow
def test_a_bake_that_is_overdue_for_lack_of_a_lean_ends_with_the_promotion():
    world = rollout()
    while world.phase != "Baking":
        world.tick()
    world.leaning, world.outweighed = True, False
    for _ in range(20):
        world.tick()
    assert world.parsed.stable == "2"
    assert world.parsed.history[-1].reason == "PromotedUnproven"
    assert EXCLUDED in world.parsed.history[-1].message


@pytest.mark.alike(2)
@CASES
@pytest.mark.slow
def test_a_bake_about_which_anything_is_open_ends_beside_stable_and_with_a_question(lost):
    world = rollout()
    while world.phase != "Baking":
        world.tick()
    lost(world)
    for _ in range(60):
        world.tick()
    assert (world.phase, world.parsed.stable, world.weight_of("2")) == ("Inconclusive", "1", 50)


@pytest.mark.slow
def test_after_a_bake_in_doubt_only_proof_or_a_person_goes_on():
    world = rollout()
    world.verdict = "PASS"
    in_doubt(world)
    world.verdict, world.frozen = "CONTINUE", False
    late(world)
    for _ in range(10):
        world.tick()
    assert (world.phase, world.parsed.stable) == ("Inconclusive", "1")


@pytest.mark.slow
@given(
    passes=st.lists(
        st.fixed_dictionaries(
            {
                "verdict": st.sampled_from(["PASS", "CONTINUE", "CONTINUE", "NO_DATA", "NOT_COMPARABLE", "FAIL"]),
                "outweighed": st.sampled_from([False, False, None, True]),
                "leaning": st.sampled_from([False, False, True]),
                "frozen": st.sampled_from([False, False, True]),
                "required": st.sampled_from([True, True, True, False]),
                "judged": st.sampled_from(["errors", "errors", "errors", "another"]),
                "requests": st.sampled_from([1000, 1000, 100, 99, 0]),
                "halt": st.sampled_from([None, None, None, "BurnRate", "SharedIncident"]),
                "confirmed": st.sampled_from([True, True, False]),
                "evaluating": st.sampled_from([True, True, True, False]),
                "outage": st.sampled_from([None, None, None, MetricsOutage("PrometheusUnreachable", "refused", 0.0)]),
            }
        ),
        min_size=1,
        max_size=25,
    ),
    seconds=st.sampled_from([15, 31, 61]),
    wait=st.sampled_from([0, 500, 700]),
)
def test_whatever_is_seen_nothing_goes_on_unproven_that_is_not_clear_of_all_doubt(passes, seconds, wait):
    world = rollout()
    for _ in range(wait // 15):
        world.tick()
    for seen in passes:
        for name, value in seen.items():
            setattr(world, name, value)
        before = world.parsed
        decision = world.tick(seconds)
        if decision.trigger not in (Trigger.STEP_UNPROVEN, Trigger.UNPROVEN):
            continue
        rollout_before = present(before.rollout)
        assert world.now - rollout_before.started_at - rollout_before.clock_stopped_for > 600
        assert seen["verdict"] in ("PASS", "CONTINUE")
        assert seen["outweighed"] is False or (seen["outweighed"] is None and not seen["leaning"])
        assert (seen["required"], seen["judged"], seen["halt"]) == (True, "errors", None)
        assert (seen["confirmed"], seen["evaluating"], seen["outage"]) == (True, True, None)
        assert seen["requests"] >= 100
        assert not rollout_before.doubts
        assert present(present(before.step).earliest_advance) <= world.now
