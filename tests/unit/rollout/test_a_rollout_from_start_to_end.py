"""What a rollout does from its first version to its promotion or its rollback, one sentence a test."""

from __future__ import annotations

from tests.expect import present
from tests.unit.rollout.world import World, manifest, reasons_of


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
