"""Other weights under the same version start the analysis again three times; they never renew the deadline."""

from __future__ import annotations

import pytest

from modelrollout.api.status import Status
from tests.expect import present
from tests.unit.rollout.world import World, manifest, reasons_of


def reloading(phase: str = "Stepping", **analysis: object) -> World:
    world = World(spec=manifest(analysis={"interval": "15s", "minimumRequests": 100} | analysis), digest="sha256:0")
    world.stepping()
    while world.phase != phase:
        world.tick()
    world.tick()
    assert present(world.parsed.rollout).digest == "sha256:0"
    return world


def reload(world: World, digest: str) -> None:
    world.digest = digest
    world.tick()


@pytest.mark.parametrize("phase", ["Stepping", "Baking"])
@pytest.mark.parametrize("names", ["abcd", "a0a0"], ids=["always new ones", "back and forth"])
def test_the_fourth_change_of_weights_rolls_back(phase: str, names: str):
    world = reloading(phase)
    for count, name in enumerate(names[:3], 1):
        reload(world, f"sha256:{name}")
        assert (world.phase, world.weight_of("2"), present(world.parsed.rollout).reloads) == ("Stepping", 5, count)
        world.tick()
    reload(world, f"sha256:{names[3]}")
    assert (world.phase, world.weight_of("2"), world.parsed.reason) == ("RolledBack", 0, "CandidateUnstable")
    assert f"other ones again (sha256:{names[3]}) after 3 restarts" in world.parsed.message
    assert reasons_of(world).count("WeightsChanged") == 3
    for _ in range(20):
        world.tick()
    assert (world.phase, world.weight_of("2")) == ("RolledBack", 0)


def test_a_candidate_that_waits_for_readiness_is_not_reloaded_for_ever_either():
    world = reloading()
    world.make_unready("2")
    world.tick()
    assert world.phase == "Waiting"
    world.make_unready("2", failures=1)
    for name in "abc":
        reload(world, f"sha256:{name}")
        assert world.phase == "Waiting"
    reload(world, "sha256:d")
    assert (world.phase, world.parsed.reason) == ("RolledBack", "CandidateUnstable")


def test_the_count_is_in_the_status_and_a_status_without_it_has_none():
    world = reloading()
    reload(world, "sha256:a")
    assert world.status["rollout"]["reloads"] == 1
    del world.status["rollout"]["reloads"]
    assert present(Status.model_validate(world.status).rollout).reloads == 0


def test_a_new_rollout_counts_anew():
    world = reloading()
    for name in "abc":
        reload(world, f"sha256:{name}")
    world.want("3")
    world.make_ready("3")
    world.tick(1)
    assert present(world.parsed.rollout).reloads == 0


def test_three_new_starts_end_like_any_rollout_when_the_weights_stay():
    world = reloading(deadline="10h")
    for name in "abc":
        reload(world, f"sha256:{name}")
    while world.phase != "Serving":
        world.tick()
    assert world.parsed.stable == "2"


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["Stepping", "Baking"])
def test_a_new_start_does_not_renew_the_deadline(phase: str):
    world = reloading(phase, deadline="30m")
    began = present(world.parsed.rollout).started_at
    world.verdict = "CONTINUE" if phase == "Stepping" else "NO_DATA"
    for name in "ab":
        while world.now - began < (600 if name == "a" else 1500):
            world.tick()
        reload(world, f"sha256:{name}")
        world.verdict = "CONTINUE"
    while world.phase != "Inconclusive":
        world.tick()
    assert 1800 < world.now - began < 1830


@pytest.mark.parametrize("phase", ["Stepping", "Baking"])
@pytest.mark.slow
def test_different_weights_at_the_same_time_are_held_until_the_deadline(phase: str):
    world = reloading(phase, deadline="20m")
    began = present(world.parsed.rollout).started_at
    world.digest, world.halt = None, "WeightsDiffer"
    while world.phase == phase:
        assert world.parsed.reason in ("WeightsDiffer", "Baking", "StepHolding")
        world.tick()
    assert (world.phase, world.parsed.reason) == ("Inconclusive", "DeadlineExceeded")
    assert world.now - began < 1400
