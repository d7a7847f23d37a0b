"""A command is known by all of its words: a nonce that is written again never swallows another one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from modelrollout.adapters.kubernetes.command_annotation import COMMAND, command_of
from modelrollout.api.timestamps import format_timestamp
from modelrollout.core.observation import Command, MalformedCommand
from modelrollout.core.rollout.fallback.decision import decide_less
from tests.expect import expect, present
from tests.unit.rollout.world import World, in_doubt, manifest

APPROVED = [{"weight": 5, "hold": "60s", "approval": True}, {"weight": 50, "hold": "60s"}]


def asked(world: World, verb: str, version: str | None = None, step: int | None = None, **changes: Any) -> str:
    """The operator's answer to a command whose nonce is always the same."""
    world.ask(verb, version, step, nonce="1")
    world.command = replace(expect(Command, world.command), **changes)
    world.tick(1)
    assert world.command is None, "an answered command is removed"
    return present(world.parsed.last_command).result


def test_an_abort_under_the_nonce_of_the_command_before_is_obeyed():
    world = World().stepping()
    assert asked(world, "pause") == "applied"
    assert asked(world, "abort", "2") == "applied"
    assert (world.phase, world.weight_of("2")) == ("RolledBack", 0)


def test_one_that_was_refused_is_obeyed_when_it_is_put_right_as_the_sentence_says():
    world = World(spec=manifest(steps=APPROVED)).stepping()
    by_hand = {"rollout": "", "written_at": None, "dated": False}
    assert 'add "rollout"' in asked(world, "approve", "2", 0, **by_hand)
    assert "it names step 2" in asked(world, "approve", "2", 1)
    assert "it names version 3" in asked(world, "approve", "3", 0)
    assert asked(world, "approve", "2", 0) == "applied"


def test_the_same_words_are_about_another_rollout_the_day_after():
    world = World().stepping()
    assert asked(world, "abort", "2") == "applied"
    world.spec = world.spec | {"attempt": 2}
    world.make_ready("2")
    while world.phase != "Stepping":
        world.tick()
    assert asked(world, "abort", "2") == "applied"
    assert world.phase == "RolledBack"


def test_one_without_words_for_its_rollout_is_read_as_before_in_a_status_of_an_older_operator():
    world = World().stepping()
    world.ask("pause", nonce="1")
    world.tick(1, crash="consume")
    del world.status["lastCommand"]["rollout"]
    events = len(world.events)
    world.tick(1)
    assert (world.command, len(world.events)) == (None, events)


def test_where_no_decision_can_be_built_an_abort_under_a_known_nonce_still_lowers():
    world = World().stepping()
    assert asked(world, "pause") == "applied"
    world.ask("abort", "2", nonce="1")
    decision = decide_less(None, world.parsed, world.seen(None), world.now, RuntimeError())
    assert (present(decision.lower).weight, decision.consume_command) == (0, True)
    again = replace(world.seen(None), route=None)
    assert decide_less(None, decision.status, again, world.now, RuntimeError()).trigger is None


@pytest.mark.parametrize("name", ["verb", "version", "rollout"])
def test_a_command_with_a_word_twice_is_refused_instead_of_read_by_half(name: str):
    words = {"verb": "pause", "nonce": "1", "version": "2", "rollout": "2026-01-01T00:00:00.000Z"}
    first = json.dumps(words)
    last = json.dumps({name: {"verb": "promote", "version": "3", "rollout": "2026-01-02T00:00:00.000Z"}[name]})
    text = first[:-1] + ", " + last[1:]
    found = command_of({"metadata": {"annotations": {COMMAND: text}}})
    assert f"has {name} twice; write one command" in expect(MalformedCommand, found).message


@pytest.mark.parametrize("text", ['{"verb":"abort"}{"verb":"promote"}', '[{"verb":"abort","nonce":"1"}]', "{}{}", ""])
def test_two_commands_in_one_annotation_are_refused(text: str):
    assert isinstance(command_of({"metadata": {"annotations": {COMMAND: text}}}), MalformedCommand)


@pytest.mark.parametrize(("ahead", "obeyed"), [(0, True), (4, True), (3600, False)])
def test_a_time_of_writing_that_has_not_come_yet_proves_nothing(ahead: float, obeyed: bool):
    """Of several API servers the clock of one is ahead: what it stamped yesterday looks like today's."""
    world = World(spec=manifest(steps=APPROVED)).stepping()
    result = asked(world, "approve", "2", 0, rollout="", written_at=float(int(world.now)) + 1 + ahead, dated=True)
    assert (result == "applied") == obeyed
    assert obeyed or "may be older than this one" in result


def test_a_resume_answers_no_question_that_was_asked_after_it_was_written():
    world = in_doubt(World().stepping())
    world.verdict, world.frozen = "PASS", False
    while world.phase != "Baking":
        world.tick()
    world.ask("pause", nonce="p")
    world.tick(1)
    world.ask("resume", nonce="r")
    written, world.command = expect(Command, world.command), None
    world.verdict, world.frozen = "FAIL", True
    world.tick()
    assert (world.phase, world.parsed.reason) == ("Inconclusive", "BakeInDoubt")
    world.command = written
    world.tick(1)
    began = format_timestamp(present(world.parsed.step).started_at)[11:19]
    assert f"before what is asked now was asked at {began} UTC" in present(world.parsed.last_command).result
    assert world.phase == "Inconclusive"
    world.ask("resume", nonce="s")
    world.tick(1)
    assert world.phase == "Stepping"


def test_a_resume_written_before_the_deadline_asked_is_refused_and_one_after_it_is_obeyed():
    world = World(spec=manifest(analysis={"minimumRequests": 100, "deadline": "10m"})).stepping()
    world.verdict = "NO_DATA"
    world.ask("resume", nonce="r")
    written, world.command = expect(Command, world.command), None
    while world.phase != "Inconclusive":
        world.tick()
    world.tick()
    world.command = written
    world.tick(1)
    assert "before what is asked now was asked" in present(world.parsed.last_command).result
    world.ask("resume", nonce="s")
    world.tick(1)
    assert world.phase == "Stepping"


def test_what_was_approved_ahead_of_time_was_approved_under_the_gates_of_then():
    world = World(spec=manifest(steps=APPROVED)).stepping()
    world.ask("approve", "2", 0)
    world.tick(1)
    assert present(world.parsed.step).approved
    world.spec = world.spec | {"gates": [{"name": "errors", "type": "ErrorRate", "max": "3%"}]}
    for _ in range(20):
        world.tick()
    assert (world.phase, world.weight_of("2")) == ("AwaitingApproval", 5)
