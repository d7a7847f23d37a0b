"""What a rollout does in every phase, one sentence a test."""

from __future__ import annotations

from dataclasses import replace

import pytest

from modelrollout.core.evaluation import MetricsOutage
from tests.expect import present
from tests.unit.rollout.world import World, manifest


def reasons_of(world: World) -> list[str]:
    return [event.reason for event in world.events]


def test_the_first_version_is_adopted_once_it_is_ready():
    world = World()
    world.run()
    assert world.phase == "Adopting"
    assert world.route is None
    world.make_ready("1")
    world.tick()
    assert world.phase == "Serving"
    assert world.weight_of("1") == 100
    assert world.parsed.stable == "1"


def test_a_good_version_walks_every_step_and_is_promoted():
    world = World().stepping()
    for _ in range(60):
        world.tick()
        if world.phase == "Serving":
            break
    assert world.parsed.stable == "2"
    assert present(world.parsed.previous).version == "1"
    assert [w for i, w in enumerate(world.weights) if i == 0 or world.weights[i - 1] != w] == [0, 5, 25, 50, 100, 0]
    assert world.weight_of("2") == 100
    assert world.parsed.history[-1].result == "Promoted"


def test_no_step_is_shorter_than_its_hold():
    world = World().stepping()
    began = present(world.parsed.step).started_at
    while world.weight_of("2") == 5:
        world.tick(5)
    assert world.now - began >= 60


def test_a_failing_gate_rolls_back_with_the_lowering_as_first_write():
    world = World().stepping()
    world.verdict = "FAIL"
    decision = world.tick()
    assert decision.lower is not None
    assert decision.lower.weight == 0
    assert world.weight_of("2") == 0
    assert world.phase == "RolledBack"
    assert present(world.parsed.rejected).version == "2"
    assert "GateFailed" in reasons_of(world)


def test_a_gate_that_is_not_required_never_rolls_back():
    world = World().stepping()
    world.verdict, world.required = "FAIL", False
    world.tick()
    assert world.phase == "Stepping"


def test_a_rolled_back_version_is_not_tried_again_until_attempt_or_version_change():
    world = World().stepping()
    world.verdict = "FAIL"
    world.tick()
    world.verdict = "PASS"
    for _ in range(5):
        world.tick()
    assert world.phase == "RolledBack"
    assert {c.type: c.status for c in world.parsed.conditions} == {"Ready": "False", "Stalled": "True"}
    world.spec["attempt"] = 2
    world.tick()
    assert world.phase == "Waiting"
    assert present(world.parsed.rollout).attempt == 2


def test_putting_stable_back_in_spec_aborts_in_one_pass_with_the_lowering_first():
    world = World().stepping()
    world.want("1")
    decision = world.tick(0.1)
    assert decision.lower is not None
    assert world.weight_of("2") == 0
    assert world.phase == "Serving"
    assert world.parsed.history[-1].result == "Aborted"


def test_a_third_version_in_mid_rollout_starts_over_from_nothing():
    world = World().stepping()
    world.want("3")
    world.tick(0.1)
    assert world.weight_of("2") == 0
    assert world.phase == "Waiting"
    assert world.parsed.candidate == "3"
    assert world.parsed.history[-1].result == "Replaced"


def test_too_few_requests_hold_the_step():
    world = World().stepping()
    world.requests = 40
    for _ in range(20):
        world.tick()
    assert world.phase == "Stepping"
    assert world.weight_of("2") == 5
    assert world.parsed.reason == "TooFewRequests"


@pytest.mark.parametrize("verdict", ["CONTINUE", "NO_DATA", "NOT_COMPARABLE"])
def test_what_is_not_proven_is_never_promoted(verdict):
    world = World(spec=manifest(analysis={"deadline": "10h", "minimumRequests": 1})).stepping()
    world.verdict = verdict
    for _ in range(100):
        world.tick()
    assert world.weight_of("2") < 100
    assert world.parsed.stable == "1"


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


def test_an_abort_works_while_the_spec_is_invalid():
    world = World().stepping()
    world.spec = world.spec | {"steps": []}
    world.tick()
    assert world.parsed.reason == "InvalidSpec"
    assert world.weight_of("2") == 5
    world.ask("abort", "2")
    decision = world.tick(0.1)
    assert decision.lower is not None
    assert world.weight_of("2") == 0


def test_an_invalid_spec_moves_no_traffic_and_names_the_field_to_fix():
    world = World().adopted()
    world.spec = world.spec | {"steps": [{"weight": 50, "hold": "1m"}, {"weight": 5, "hold": "1m"}]}
    world.tick()
    status = world.parsed
    assert {c.type: (c.status, c.reason) for c in status.conditions} == {
        "Ready": ("False", "InvalidSpec"),
        "Stalled": ("True", "InvalidSpec"),
    }
    assert "steps[1].weight" in status.message
    assert world.weight_of("1") == 100


