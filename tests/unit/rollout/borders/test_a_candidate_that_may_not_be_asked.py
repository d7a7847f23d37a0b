"""An operator that may ask less than the one before takes nobody's traffic: it holds, says why, and raises nothing."""

from __future__ import annotations

import pytest

from modelrollout.core.observation import Readiness
from tests.unit.rollout.world import World, manifest, reasons_of

WHY = "1 of 1 addresses of digits-v2 may not be asked"


def refuse(world: World, version: str = "2") -> None:
    world.ready[version] = Readiness(version, ready=False, since=None, failures=0, message=WHY, refused=True)


@pytest.mark.slow
def test_an_upgrade_in_mid_step_keeps_the_weight_holds_and_tells_once():
    world = World().stepping()
    before = world.weight_of("2")
    refuse(world)
    for _ in range(100):
        world.tick()
    assert before > 0
    assert (world.phase, world.weight_of("2"), world.parsed.reason) == ("Stepping", before, "ProbeNotAllowed")
    assert WHY in world.parsed.message
    assert reasons_of(world).count("ProbeNotAllowed") == 1


def test_once_it_may_be_asked_the_rollout_goes_on_to_its_end():
    world = World().stepping()
    refuse(world)
    for _ in range(20):
        world.tick()
    world.make_ready("2", since=world.now)
    for _ in range(200):
        world.tick()
    assert world.parsed.stable == "2"


def test_evidence_against_it_still_rolls_it_back():
    world = World().stepping()
    refuse(world)
    world.tick()
    world.verdict = "FAIL"
    world.tick(2)
    assert world.weight_of("2") == 0
    assert world.phase == "RolledBack"


@pytest.mark.slow
def test_waiting_for_it_stops_the_deadlines_clock():
    world = World(spec=manifest(analysis={"deadline": "10m", "minimumRequests": 1})).stepping()
    refuse(world)
    for _ in range(200):
        world.tick()
    assert world.phase == "Stepping"
    assert world.parsed.reason == "ProbeNotAllowed"


@pytest.mark.slow
def test_a_new_rollout_gets_no_traffic_and_is_rejected_in_the_end_with_the_reason():
    world = World().adopted()
    world.want("2")
    refuse(world)
    for _ in range(30):
        world.tick()
    assert (world.phase, world.weight_of("2"), world.parsed.reason) == ("Waiting", 0, "ProbeNotAllowed")
    for _ in range(120):
        world.tick()
    assert world.phase == "Rejected"
    assert WHY in world.parsed.message
