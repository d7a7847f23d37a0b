"""Monday's command does nothing to Tuesday's rollout, though version, step and phase are the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from modelrollout.api.timestamps import format_timestamp
from modelrollout.core.observation import Command
from tests.expect import expect, present
from tests.unit.rollout.world import World, manifest

DAY = 86_400.0
READY_FOR = {
    "approve": "AwaitingApproval",
    "promote": "AwaitingApproval",
    "abort": "AwaitingApproval",
    "pause": "AwaitingApproval",
    "resume": "Inconclusive",
    "retry": "RolledBack",
}
"""By verb, a phase in which it does something."""
EVERY_VERB = pytest.mark.parametrize("verb", READY_FOR)
HOLDING = ("abort", "pause")


def waiting_for(verb: str, world: World | None = None) -> World:
    """A rollout of version 2 at its first step, in a phase in which `verb` does something."""
    phase = READY_FOR[verb]
    steps = [{"weight": 5, "hold": "60s", "approval": phase == "AwaitingApproval"}, {"weight": 50, "hold": "60s"}]
    if world is None:
        analysis = {"minimumRequests": 100, "deadline": "10m"}
        world = World(spec=manifest(steps=steps, analysis=analysis)).stepping()
    world.verdict = {"Inconclusive": "NO_DATA", "RolledBack": "FAIL"}.get(phase, "PASS")  # type: ignore[assignment]
    for _ in range(100):
        if world.phase == phase:
            return world
        world.tick()
    raise AssertionError(world.phase)


def command(world: World, verb: str) -> Command:
    """As the plugin writes it now."""
    step = world.parsed.step
    world.ask(verb, "2", step.index if step and verb in ("approve", "promote") else None)
    asked, world.command = expect(Command, world.command), None
    return asked


def a_day_later(world: World, verb: str) -> World:
    """The same version has failed meanwhile, was retried, and is where it was."""
    if world.phase != "RolledBack":
        world.ask("abort", "2", nonce="end")
        world.tick()
    world.now += DAY
    world.make_ready("2")
    world.verdict = "PASS"
    world.spec = world.spec | {"attempt": world.spec.get("attempt", 1) + 1}
    world.tick()
    assert world.phase == "Waiting"
    while world.phase == "Waiting":
        world.tick()
    return waiting_for(verb, world)


def given(world: World, asked: Command) -> str:
    """The operator's answer; a refused command has changed nothing."""
    before = world.parsed
    world.command = asked
    world.tick(1)
    last = present(world.parsed.last_command)
    assert last.nonce == asked.nonce
    after = world.parsed
    changed = (after.phase, after.paused, after.step, after.candidate) != (
        before.phase,
        before.paused,
        before.step,
        before.candidate,
    )
    assert changed == (last.outcome == "Applied")
    return last.result


@EVERY_VERB
def test_the_command_of_today_is_obeyed(verb: str):
    world = waiting_for(verb)
    assert given(world, command(world, verb)) == "applied"


@EVERY_VERB
def test_yesterdays_command_is_refused_and_the_sentence_says_which_rollout_it_was_about(verb: str):
    world = waiting_for(verb)
    yesterday, began = command(world, verb), present(world.parsed.subject)
    result = given(a_day_later(world, verb), yesterday)
    assert result.startswith(f"refused: it is about the rollout of {format_timestamp(began)}, but the present one")
    assert format_timestamp(present(world.parsed.subject)) in result


@EVERY_VERB
def test_a_command_about_a_rollout_that_is_over_is_refused(verb: str):
    world = waiting_for(verb)
    yesterday = command(world, verb)
    world.want("1")
    world.tick()
    assert world.phase == "Serving"
    assert given(world, replace(yesterday, version=None) if verb in ("pause", "resume") else yesterday).startswith(
        "refused"
    )


@EVERY_VERB
def test_one_written_by_hand_before_the_rollout_is_refused(verb: str):
    world = waiting_for(verb)
    by_hand = replace(command(world, verb), rollout="")
    result = given(a_day_later(world, verb), by_hand)
    assert "does not say which rollout" in result
    assert f"`kubectl modelrollout {verb}`" in result
    assert f'"rollout":"{format_timestamp(present(world.parsed.subject))}"' in result


@EVERY_VERB
@pytest.mark.parametrize("when", ["now", "unknown", "no later than now"])
def test_one_written_by_hand_is_obeyed_where_it_is_surely_newer_or_takes_nothing_but_traffic(verb: str, when: str):
    world = waiting_for(verb)
    by_hand = replace(command(world, verb), rollout="")
    if when == "unknown":
        by_hand = replace(by_hand, written_at=None, dated=False)
    elif when == "no later than now":  # its writer, a GitOps tool, owns the spec too and has just changed that
        by_hand = replace(by_hand, dated=False)
    obeyed = when == "now" or verb in HOLDING
    assert (given(world, by_hand) == "applied") == obeyed


@pytest.mark.parametrize("verb", ["approve", "promote"])
@pytest.mark.parametrize("change", ["other weights", "a loss", "other gates"])
def test_an_approval_of_a_step_that_has_started_again_since_is_refused(verb: str, change: str):
    world = waiting_for(verb)
    world.digest = "sha256:a"
    world.tick()
    asked = command(world, verb)
    if change == "other weights":
        world.digest = "sha256:b"
    elif change == "a loss":
        world.make_unready("2")
    else:
        world.spec = world.spec | {"gates": [{"name": "errors", "type": "ErrorRate", "max": "3%"}]}
    world.tick()
    world.make_ready("2")
    waiting_for(verb, world)
    world.tick()
    assert "it was written before step 1 started at" in given(world, asked)
    assert given(world, command(world, verb)) == "applied"


@EVERY_VERB
def test_the_second_in_which_a_rollout_started_is_no_reason_to_refuse_the_plugins_command(verb: str):
    world = waiting_for(verb)
    asked = command(world, verb)
    step, rollout = world.parsed.step, world.parsed.rollout
    began = step.started_at if step else world.now
    if verb == "resume":  # it answers a question, which is younger than the step
        began = present(present(rollout).clock_stopped_at)
    assert given(world, replace(asked, written_at=float(int(began)))) == "applied"
