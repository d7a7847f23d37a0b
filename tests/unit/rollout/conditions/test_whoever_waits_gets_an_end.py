"""In every phase the conditions tell kubectl wait, Flux and Argo CD whether to go on waiting, and nothing too early."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest

from modelrollout.api.status import Phase
from modelrollout.core.observation import Readiness
from tests.kstatus import CURRENT, FAILED, IN_PROGRESS, kstatus
from tests.unit.rollout.world import World, manifest

APPROVAL = [{"weight": 5, "hold": "30s", "approval": True}, {"weight": 50, "hold": "30s"}]


def read_by_tools(world: World) -> str:
    return kstatus({"metadata": {"generation": world.generation}, "status": world.status})


def until(world: World, phase: str, ticks: int = 80) -> World:
    for _ in range(ticks):
        if world.phase == phase:
            return world
        world.tick()
    raise AssertionError(f"{world.phase}, not {phase}: {world.parsed.message}")


def adopting() -> World:
    world = World()
    world.run()
    return world


def waiting() -> World:
    world = World().adopted()
    world.want("2")
    world.tick()
    return world


def inconclusive() -> World:
    world = World(spec=manifest(analysis={"deadline": "10m", "minimumRequests": 100})).stepping()
    world.verdict = "CONTINUE"
    return until(world, "Inconclusive")


def rolled_back() -> World:
    world = World().stepping()
    world.verdict = "FAIL"
    world.tick()
    world.tick()
    return world


def rejected() -> World:
    world = World().adopted()
    world.want("2")
    world.ready["2"] = Readiness("2", ready=False, since=None, failures=2, message="refused")
    return until(world, "Rejected", 400)


PHASES: dict[Phase, tuple[Callable[[], World], str]] = {
    "Adopting": (adopting, IN_PROGRESS),
    "Serving": (lambda: World().adopted(), CURRENT),
    "Waiting": (waiting, IN_PROGRESS),
    "Preflight": (lambda: World().in_preflight(), IN_PROGRESS),
    "Stepping": (lambda: World().stepping(), IN_PROGRESS),
    "AwaitingApproval": (
        lambda: until(World(spec=manifest(steps=APPROVAL)).stepping(), "AwaitingApproval"),
        IN_PROGRESS,
    ),
    "Inconclusive": (inconclusive, FAILED),
    "Baking": (lambda: until(World().stepping(), "Baking"), IN_PROGRESS),
    "RolledBack": (rolled_back, FAILED),
    "Rejected": (rejected, FAILED),
}


def test_the_table_has_every_phase():
    assert set(PHASES) == set(get_args(Phase))


@pytest.mark.parametrize("phase", PHASES)
def test_each_phase_is_read_as(phase: Phase):
    make, expected = PHASES[phase]
    world = make()
    assert world.phase == phase
    assert read_by_tools(world) == expected
    found = {one.type: one.status for one in world.parsed.conditions}
    assert found["Ready"] == {CURRENT: "True", FAILED: "False", IN_PROGRESS: "Unknown"}[expected]
    assert (found.get("Reconciling"), found.get("Stalled")) == {
        CURRENT: (None, None),
        FAILED: (None, "True"),
        IN_PROGRESS: ("True", None),
    }[expected]
    assert {one.observed_generation for one in world.parsed.conditions} == {world.generation}


@pytest.mark.parametrize("phase", PHASES)
def test_an_edit_that_no_pass_has_seen_is_in_progress_whatever_the_phase(phase: Phase):
    world = PHASES[phase][0]()
    world.generation += 1
    assert read_by_tools(world) == IN_PROGRESS


def test_a_candidate_that_fails_and_is_held_for_a_person_has_stalled():
    world = World(spec=manifest(analysis={"onBreach": "Pause", "minimumRequests": 100})).stepping()
    world.verdict = "FAIL"
    world.tick()
    assert (world.parsed.reason, read_by_tools(world)) == ("BreachHeld", FAILED)


@pytest.mark.parametrize("command", [None, "pause", "abort", "retry"])
def test_a_pass_that_does_something_else_first_does_not_call_the_new_version_ready(command: str | None):
    world = World().adopted()
    world.want("2")
    if command is not None:
        world.ask(command)
    for _ in range(3):
        world.tick(1)
        assert (world.phase, read_by_tools(world)) != ("Serving", CURRENT)
        assert read_by_tools(world) != CURRENT


def test_ready_means_that_the_route_gives_all_traffic_to_the_version_in_spec():
    world, read = World().adopted(), []
    world.want("2")
    world.make_ready("2")
    for _ in range(60):
        world.tick()
        read.append(read_by_tools(world))
        if read[-1] == CURRENT:
            assert (world.parsed.stable, world.weight_of("2")) == ("2", 100)
            break
    assert set(read[:-1]) == {IN_PROGRESS}
    assert read[-1] == CURRENT


def test_a_first_version_is_not_ready_before_there_is_a_route():
    world = World()
    world.make_ready("1")
    world.run()
    assert (world.phase, read_by_tools(world)) == ("Serving", IN_PROGRESS)
    world.run()
    assert read_by_tools(world) == CURRENT


def test_after_a_rollback_the_version_that_serves_is_ready_again_once_git_names_it():
    world = rolled_back()
    world.want("1")
    world.tick(1)
    world.tick(1)
    assert (world.phase, read_by_tools(world)) == ("Serving", CURRENT)