def test_editing_steps_never_raises_the_weight():
    world = World().stepping()
    world.spec = world.spec | {"steps": [{"weight": 40, "hold": "60s"}, {"weight": 90, "hold": "60s"}]}
    world.tick(1)
    assert world.weight_of("2") == 5
    world.spec = world.spec | {"steps": [{"weight": 1, "hold": "60s"}, {"weight": 90, "hold": "60s"}]}
    world.tick(1)
    assert world.weight_of("2") == 1


def test_editing_gates_restarts_the_evidence_and_records_it():
    world = World().stepping()
    before = present(world.parsed.rollout).evidence_from
    world.spec = world.spec | {"gates": [{"name": "errors", "type": "ErrorRate", "max": "2%"}]}
    world.tick(20)
    assert present(world.parsed.rollout).evidence_from > before
    world.tick(1)
    assert reasons_of(world).count("GatesChanged") == 1
    assert "StepsChanged" not in reasons_of(world)
    for _ in range(60):
        world.tick()
    assert world.parsed.stable == "2"


def test_a_weight_raised_by_hand_is_put_down_at_once():
    world = World().stepping()
    world.set_weight(80)
    decision = world.tick(0.1)
    assert decision.lower is not None
    assert world.weight_of("2") == 5
    assert any(e.reason == "WeightRaisedByOthers" and "kubectl-edit" in e.message for e in world.events)


def test_a_weight_lowered_by_hand_is_accepted_until_an_evaluation_does_not_fail():
    world = World().stepping()
    world.evaluating = False
    world.set_weight(1)
    for _ in range(5):
        world.tick(2)
    assert world.weight_of("2") == 1
    assert world.parsed.reason == "WeightLowered"
    world.evaluating = True
    world.tick(2)
    assert world.weight_of("2") == 5


def test_a_step_whose_raise_got_lost_is_held_in_full_once_it_has_its_weight():
    world = World().stepping()
    while present(world.parsed.step).weight == 5:
        world.tick(crash="route")
    assert (present(world.parsed.step).weight, world.weight_of("2")) == (25, 5)
    world.evaluating = False
    for _ in range(6):
        world.tick()
    assert (present(world.parsed.step).weight, world.weight_of("2")) == (25, 5)
    world.evaluating = True
    world.tick()
    assert world.weight_of("2") == 25
    raised = world.now
    while world.weight_of("2") == 25:
        world.tick()
    assert world.weight_of("2") == 50
    assert world.now - raised >= 60


def test_a_bake_whose_weight_was_lowered_by_hand_starts_again_and_promotes_nothing_before():
    world = World().stepping()
    while world.phase != "Baking":
        world.tick()
    world.tick(1)
    world.evaluating = False
    world.set_weight(40)
    for _ in range(10):
        world.tick()
    assert (world.phase, world.weight_of("2")) == ("Baking", 40)
    world.evaluating = True
    world.tick()
    assert (world.phase, world.weight_of("2")) == ("Baking", 100)
    raised = world.now
    while world.phase == "Baking":
        world.tick()
    assert world.parsed.stable == "2"
    assert world.now - raised >= 60


def test_a_deleted_route_comes_back_with_everything_on_stable():
    world = World().stepping()
    world.route = None
    world.evaluating = False
    world.tick(1)
    assert world.weight_of("1") == 100
    assert world.weight_of("2") == 0
    assert "RouteMissing" in reasons_of(world)


def test_a_resource_created_again_reads_stable_from_the_route_and_never_adopts_the_candidate():
    world = World().stepping()
    world.status = {}
    decision = world.tick(1)
    assert decision.lower is not None
    assert world.parsed.stable == "1"
    assert world.weight_of("2") == 0


def test_a_route_that_does_not_say_who_is_stable_moves_nothing():
    world = World().stepping()
    world.status = {}
    world.route = replace(present(world.route), stable=None)
    world.tick(1)
    assert world.weight_of("2") == 5
    assert world.parsed.reason == "RouteUnclear"


def test_spec_back_at_the_previous_stable_moves_everything_there_in_one_write():
    world = World().stepping()
    while world.phase != "Serving":
        world.tick()
    world.tick(1)
    world.want("1")
    world.make_ready("1")
    world.weights.clear()
    world.tick(1)
    assert world.weight_of("1") == 100
    assert world.parsed.stable == "1"
    assert world.phase == "Serving"
    assert len(world.weights) == 1


def test_after_the_window_the_previous_stable_walks_the_steps_like_any_other():
    world = World(spec=manifest(rollbackWindow="1m")).stepping()
    while world.phase != "Serving":
        world.tick()
    world.now += 100
    world.want("1")
    world.make_ready("1")
    world.tick(1)
    assert world.phase == "Waiting"
    assert world.weight_of("2") == 100


def test_a_breach_in_the_bake_goes_back_to_stable():
    world = World().stepping()
    while world.phase != "Baking":
        world.tick()
    world.tick(1)
    assert world.weight_of("2") == 100
    assert world.parsed.stable == "1"
    world.verdict = "FAIL"
    decision = world.tick()
    assert decision.lower is not None
    assert world.weight_of("1") == 100


