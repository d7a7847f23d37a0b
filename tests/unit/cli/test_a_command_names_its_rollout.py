"""The plugin writes which rollout a command is about, and asks again where that has changed meanwhile."""

from __future__ import annotations

import pytest

from modelrollout.api.timestamps import format_timestamp
from modelrollout.cli.steer import about, build
from modelrollout.core.observation import Verb
from tests.expect import present
from tests.unit.rollout.world import World

VERBS: tuple[Verb, ...] = ("approve", "abort", "pause", "resume", "retry", "promote")


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_names_when_its_rollout_started(verb: Verb):
    status = World().stepping().parsed
    began = format_timestamp(present(status.rollout).started_at)
    assert build(verb, status, by="ann", why="").rollout == began


def test_a_retry_names_when_the_version_was_refused():
    world = World().stepping()
    world.verdict = "FAIL"
    world.tick()
    refused = format_timestamp(present(world.parsed.rejected).at)
    assert build("retry", world.parsed, by="ann", why="").rollout == refused


def test_where_there_is_no_rollout_none_is_named():
    assert build("pause", World().adopted().parsed, by="ann", why="").rollout == ""


@pytest.mark.parametrize("verb", VERBS)
def test_another_rollout_of_the_same_version_is_something_else(verb: Verb):
    world = World().stepping()
    before = about(verb, world.parsed)
    world.ask("abort", "2")
    world.tick()
    world.spec = world.spec | {"attempt": 2}
    while world.phase != "Stepping":
        world.tick()
    assert about(verb, world.parsed) != before
