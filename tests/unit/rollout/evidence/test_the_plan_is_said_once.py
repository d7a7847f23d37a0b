"""What stable's traffic can prove stands in status from before the first step on, with one Event, and costs nothing."""

from __future__ import annotations

from typing import Any

import pytest

from modelrollout.core.analysis.gates.plan import words
from tests.expect import present
from tests.unit.analysis.gates.judged import ERRORS
from tests.unit.analysis.recorded import gateway, look, request_of, spec_of
from tests.unit.rollout.world import World, reasons_of

PLAN = "at stable's 20 requests/s, median time to PASS if as good as stable: errors 19 min"


def test_a_rollout_has_its_plan_from_the_first_evaluation_to_its_end_and_one_event():
    world = World(plan=PLAN).stepping()
    assert present(world.parsed.rollout).plan == PLAN
    for _ in range(30):
        world.tick()
    assert world.parsed.stable == "2"
    assert [event.message for event in world.events if event.reason == "Planned"] == [PLAN]


def test_a_candidate_that_comes_back_is_not_planned_again():
    world = World(plan=PLAN).stepping()
    world.make_unready("2")
    world.tick(2)
    world.make_ready("2", since=world.now)
    for _ in range(5):
        world.tick()
    assert world.weight_of("2") > 0
    assert reasons_of(world).count("Planned") == 1


def test_a_status_without_a_plan_goes_on_without_one():
    world = World().stepping()
    assert present(world.parsed.rollout).plan == ""
    assert "Planned" not in reasons_of(world)


GATEWAY = gateway(40.0, stable=(99.5, 0.5), candidate=(0, 0))


@pytest.mark.slow
async def test_the_evaluation_before_the_first_step_plans_where_it_is_asked_to():
    request = request_of(spec_of(ERRORS), steps=())
    assert (await look(request, 30.0, GATEWAY)).plan == ""
    found = await look(request_of(spec_of(ERRORS), steps=(), unplanned=True), 30.0, GATEWAY)
    assert found.plan.startswith("at stable's 19.9 requests/s, median time to PASS"), found.plan
    assert "errors" in found.plan


async def test_stable_without_traffic_is_said_and_stops_nothing():
    nothing = gateway(40.0, stable=(0, 0), candidate=(0, 0))
    found = await look(request_of(spec_of(ERRORS), steps=(), unplanned=True), 30.0, nothing)
    assert "stable had no requests" in found.plan


async def test_a_plan_that_fails_is_a_sentence_and_the_verdicts_stand(monkeypatch: pytest.MonkeyPatch):
    def fail(*_: Any, **__: Any) -> str:
        raise ValueError("a defect")

    request = request_of(spec_of(ERRORS), steps=(), unplanned=True)
    monkeypatch.setattr(words, "line", fail)
    found = await look(request, 30.0, GATEWAY)
    assert found.plan == "no plan could be made"
    assert [gate.name for gate in found.gates] == ["errors"]
