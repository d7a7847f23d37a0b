"""The bake asks the gates: without data about the candidate nothing is promoted, and the deadline ends the wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.core.evaluation import MetricsOutage
from modelrollout.core.rollout.phases import Trigger
from tests.expect import present
from tests.unit.rollout.world import World, manifest, reasons_of

NOTHING_KNOWN: dict[str, tuple[Callable[[World], Any], str]] = {
    "a required gate has no data": (lambda world: setattr(world, "verdict", "NO_DATA"), "NotProven"),
    "a required gate cannot be compared": (lambda world: setattr(world, "verdict", "NOT_COMPARABLE"), "NotProven"),
    "a required gate leans bad": (lambda world: setattr(world, "leaning", True), "EvidenceLeaningBad"),
    "whoever was asked has not agreed": (lambda world: setattr(world, "awaited", True), "NotProven"),
    "no required gate was judged": (lambda world: setattr(world, "required", False), "NotProven"),
    "a gate of the spec was left out": (lambda world: setattr(world, "judged", "another"), "NotProven"),
    "the candidate has no requests": (lambda world: setattr(world, "requests", 0), "TooFewRequests"),
    "there is no evaluation": (lambda world: setattr(world, "evaluating", False), "WaitingForEvaluation"),
    "its addresses serve different weights": (lambda world: setattr(world, "halt", "WeightsDiffer"), "WeightsDiffer"),
}
CASES = pytest.mark.parametrize(("lost", "reason"), NOTHING_KNOWN.values(), ids=NOTHING_KNOWN)


def baking(**analysis: Any) -> World:
    world = World(spec=manifest(analysis={"interval": "15s", "minimumRequests": 100} | analysis)).stepping()
    while world.phase != "Baking":
        world.tick()
    world.tick(1)
    assert world.weight_of("2") == 100
    return world


@pytest.mark.alike(2)
@CASES
def test_a_bake_about_which_nothing_is_known_is_held_with_the_reason_and_ends_when_it_is(lost, reason):
    world = baking(deadline="10h")
    known = {
        name: getattr(world, name)
        for name in ("verdict", "leaning", "awaited", "required", "judged", "requests", "halt")
    }
    lost(world)
    for _ in range(40):
        world.tick()
    assert (world.phase, world.parsed.stable, world.parsed.reason) == ("Baking", "1", reason)
    for name, value in known.items():
        setattr(world, name, value)
    world.evaluating = True
    world.tick()
    assert (world.phase, world.parsed.stable) == ("Serving", "2")


@given(
    answers=st.lists(
        st.tuples(
            st.sampled_from(["PASS", "PASS", "CONTINUE", "NO_DATA", "NOT_COMPARABLE", "FAIL", None]),
            st.sampled_from([1, 15, 61]),
        ),
        max_size=30,
    )
)
def test_no_sequence_of_evaluations_promotes_a_version_of_which_the_newest_says_nothing(answers):
    world = baking()
    for answer, seconds in answers:
        world.evaluating, world.verdict = answer is not None, answer or "PASS"
        decision = world.tick(seconds)
        if decision.trigger is Trigger.BAKED:
            assert answer in ("PASS", "CONTINUE")


def test_the_sentence_is_the_gates_own():
    world = baking()
    world.verdict = "NO_DATA"
    world.tick()
    assert world.parsed.message == "errors: the sentence"


@pytest.mark.alike(2)
@CASES
@pytest.mark.parametrize(("answer", "phase", "weight"), [("Pause", "Inconclusive", 50), ("Rollback", "RolledBack", 0)])
def test_the_deadline_ends_a_bake_about_which_nothing_is_known(lost, reason, answer, phase, weight):
    world = baking(deadline="20m", onInconclusive=answer)
    lost(world)
    while world.phase == "Baking":
        assert world.weight_of("2") == 100
        world.tick()
    assert (world.phase, world.weight_of("2"), world.parsed.stable) == (phase, weight, "1")
    assert world.parsed.reason == "DeadlineExceeded"
    assert world.now - present(world.parsed.history[0]).ended_at < 1320


@pytest.mark.slow
def test_a_bake_stopped_at_the_deadline_is_proven_beside_stable_again_before_the_next():
    world = baking(deadline="20m")
    world.verdict = "NO_DATA"
    while world.phase == "Baking":
        world.tick()
    assert "back to 50 %: resume, promote or abort it (errors: the sentence)" in world.parsed.message
    world.verdict = "PASS"
    world.ask("resume", "2")
    world.tick()
    began = world.now
    assert (world.phase, world.weight_of("2")) == ("Stepping", 50)
    while world.phase == "Stepping":
        world.tick()
    assert (world.phase, world.now - began >= 45) == ("Baking", True)
    while world.phase == "Baking":
        world.tick()
    assert world.parsed.stable == "2"


def test_a_deadline_within_the_bake_waits_for_its_hold_and_forgives_an_evaluation_without_data():
    world = baking(deadline="4m")  # over before the bake is
    world.verdict = "NO_DATA"
    for _ in range(6):
        world.tick()
    assert (world.phase, world.weight_of("2"), world.parsed.reason) == ("Baking", 100, "NotProven")
    world.verdict = "PASS"
    world.tick()
    assert world.parsed.stable == "2"


def test_continue_with_data_and_nothing_leaning_bad_ends_a_bake():
    world = baking()
    world.verdict = "CONTINUE"
    while world.phase == "Baking":
        world.tick()
    assert world.parsed.stable == "2"


def test_a_person_may_promote_a_bake_about_which_nothing_is_known():
    world = baking()
    world.verdict = "NO_DATA"
    world.ask("promote", "2", present(world.parsed.step).index)
    world.tick()
    assert world.parsed.stable == "2"


def test_an_outage_holds_the_bake_and_takes_it_back_to_the_first_step_after_max_blind():
    world = baking(maxBlind="5m", deadline="10h")
    world.outage = MetricsOutage("PrometheusUnreachable", "connection refused", world.now)
    for _ in range(10):
        world.tick()
    assert (world.phase, world.parsed.reason) == ("Baking", "MetricsUnavailable")
    for _ in range(20):
        world.tick()
    assert (world.phase, world.weight_of("2")) == ("Stepping", 5)
    assert "BlindTooLong" in reasons_of(world)
