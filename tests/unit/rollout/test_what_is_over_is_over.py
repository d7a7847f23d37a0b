"""What went wrong and is well again, or was asked and not answered, leaves neither a rollout stuck nor a wrong end."""

from __future__ import annotations

import pytest

from modelrollout.api.status import Verdict
from modelrollout.core.evaluation import MetricsOutage
from tests.expect import present
from tests.unit.rollout.world import World, in_doubt, manifest

GATES = [{"name": "errors", "type": "ErrorRate", "max": "6%"}]


@pytest.mark.alike(1)
@pytest.mark.parametrize("verdict", ["NO_DATA", "CONTINUE", "NOT_COMPARABLE"])
def test_what_passed_the_old_gates_is_not_promoted_by_the_new_ones(verdict: Verdict):
    world = World().stepping()
    while world.phase != "Baking":
        world.tick()
    world.tick()
    world.spec |= {"gates": GATES}
    world.verdict = verdict
    decision = world.tick()
    assert decision.lower is not None
    assert (world.phase, world.weight_of("2"), world.parsed.reason) == ("Stepping", 50, "GatesChanged")
    for _ in range(20):
        world.tick()
    assert (world.phase, world.weight_of("2"), present(world.parsed.rollout).doubts) == ("Stepping", 50, 0)
    world.verdict = "PASS"
    while world.phase != "Serving":
        world.tick()
    assert world.parsed.stable == "2"


def test_gates_and_steps_edited_together_record_the_weight_that_is_served():
    world = World().stepping()
    while world.weight_of("2") != 50:
        world.tick()
    world.spec |= {"gates": GATES, "steps": [{"weight": 5, "hold": "60s"}, {"weight": 10, "hold": "60s"}]}
    world.tick()
    status = world.parsed
    assert (present(status.step).weight, status.steps[-1].weight, world.weight_of("2")) == (10, 10, 10)
    assert status.steps[-1].started_at == present(status.step).started_at


def test_a_candidate_that_was_ready_all_the_while_is_not_rejected_for_a_restart_or_one_failed_probe():
    world = World().adopted()
    world.want("2")
    world.make_ready("2")
    world.outage = MetricsOutage("PrometheusUnreachable", "refused", world.now)
    for _ in range(90):
        world.tick()
    world.ready.clear()
    world.tick()
    assert world.phase == "Waiting"
    world.make_unready("2", failures=1)
    world.tick()
    assert world.phase == "Waiting"
    world.make_unready("2", failures=2)
    world.tick()
    assert (world.phase, present(world.parsed.rejected).reason) == ("Rejected", "ReadyDeadlineExceeded")


def again_in_doubt() -> World:
    world = in_doubt(World().stepping())
    world.verdict, world.frozen = "PASS", False
    in_doubt(world)
    world.verdict, world.frozen = "PASS", False
    assert (world.phase, world.parsed.reason) == ("Inconclusive", "BakeInDoubt")
    return world


@pytest.mark.slow
def test_a_doubt_that_nobody_answered_is_asked_again_after_a_loss():
    world = again_in_doubt()
    world.make_unready("2")
    world.tick()
    assert world.phase == "Waiting"
    world.make_ready("2")
    for _ in range(40):
        world.tick()
    assert (world.phase, world.parsed.reason, world.parsed.stable) == ("Inconclusive", "BakeInDoubt", "1")
    world.ask("resume", "2")
    for _ in range(40):
        world.tick()
    assert (world.phase, world.parsed.stable) == ("Serving", "2")


def test_no_bake_ends_while_something_else_halts_it():
    world = World().stepping()
    while world.phase != "Baking":
        world.tick()
    world.halt = "WeightsDiffer"
    for _ in range(10):
        world.tick()
    assert (world.phase, world.parsed.reason) == ("Baking", "WeightsDiffer")
    world.halt = None
    world.tick()
    assert world.parsed.stable == "2"


@pytest.mark.slow
def test_a_candidate_that_comes_and_goes_is_rejected_in_the_end():
    world = World().adopted()
    world.want("2")
    for number in range(300):
        if number % 2:
            world.make_unready("2", failures=1)
        else:
            world.make_ready("2", since=world.now)
        world.tick()
        if world.phase == "Rejected":
            break
    assert present(world.parsed.rejected).reason == "ReadyDeadlineExceeded"


@pytest.mark.slow
def test_the_answer_to_another_question_is_none_to_a_doubt():
    world = World(spec=manifest(analysis={"deadline": "30m", "minimumRequests": 100})).stepping()
    in_doubt(world)
    world.verdict, world.frozen = "PASS", False
    in_doubt(world)
    world.verdict, world.frozen = "CONTINUE", False
    assert (world.phase, world.parsed.reason) == ("Inconclusive", "BakeInDoubt")
    world.make_unready("2")
    world.tick()
    world.make_ready("2")
    while world.phase != "Inconclusive":
        world.tick()
    assert world.parsed.reason == "DeadlineExceeded"
    world.ask("resume", "2")
    world.verdict = "PASS"
    world.tick()
    while world.phase != "Inconclusive":
        world.tick()
    assert (world.parsed.reason, world.parsed.stable) == ("BakeInDoubt", "1")


def test_an_abort_under_an_invalid_spec_ends_the_attempt_that_was_raised_before():
    world = World().stepping()
    world.spec |= {"attempt": 2}
    world.tick()
    fixed = world.spec
    world.spec = fixed | {"steps": []}
    world.ask("abort", "2")
    world.tick()
    world.spec = fixed
    for _ in range(5):
        world.tick()
    assert (world.phase, present(world.parsed.rejected).attempt) == ("RolledBack", 2)


def test_an_abort_as_another_version_is_asked_for_ends_the_attempt_of_its_own():
    world = World().stepping()
    world.tick()
    world.want("3")
    world.spec |= {"attempt": 5}
    world.ask("abort", "2")
    world.tick()
    assert (present(world.parsed.rejected).version, present(world.parsed.rejected).attempt) == ("2", 1)


@pytest.mark.parametrize("end", ["abort", "breach"])
def test_an_attempt_raised_in_mid_rollout_is_the_one_that_ended(end: str):
    world = World().stepping()
    world.spec |= {"attempt": 2}
    world.tick()
    if end == "abort":
        world.ask("abort", "2")
    else:
        world.verdict = "FAIL"
    for _ in range(5):
        world.tick()
    assert (world.phase, present(world.parsed.rejected).attempt) == ("RolledBack", 2)
    world.verdict = "PASS"
    world.spec |= {"attempt": 3}
    world.tick()
    assert world.phase == "Waiting"


def test_a_pause_outside_a_rollout_is_refused_rather_than_forgotten():
    world = World().adopted()
    world.ask("pause")
    world.tick()
    assert present(world.parsed.last_command).result.startswith("refused")