def in_doubt(world: World) -> World:
    """The bake has started, and the candidate is worse than stable was before it."""
    while world.phase != "Baking":
        world.tick()
    world.tick(1)
    world.verdict, world.frozen = "FAIL", True
    world.tick()
    return world


def test_a_bake_worse_than_the_hour_before_goes_back_beside_stable_and_is_promoted_when_the_hour_was_to_blame():
    world = in_doubt(World().stepping())
    assert (world.phase, world.weight_of("2"), world.parsed.reason) == ("Stepping", 50, "BakeInDoubt")
    assert present(world.last).lower is not None
    assert present(world.parsed.rollout).bake_started_at is None
    world.tick(1)
    assert (world.phase, world.weight_of("2")) == ("Stepping", 50)  # the verdict on the bake says nothing of the step
    world.verdict, world.frozen = "PASS", False
    began = world.now
    while world.phase == "Stepping":
        assert world.weight_of("2") == 50
        world.tick()
    assert world.phase == "Baking"
    assert world.now - began >= 58
    while world.phase == "Baking":
        world.tick()
    assert (world.phase, world.parsed.stable) == ("Serving", "2")


@pytest.mark.parametrize(("answer", "phase", "weight"), [("Pause", "Inconclusive", 50), ("Rollback", "RolledBack", 0)])
def test_a_second_bake_in_doubt_is_for_a_person_or_goes_back(answer, phase, weight):
    analysis = {"onInconclusive": answer, "minimumRequests": 100}
    world = in_doubt(World(spec=manifest(analysis=analysis)).stepping())
    world.verdict, world.frozen = "PASS", False
    in_doubt(world)
    assert (world.phase, world.weight_of("2"), world.parsed.reason) == (phase, weight, "BakeInDoubt")


def test_a_bake_in_doubt_is_held_where_breaches_are_for_a_person():
    world = in_doubt(World(spec=manifest(analysis={"onBreach": "Pause", "minimumRequests": 100})).stepping())
    assert (world.phase, world.weight_of("2"), world.parsed.reason) == ("Baking", 100, "BreachHeld")


@pytest.mark.parametrize("phase", ["Stepping", "Baking"])
def test_other_weights_under_the_same_version_start_over_at_the_first_step(phase):
    world = World(digest="sha256:a").stepping()
    while world.phase != phase or world.weight_of("2") < 50:
        world.tick()
    world.tick()
    assert present(world.parsed.rollout).digest == "sha256:a"
    before = present(world.parsed.rollout).evidence_from
    world.digest = "sha256:b"
    decision = world.tick()
    assert decision.lower is not None
    assert (world.phase, world.weight_of("2"), present(world.parsed.step).index) == ("Stepping", 5, 0)
    assert (present(world.parsed.rollout).digest, world.parsed.reason) == ("sha256:b", "WeightsChanged")
    assert present(world.parsed.rollout).evidence_from > before
    assert sum(event.reason == "WeightsChanged" for event in world.events) == 1
    while world.phase != "Serving":
        world.tick()
    assert world.parsed.stable == "2"


def test_the_digest_of_a_rollout_that_was_replaced_is_not_the_next_ones():
    world = World(digest="sha256:a").stepping()
    world.tick()
    world.want("3")
    world.make_ready("3")
    world.tick(1)
    assert (world.parsed.candidate, present(world.parsed.rollout).digest) == ("3", "")


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


def test_a_pause_does_not_hold_a_rollback():
    world = World().stepping()
    world.ask("pause")
    world.tick()
    world.verdict = "FAIL"
    world.tick()
    assert world.weight_of("2") == 0


def test_a_command_is_obeyed_once_however_often_it_is_seen():
    world = World().stepping()
    world.ask("pause", nonce="once")
    world.tick(crash="consume")
    assert world.parsed.paused
    world.ask("resume", nonce="later")
    world.tick(1)
    world.ask("pause", nonce="later")
    world.tick(1)
    assert not world.parsed.paused


def test_promote_by_a_person_bakes_first_and_ends_the_bake_when_said_again():
    world = World().stepping()
    world.verdict = "CONTINUE"
    world.ask("promote", "2", 0)
    world.tick(1)
    assert world.phase == "Baking"
    world.tick(1)
    assert world.weight_of("2") == 100
    world.ask("promote", "2", present(world.parsed.step).index)
    world.tick(1)
    assert world.parsed.stable == "2"


def test_a_command_about_another_version_is_refused():
    world = World().stepping()
    world.ask("abort", "9")
    world.tick()
    assert world.phase == "Stepping"
    assert present(world.parsed.last_command).result.startswith("refused")


def test_a_status_written_by_hand_that_calls_the_candidate_stable_is_not_believed():
    world = World().stepping()
    world.status = {"phase": "Serving", "stable": "2", "history": world.status["history"]}
    world.tick(1)
    assert world.parsed.stable == "1"
    assert world.weight_of("2") == 0
    assert "StatusLost" in reasons_of(world)


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
