"""Every way a rollout ends without a promotion, and the bakes that are in doubt."""

from __future__ import annotations

from dataclasses import replace

from tests.golden.scenarios.acting import Scenario, doubt, ticks, until, with_analysis
from tests.unit.rollout.world import World


def a_failing_gate_rolls_back_and_the_version_is_not_retried_until_asked(world: World) -> None:
    world.stepping().verdict = "FAIL"
    ticks(world, 2)
    world.verdict = "PASS"
    world.ask("retry", "1")
    world.tick()
    world.ask("retry", "2")
    world.tick()


def a_rolled_back_version_says_so_again_after_another_reason(world: World) -> None:
    world.stepping().verdict = "FAIL"
    world.tick()
    assert world.route is not None
    accepted = world.route
    world.route = replace(accepted, acceptance="REJECTED", acceptance_reason="listener web does not allow it")
    world.tick()
    world.route = accepted
    world.tick()
    world.spec["attempt"] = 2
    world.tick()


def several_gates_together_roll_back(world: World) -> None:
    world.stepping().rollback = "CombinedEvidence"
    world.tick()


def a_gate_fails_in_the_bake(world: World) -> None:
    until(world.stepping(), "Baking")
    world.tick(1)
    world.verdict = "FAIL"
    world.tick()


def a_candidate_is_lost_and_rolled_back_at_the_third_time(world: World) -> None:
    world.stepping()
    for _ in range(3):
        world.make_unready("2")
        world.tick(2)
        world.make_ready("2", since=world.now)
        ticks(world, 3)


def a_candidate_is_never_ready(world: World) -> None:
    world.adopted().want("2")
    world.tick(1)
    world.make_unready("2", failures=9)
    until(world, "Rejected")
    world.tick()


def the_spec_goes_back_to_stable(world: World) -> None:
    world.stepping().want("1")
    ticks(world, 2)


def a_third_version_replaces_the_second(world: World) -> None:
    world.stepping().want("3")
    ticks(world, 2)


def a_fast_rollback_to_the_previous_version(world: World) -> None:
    until(world.stepping(), "Serving")
    world.tick(1)
    world.want("1")
    world.make_ready("1")
    ticks(world, 2)


def the_deadline_rolls_back_where_the_spec_says_so(world: World) -> None:
    with_analysis(world, deadline="5m", onInconclusive="Rollback").verdict = "CONTINUE"
    until(world, "RolledBack")


def open_at_the_deadline(world: World) -> World:
    """Not proven, nothing against it, and the spec goes on."""
    with_analysis(world, deadline="5m", onInconclusive="Promote")
    world.verdict, world.excluded = "CONTINUE", "errors at most 1.1 %, 95 %: not proven <= 0.73 %"
    return world


def the_deadline_goes_on_unproven_where_the_spec_says_so(world: World) -> None:
    until(open_at_the_deadline(world), "Serving")
    world.tick()


def each_step_goes_on_unproven_after_the_deadline(world: World) -> None:
    open_at_the_deadline(world).leaning = True
    world.outweighed = False
    until(world, "Serving")


def the_deadline_asks_a_person_where_more_speaks_against_it(world: World) -> None:
    open_at_the_deadline(world).outweighed = True
    until(world, "Inconclusive")


def a_bake_that_began_unproven_and_is_worse_asks_a_person(world: World) -> None:
    until(open_at_the_deadline(world), "Baking")
    world.tick(1)
    world.outweighed = True
    until(world, "Inconclusive")


def a_bake_in_doubt_is_not_followed_by_another_unproven(world: World) -> None:
    open_at_the_deadline(world).verdict = "PASS"
    doubt(world)
    world.verdict = "CONTINUE"
    until(world, "Inconclusive")


def a_bake_in_doubt_is_compared_and_the_second_asks_a_person(world: World) -> None:
    doubt(world.stepping())
    doubt(world)
    world.tick()


def a_second_doubt_rolls_back_where_the_spec_says_so(world: World) -> None:
    doubt(with_analysis(world, onInconclusive="Rollback"))
    doubt(world)


def a_bake_in_doubt_is_held_for_a_person(world: World) -> None:
    doubt(with_analysis(world, onBreach="Pause"))


def a_doubt_that_was_asked_about_is_asked_again_after_a_loss(world: World) -> None:
    doubt(world.stepping())
    doubt(world)
    world.make_unready("2")
    world.tick(2)
    world.make_ready("2")
    until(world, "Inconclusive")


ALL: tuple[Scenario, ...] = (
    a_failing_gate_rolls_back_and_the_version_is_not_retried_until_asked,
    a_rolled_back_version_says_so_again_after_another_reason,
    several_gates_together_roll_back,
    a_gate_fails_in_the_bake,
    a_candidate_is_lost_and_rolled_back_at_the_third_time,
    a_candidate_is_never_ready,
    the_spec_goes_back_to_stable,
    a_third_version_replaces_the_second,
    a_fast_rollback_to_the_previous_version,
    the_deadline_rolls_back_where_the_spec_says_so,
    the_deadline_goes_on_unproven_where_the_spec_says_so,
    each_step_goes_on_unproven_after_the_deadline,
    the_deadline_asks_a_person_where_more_speaks_against_it,
    a_bake_that_began_unproven_and_is_worse_asks_a_person,
    a_bake_in_doubt_is_not_followed_by_another_unproven,
    a_bake_in_doubt_is_compared_and_the_second_asks_a_person,
    a_second_doubt_rolls_back_where_the_spec_says_so,
    a_bake_in_doubt_is_held_for_a_person,
    a_doubt_that_was_asked_about_is_asked_again_after_a_loss,
)
