"""What a promoted version had for dead units is kept in status, where the next rollout is judged by it."""

from __future__ import annotations

import pytest

from modelrollout.api.status import MOST_ENTRIES, DeadShare
from tests.unit.rollout.world import World


def share(dead: float) -> tuple[DeadShare, ...]:
    return (DeadShare(layer="h1", dead=dead, units=100, window_size=200, dead_if="zero"),)


def promote(world: World, version: str, dead: float | None) -> World:
    world.want(version)
    world.make_ready(version)
    world.layers = () if dead is None else share(dead)
    for _ in range(80):
        world.tick()
        if world.parsed.stable == version:
            return world
    raise AssertionError(f"{version} was not promoted: {world.parsed.message}")


def kept(world: World) -> dict[str, float]:
    return {one.version: one.layers[0].dead for one in world.parsed.promoted}


def test_a_promotion_keeps_what_was_measured_of_its_version():
    world = promote(World().adopted(), "2", 0.07)
    (found,) = world.parsed.promoted
    assert (found.version, found.at, tuple(found.layers)) == ("2", world.now, share(0.07))


def test_a_version_that_was_not_measured_is_not_kept():
    assert promote(World().adopted(), "2", None).parsed.promoted == []


def test_what_is_kept_survives_the_next_rollout_and_a_rollback():
    world = promote(World().adopted(), "2", 0.07)
    world.want("3")
    world.make_ready("3")
    world.layers = share(0.9)
    for _ in range(6):
        world.tick()
    world.verdict = "FAIL"
    world.tick()
    assert world.phase == "RolledBack"
    assert kept(world) == {"2": 0.07}


@pytest.mark.slow
def test_a_version_promoted_again_counts_once_by_its_last_measurement():
    world = promote(World().adopted(), "2", 0.07)
    promote(world, "3", 0.08)
    world.now += 100_000  # beyond the window in which going back is at once
    promote(world, "2", 0.09)
    assert [(one.version, one.layers[0].dead) for one in world.parsed.promoted] == [("3", 0.08), ("2", 0.09)]


@pytest.mark.slow
def test_the_newest_ten_are_kept():
    world = World().adopted()
    for number in range(2, MOST_ENTRIES + 4):
        promote(world, str(number), number / 1000)
    assert list(kept(world)) == [str(number) for number in range(4, MOST_ENTRIES + 4)]


def test_a_version_that_was_left_at_once_is_no_example_of_a_good_one():
    world = promote(promote(World().adopted(), "2", 0.07), "3", 0.5)
    world.want("2")
    world.tick()
    assert (world.parsed.stable, world.parsed.history[-1].result) == ("2", "FastRollback")
    assert kept(world) == {"2": 0.07}
