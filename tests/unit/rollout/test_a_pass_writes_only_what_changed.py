"""A pass that learned nothing new leaves the status as it is, so it costs no write."""

from __future__ import annotations

from modelrollout.core.rollout.phases import Trigger
from tests.unit.rollout.world import World


def next_pass_changes_status(world: World) -> bool:
    before = world.status
    world.evaluating = False
    world.tick(0.05)
    return world.status != before


def advanced(world: World, trigger: Trigger) -> World:
    for _ in range(60):
        if world.tick().trigger is trigger:
            return world
    raise AssertionError(f"{trigger.name} never came")


def test_the_pass_after_an_advance_writes_nothing():
    assert not next_pass_changes_status(advanced(World().stepping(), Trigger.STEP_DONE))


def test_the_pass_after_the_bake_began_writes_nothing():
    assert not next_pass_changes_status(advanced(World().stepping(), Trigger.PROVEN))


def test_the_pass_after_a_rollback_writes_nothing_and_the_reason_for_it_stays():
    world = World().stepping()
    world.verdict = "FAIL"
    world.tick()
    assert not next_pass_changes_status(world)
    assert world.parsed.reason == "GateFailed"


def test_the_pass_after_a_promotion_writes_nothing():
    assert not next_pass_changes_status(advanced(World().stepping(), Trigger.BAKED))


def test_at_rest_nothing_is_ever_written():
    world = World().adopted()
    before = world.status
    for _ in range(10):
        world.tick(60)
        assert world.status == before


def test_a_new_step_says_at_once_until_when_it_is_held():
    world = advanced(World().stepping(), Trigger.STEP_DONE)
    assert world.parsed.reason == "StepHolding"
    assert "25 % to version 2, held until" in world.parsed.message
    assert world.events[-1].reason == "StepStarted"
