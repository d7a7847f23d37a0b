"""A route of this name that somebody else made is never written, in no phase; status and one Event say so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from modelrollout.core.observation import Backend, ObservedRoute
from tests.expect import present
from tests.unit.rollout.world import World, manifest, reasons_of

THEIRS = ObservedRoute(
    "9", (Backend("9", "payments", 80, 30), Backend("2", "beta", 80, 70)), "1", model="other", foreign="it has no mark"
)


def new() -> World:
    world = World()
    world.make_ready("1")
    return world


def in_phase(phase: str) -> World:
    world = World(spec=manifest(steps=[{"weight": 50, "hold": "60s", "approval": phase == "AwaitingApproval"}]))
    world.stepping()
    if phase == "Inconclusive":
        world.verdict = "CONTINUE"
    while world.phase != phase:
        world.tick()
    return world


def rolled_back() -> World:
    world = World().stepping()
    world.verdict = "FAIL"
    world.tick()
    return world


def waiting() -> World:
    world = World().stepping()
    world.make_unready("2")
    world.tick()
    return world


PHASES: dict[str, Callable[[], World]] = {
    "Adopting": new,
    "Serving": lambda: World().adopted(),
    "Waiting": waiting,
    "Stepping": lambda: World().stepping(),
    "AwaitingApproval": lambda: in_phase("AwaitingApproval"),
    "Inconclusive": lambda: in_phase("Inconclusive"),
    "Baking": lambda: in_phase("Baking"),
    "RolledBack": rolled_back,
}


@pytest.mark.slow
@pytest.mark.parametrize("phase", PHASES)
def test_in_no_phase_is_it_written_whatever_happens(phase: str):
    world = PHASES[phase]()
    assert world.phase == phase
    before, world.route = world.parsed, THEIRS
    for verdict, version in (("PASS", "2"), ("FAIL", "2"), ("PASS", "3"), ("PASS", "1")):
        world.verdict = verdict  # type: ignore[assignment]
        world.want(version)
        world.make_ready(version)
        decision = world.tick(61)
        assert (decision.lower, decision.route, world.route) == (None, None, THEIRS)
    world.make_unready("2")
    world.tick(61)
    after = world.parsed
    assert (after.phase, after.stable, after.candidate) == (before.phase, before.stable, before.candidate)
    assert (after.reason, after.weight.observed) == ("RouteNotOurs", None)
    assert "it has no mark" in after.message
    assert "modelrollout.dev/stable=VERSION" in after.message
    assert {condition.type: condition.status for condition in after.conditions}["Stalled"] == "True"
    assert reasons_of(world).count("RouteNotOurs") == 1


def test_a_broken_spec_changes_nothing_about_it():
    world = World().stepping()
    world.spec, world.route = world.spec | {"steps": []}, THEIRS
    decision = world.tick()
    assert (decision.lower, decision.route, world.parsed.reason) == (None, None, "RouteNotOurs")


@pytest.mark.parametrize("verb", ["approve", "abort", "pause", "resume", "retry", "promote"])
def test_a_command_is_refused_with_the_reason(verb: str):
    world = World().stepping()
    world.route = THEIRS
    world.ask(verb, "2", 0)
    world.tick()
    last = present(world.parsed.last_command)
    assert (last.outcome, world.command) == ("Refused", None)
    assert "somebody else's" in last.result
    assert world.parsed.reason == "RouteNotOurs"


def test_when_it_is_gone_the_rollout_goes_on_from_stable():
    world = World().stepping()
    world.route = THEIRS
    for _ in range(3):
        world.tick()
    world.route = None
    world.tick()
    assert (world.weight_of("1"), world.weight_of("2")) == (100, 0)
    while world.phase != "Serving":
        world.tick()
    assert world.parsed.stable == "2"


def test_a_route_that_is_handed_over_is_adopted():
    world = new()
    world.route = replace(THEIRS, foreign="", stable="1", backends=(Backend("1", "digits-v1", 8000, 100),), model=None)
    world.tick()
    assert (world.phase, world.parsed.stable) == ("Serving", "1")


def test_refused_writes_of_before_are_not_told_of_it():
    world = World().stepping()
    world.route, world.refusals, world.refusal = THEIRS, 9, "forbidden"
    world.tick()
    assert world.parsed.reason == "RouteNotOurs"
    assert "RouteNotWritten" not in reasons_of(world)
