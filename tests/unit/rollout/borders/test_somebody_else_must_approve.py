"""With approval.byOther nobody approves the version that they changed themselves, nor somebody unknown."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from modelrollout.core.observation import Command, Observation
from tests.unit.rollout.world import World, manifest


@dataclass
class Signed(World):
    """A world whose API server says who changed the version."""

    author: str = "ann"
    sender: str = "bob"
    stamped: bool = True

    def seen(self, problem: str | None) -> Observation:
        found = super().seen(problem)
        asked = found.command
        if isinstance(asked, Command):
            asked = replace(asked, by=self.sender, stamped=self.stamped)
        return replace(found, version_by=self.author, command=asked)


def waiting(**facts: str | bool) -> Signed:
    """At its first step, which asks for approval."""
    steps = [{"weight": 5, "hold": "1m", "approval": True}, {"weight": 50, "hold": "1m"}]
    world = Signed(spec=manifest(steps=steps, approval={"byOther": True}), **facts)  # type: ignore[arg-type]  # fields of it
    world.stepping()
    for _ in range(20):
        world.tick()
    assert world.phase == "AwaitingApproval"
    return world


def answer(world: Signed, verb: str) -> str:
    world.ask(verb, "2", 0)
    world.tick(1)
    last = world.parsed.last_command
    assert last is not None
    return f"{last.outcome}: {last.result}"


@pytest.mark.parametrize("verb", ["approve", "promote"])
@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"sender": "ann"}, "that was ann as well"),
        ({"stamped": False}, "the API server does not stamp it (admission.stamps)"),
        ({"author": ""}, "who that was is not known"),
    ],
)
def test_the_author_and_the_unknown_are_refused_with_the_reason(verb: str, facts: dict[str, str | bool], why: str):
    world = waiting(**facts)
    said = answer(world, verb)
    assert said.startswith("Refused")
    assert "spec.approval.byOther" in said
    assert why in said
    assert (world.phase, world.weight_of("2")) == ("AwaitingApproval", 5)


@pytest.mark.parametrize("verb", ["approve", "promote"])
def test_somebody_else_may(verb: str):
    world = waiting()
    assert answer(world, verb).startswith("Applied")
    assert world.phase != "AwaitingApproval"


def test_whoever_it_is_may_abort():
    world = waiting(sender="ann", stamped=False)
    assert answer(world, "abort").startswith("Applied")
    assert world.weight_of("2") == 0


def test_without_it_the_author_may_approve():
    steps = [{"weight": 5, "hold": "1m", "approval": True}, {"weight": 50, "hold": "1m"}]
    world = Signed(spec=manifest(steps=steps), sender="ann")
    world.stepping()
    for _ in range(20):
        world.tick()
    assert answer(world, "approve").startswith("Applied")
