"""What an evaluation warns of stands in status for as long as it does, bounded, and costs no write of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from modelrollout.api.status import LONGEST_WARNING, MOST_WARNINGS, Status, dump
from modelrollout.core.evaluation import Evaluation
from tests.unit.rollout.world import World


class Warned(World):
    """A world whose evaluations carry warnings."""

    warnings: tuple[str, ...] = ()

    def evaluation(self, status: Status) -> Evaluation | None:
        found = super().evaluation(status)
        return found and replace(found, warnings=self.warnings)


@pytest.fixture
def world() -> Warned:
    found = Warned()
    found.stepping()
    return found


def test_a_warning_is_shown_and_goes_when_it_is_gone(world: Warned):
    world.warnings = ("errors: 3 errors belong to neither version", "latency: coarse buckets")
    world.tick(15)
    assert world.status["warnings"] == list(world.warnings)
    world.warnings = world.warnings[1:]
    world.tick(15)
    assert world.status["warnings"] == ["latency: coarse buckets"]
    world.warnings = ()
    world.tick(15)
    assert world.status["warnings"] == []


def test_the_same_warning_again_writes_nothing(world: Warned):
    world.warnings = ("latency: coarse buckets",)
    world.tick(1)
    before = world.parsed
    world.run()
    assert world.parsed == before


def test_warnings_are_bounded_in_number_and_length(world: Warned):
    world.warnings = tuple(f"{number}: " + "x" * 5000 for number in range(100))
    world.tick(15)
    found = world.status["warnings"]
    assert len(found) == MOST_WARNINGS
    assert {len(text) for text in found} == {LONGEST_WARNING}
    assert dump(Status.model_validate(world.status)) == world.status


def test_one_warning_of_two_gates_is_shown_once(world: Warned):
    world.warnings = ("the same", "the same")
    world.tick(15)
    assert world.status["warnings"] == ["the same"]


@pytest.mark.parametrize("end", ["abort", "another version"])
def test_the_end_of_a_rollout_takes_its_warnings_along(world: Warned, end: str):
    world.warnings = ("latency: coarse buckets",)
    world.tick(15)
    assert world.status["warnings"]
    if end == "abort":
        world.ask("abort", "2")
    else:
        world.want("3")
    world.tick(1)
    assert world.phase in ("RolledBack", "Waiting")
    assert world.status["warnings"] == []
