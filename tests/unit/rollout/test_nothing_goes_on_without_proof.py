"""What is not proven, not ready or not approved is never given more traffic, and in the end is let go."""

from __future__ import annotations

import pytest

from modelrollout.core.evaluation import MetricsOutage
from tests.expect import present
from tests.unit.rollout.world import World, manifest, reasons_of


def test_too_few_requests_hold_the_step():
    world = World().stepping()
    world.requests = 40
    for _ in range(20):
        world.tick()
    assert world.phase == "Stepping"
    assert world.weight_of("2") == 5
    assert world.parsed.reason == "TooFewRequests"


@pytest.mark.slow
@pytest.mark.parametrize("verdict", ["CONTINUE", "NO_DATA", "NOT_COMPARABLE"])
def test_what_is_not_proven_is_never_promoted(verdict):
    world = World(spec=manifest(analysis={"deadline": "10h", "minimumRequests": 1})).stepping()
    world.verdict = verdict
    for _ in range(100):
        world.tick()
    assert world.weight_of("2") < 100
    assert world.parsed.stable == "1"


@pytest.mark.slow
def test_evidence_that_was_not_read_again_raises_nothing_and_still_rolls_back():
    world = World().stepping()
    world.confirmed = False
    for _ in range(100):
        world.tick()
    assert world.weight_of("2") == 5
    assert world.parsed.reason == "WaitingForEvaluation"
    assert "being read again" in world.parsed.message
    world.verdict = "FAIL"
    world.tick(2)
    assert world.weight_of("2") == 0


@pytest.mark.slow
def test_a_bake_ends_only_by_evidence_that_was_read_again():
    world = World().stepping()
    while world.phase != "Baking":
        world.tick()
    world.confirmed = False
    for _ in range(100):
        world.tick()
    assert world.parsed.stable == "1"
    world.confirmed = True
    for _ in range(5):
        world.tick()
    assert world.parsed.stable == "2"


def test_without_metrics_the_weight_is_held_and_goes_on_by_itself_afterwards():
    world = World().stepping()
    world.outage = MetricsOutage("PrometheusUnreachable", "connection refused", world.now)
    for _ in range(20):
        world.tick()
    assert world.weight_of("2") == 5
    assert world.parsed.reason == "MetricsUnavailable"
    world.outage = None
    for _ in range(60):
        world.tick()
    assert world.parsed.stable == "2"


def test_blind_for_longer_than_allowed_goes_back_to_the_first_steps_weight():
    world = World(spec=manifest(analysis={"maxBlind": "2m", "minimumRequests": 1})).stepping()
    while world.weight_of("2") < 25:
        world.tick()
    world.outage = MetricsOutage("PrometheusUnreachable", "connection refused", world.now)
    for _ in range(10):
        world.tick()
    assert world.weight_of("2") == 5
    assert world.phase == "Stepping"


def test_a_candidate_that_stops_being_ready_loses_its_traffic_and_earns_it_back():
    world = World().stepping()
    world.make_unready("2", failures=1)
    world.tick(2)
    assert world.weight_of("2") == 5
    world.make_unready("2")
    world.tick(2)
    assert world.weight_of("2") == 0
    assert world.phase == "Waiting"
    world.make_ready("2", since=world.now)
    world.tick(10)
    assert world.weight_of("2") == 0
    world.tick(25)
    assert world.weight_of("2") == 5


def test_the_third_loss_is_a_rollback():
    world = World().stepping()
    for _ in range(3):
        world.make_unready("2")
        world.tick(2)
        world.make_ready("2")
        world.tick(2)
    assert world.phase == "RolledBack"
    assert present(world.parsed.rejected).reason == "CandidateUnstable"


def test_a_candidate_that_never_gets_ready_is_rejected_at_its_deadline():
    world = World().adopted()
    world.want("2")
    world.make_unready("2", failures=9)
    for _ in range(70):
        world.tick()
        assert world.weight_of("2") == 0
    assert world.phase == "Rejected"
    assert present(world.parsed.rejected).reason == "ReadyDeadlineExceeded"


def test_a_step_with_approval_waits_for_it_and_a_leftover_approval_is_refused():
    steps = [{"weight": 5, "hold": "30s", "approval": True}, {"weight": 50, "hold": "30s", "approval": True}]
    world = World(spec=manifest(steps=steps)).stepping()
    for _ in range(5):
        world.tick()
    assert world.phase == "AwaitingApproval"
    assert world.weight_of("2") == 5
    world.ask("approve", "2", 0)
    world.tick()
    world.tick()
    assert world.weight_of("2") == 50
    world.ask("approve", "2", 0, nonce="leftover")
    for _ in range(5):
        world.tick()
    assert world.phase == "AwaitingApproval"
    assert present(world.parsed.last_command).result.startswith("refused")
    assert "CommandRefused" in reasons_of(world)


def test_the_deadline_pauses_for_a_person_and_resume_goes_on():
    world = World(spec=manifest(analysis={"deadline": "5m", "minimumRequests": 1})).stepping()
    world.verdict = "CONTINUE"
    for _ in range(40):
        world.tick()
    assert world.phase == "Inconclusive"
    assert "errors" in world.parsed.message
    weight = world.weight_of("2")
    assert weight > 0
    world.ask("resume", "2")
    world.tick()
    assert world.phase == "Stepping"
    world.verdict = "PASS"
    for _ in range(40):
        world.tick()
    assert world.parsed.stable == "2"


@pytest.mark.slow
def test_the_deadlines_clock_stops_while_paused():
    world = World(spec=manifest(analysis={"deadline": "5m", "minimumRequests": 1})).stepping()
    world.ask("pause")
    for _ in range(100):
        world.tick()
    assert world.phase == "Stepping"
    assert world.weight_of("2") == 5
    world.ask("resume")
    for _ in range(30):
        world.tick()
    assert world.parsed.stable == "2"


def test_a_promotion_asked_of_a_process_that_has_just_started_waits_until_readiness_is_known():
    world = World().stepping()
    world.ready.clear()
    world.ask("promote", "2", 0)
    world.tick(1)
    assert world.phase == "Stepping"
    assert world.command is not None
    world.make_ready("2")
    world.tick(1)
    assert world.phase == "Baking"
