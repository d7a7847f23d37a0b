"""A person's command acts once, on what it names, and holds no way back."""

from __future__ import annotations

from tests.expect import present
from tests.unit.rollout.world import World


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
    world.ask("pause", nonce="other")
    world.tick(1)
    world.ask("pause", nonce="other")
    events = len(world.events)
    world.tick(1)
    assert (world.parsed.paused, world.command, len(world.events)) == (True, None, events)


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
