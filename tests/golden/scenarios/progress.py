"""Forwards, and what a rollout waits for before its weight is raised."""

from __future__ import annotations

from modelrollout.core.evaluation import GateResult
from tests.golden.scenarios.acting import Scenario, outage, ticks, until, with_analysis
from tests.unit.rollout.world import World, manifest


def the_first_version_is_adopted_when_it_is_ready(world: World) -> None:
    world.run()
    world.make_unready("1")
    world.tick()
    world.make_ready("1")
    ticks(world, 2)


def a_good_version_is_promoted(world: World) -> None:
    world.adopted().want("2")
    world.make_ready("2")
    until(world, "Stepping")
    until(world, "Serving")
    ticks(world, 2)


def a_candidate_waits_for_its_first_evaluation(world: World) -> None:
    world.adopted().want("2")
    world.make_ready("2")
    world.evaluating = False
    ticks(world, 2)


def a_candidate_is_not_ready_for_long_enough_to_be_raised(world: World) -> None:
    world.stepping().make_ready("2", since=world.now)
    world.tick(1)
    world.make_unready("2", failures=1)
    world.tick(1)


def too_few_requests(world: World) -> None:
    world.stepping().requests = 40
    ticks(world, 5)


def the_evidence_leans_against_the_candidate(world: World) -> None:
    world.stepping().leaning = True
    ticks(world, 5)


def the_last_step_is_not_proven(world: World) -> None:
    world.stepping().verdict = "CONTINUE"
    while world.weight_of("2") < 50:
        world.tick()
    ticks(world, 6)


def no_gate_is_required(world: World) -> None:
    world.stepping().required = False
    while world.weight_of("2") < 50:
        world.tick()
    ticks(world, 6)


def an_error_budget_is_spent_too_fast(world: World) -> None:
    world.stepping().halt = "BurnRate"
    world.tick()


def a_series_is_missing(world: World) -> None:
    world.stepping().halt = "SamplesMissing"
    world.tick()


def the_metrics_are_gone_and_come_back(world: World) -> None:
    outage(world.stepping())
    ticks(world, 2)
    world.outage = None
    ticks(world, 2)


def the_metrics_are_gone_for_longer_than_allowed(world: World) -> None:
    with_analysis(world, maxBlind="2m")
    while world.weight_of("2") < 25:
        world.tick()
    outage(world)
    ticks(world, 12)


def _left_out(name: str) -> GateResult:
    text = "NotExported: stable (version 1, 3,204 requests by Triton's count) exports no histogram"
    return GateResult(name, "Latency", "NO_DATA", text, required=False, unjudgeable=True, left_out=True)


def default_gates_are_left_out_and_come_back(world: World) -> None:
    world.spec = manifest(gates=[])
    world.default_gates, world.beside = ("errors",), (_left_out("latency"), _left_out("accuracy"))
    world.stepping()
    world.default_gates, world.beside = ("errors", "latency"), (GateResult("latency", "Latency", "PASS", "fast"),)
    world.tick()
    world.beside = (_left_out("latency"),)
    world.tick()


def left_out_from_the_start(world: World) -> None:
    world.spec = manifest(gates=[])
    world.adopted().want("2")
    world.make_ready("2")
    world.default_gates, world.beside = ("errors",), (_left_out("latency"),)
    ticks(world, 3)


def a_gate_of_ones_own_cannot_be_judged_here(world: World) -> None:
    world.adopted().want("2")
    world.make_ready("2")
    world.verdict, world.unjudgeable = "NO_DATA", True
    ticks(world, 3)
    world.verdict, world.unjudgeable = "PASS", False
    ticks(world, 2)
    world.verdict, world.unjudgeable = "NO_DATA", True
    ticks(world, 2)


def nothing_here_can_be_judged(world: World) -> None:
    world.adopted().want("2")
    world.make_ready("2")
    world.halt = "NothingToJudge"
    ticks(world, 3)


def a_store_that_has_just_started(world: World) -> None:
    world.adopted().want("2")
    world.make_ready("2")
    for world.scrapes in (0, 1, 2, 3):
        world.tick()


def a_plan_is_said_at_the_start(world: World) -> None:
    world.plan = "at stable's 20 requests/s, median time to PASS if as good as stable: errors 19 min"
    world.adopted().want("2")
    world.make_ready("2")
    ticks(world, 3)


ALL: tuple[Scenario, ...] = (
    a_plan_is_said_at_the_start,
    the_first_version_is_adopted_when_it_is_ready,
    a_good_version_is_promoted,
    a_candidate_waits_for_its_first_evaluation,
    a_candidate_is_not_ready_for_long_enough_to_be_raised,
    too_few_requests,
    the_evidence_leans_against_the_candidate,
    the_last_step_is_not_proven,
    no_gate_is_required,
    an_error_budget_is_spent_too_fast,
    a_series_is_missing,
    default_gates_are_left_out_and_come_back,
    left_out_from_the_start,
    a_gate_of_ones_own_cannot_be_judged_here,
    nothing_here_can_be_judged,
    a_store_that_has_just_started,
    the_metrics_are_gone_and_come_back,
    the_metrics_are_gone_for_longer_than_allowed,
)
