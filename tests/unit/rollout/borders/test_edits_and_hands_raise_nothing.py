"""Edits of the spec, and changes of the route or the status by hand, never raise a weight."""

from __future__ import annotations

from dataclasses import replace

from tests.expect import present
from tests.unit.rollout.world import World, reasons_of


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


def test_a_status_written_by_hand_that_calls_the_candidate_stable_is_not_believed():
    world = World().stepping()
    world.status = {"phase": "Serving", "stable": "2", "history": world.status["history"]}
    world.tick(1)
    assert world.parsed.stable == "1"
    assert world.weight_of("2") == 0
    assert "StatusLost" in reasons_of(world)
