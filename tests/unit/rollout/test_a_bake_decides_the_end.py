"""In the bake the candidate has everything, and stable's last hour is what it is held against."""

from __future__ import annotations

import pytest

from tests.expect import present
from tests.unit.rollout.world import World, in_doubt, manifest


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
