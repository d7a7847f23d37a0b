"""Commands, approvals, pauses, and what is left for a person to decide."""

from __future__ import annotations

from modelrollout.core.observation import MalformedCommand
from tests.golden.scenarios.acting import Scenario, outage, ticks, until, with_analysis, with_spec
from tests.unit.rollout.world import World

APPROVALS = [{"weight": 5, "hold": "30s", "approval": True}, {"weight": 50, "hold": "30s"}]


def a_person_aborts(world: World) -> None:
    world.stepping().ask("abort", "2")
    world.tick()


def a_breach_is_held_for_a_person(world: World) -> None:
    with_analysis(world, onBreach="Pause").verdict = "FAIL"
    ticks(world, 2)
    world.ask("abort", "2")
    world.tick()


def the_deadline_asks_a_person_who_resumes(world: World) -> None:
    with_analysis(world, deadline="5m").verdict = "CONTINUE"
    until(world, "Inconclusive")
    world.ask("resume", "2")
    ticks(world, 2)


def a_step_waits_for_approval(world: World) -> None:
    until(with_spec(world, steps=APPROVALS), "AwaitingApproval")
    outage(world)
    world.tick()
    world.outage = None
    world.ask("pause")
    world.tick()
    world.ask("resume")
    ticks(world, 2)
    world.ask("approve", "2", 0)
    ticks(world, 2)


def an_approval_is_no_longer_asked_for(world: World) -> None:
    until(with_spec(world, steps=APPROVALS), "AwaitingApproval")
    world.spec |= {"steps": [{"weight": 5, "hold": "30s"}, APPROVALS[1]]}
    ticks(world, 2)


def a_step_is_approved_before_it_is_done(world: World) -> None:
    with_spec(world, steps=APPROVALS).ask("approve", "2", 0)
    ticks(world, 3)


def a_person_promotes_and_ends_the_bake(world: World) -> None:
    world.stepping().ask("promote", "2", 0)
    ticks(world, 2)
    world.ask("promote", "2", world.parsed.step.index if world.parsed.step else None)
    world.tick()


def a_pause_in_the_spec(world: World) -> None:
    world.stepping().spec |= {"paused": True}
    ticks(world, 2)
    world.ask("resume")
    world.tick()


def a_pause_by_command(world: World) -> None:
    world.stepping().ask("pause")
    ticks(world, 2)
    world.ask("pause")
    world.tick()
    world.ask("resume")
    ticks(world, 2)


def a_pause_by_command_where_breaches_are_for_a_person(world: World) -> None:
    with_analysis(world, onBreach="Pause").ask("pause")
    ticks(world, 2)


def commands_that_are_refused_while_nothing_is_tried(world: World) -> None:
    world.adopted()
    for verb in ("abort", "approve", "pause", "resume", "retry", "promote"):
        world.ask(verb, None if verb in ("pause", "resume") else "1")
        world.tick()
        world.ask(verb)
        world.tick()


def commands_that_are_refused_in_a_step(world: World) -> None:
    world.stepping()
    for verb, version, step in (
        ("abort", "9", None),
        ("abort", None, None),
        ("approve", "2", 0),
        ("approve", "2", 3),
        ("promote", "2", None),
        ("resume", "2", None),
        ("retry", "2", None),
    ):
        world.ask(verb, version, step)
        world.tick(1)
    world.command = MalformedCommand("n-malformed", "the verb 'destroy' is unknown")
    world.tick(1)
    world.make_unready("2", failures=1)
    world.ask("promote", "2", 0)
    world.tick(1)
    world.ask("promote", "2", 0, nonce="broken")
    world.spec |= {"steps": []}
    world.tick(1)
    world.ask("approve", "2", 0)
    world.tick(1)


def commands_that_are_refused_after_a_rollback(world: World) -> None:
    world.stepping().verdict = "FAIL"
    world.tick()
    for verb in ("abort", "approve", "promote"):
        world.ask(verb, "2")
        world.tick(1)
    world.want("2")
    world.spec["model"] = {"name": "digits", "version": "1"}
    world.ask("retry", "2")
    world.tick(1)


ALL: tuple[Scenario, ...] = (
    a_person_aborts,
    a_breach_is_held_for_a_person,
    the_deadline_asks_a_person_who_resumes,
    a_step_waits_for_approval,
    an_approval_is_no_longer_asked_for,
    a_step_is_approved_before_it_is_done,
    a_person_promotes_and_ends_the_bake,
    a_pause_in_the_spec,
    a_pause_by_command,
    a_pause_by_command_where_breaches_are_for_a_person,
    commands_that_are_refused_while_nothing_is_tried,
    commands_that_are_refused_in_a_step,
    commands_that_are_refused_after_a_rollback,
)
