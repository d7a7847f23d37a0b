"""A write of the route that its gateway or the API server refuses is reported and made good; nobody is blamed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.expect import present
from tests.unit.rollout.world import World, manifest, reasons_of

GATES = [{"name": "errors", "type": "ErrorRate", "max": "6%"}]


def reject(world: World) -> None:
    why = "Gateway x refuses the route: no listener"
    world.route = replace(present(world.route), acceptance="REJECTED", acceptance_reason=why)


def accept(world: World) -> None:
    world.route = replace(present(world.route), acceptance="ACCEPTED", acceptance_reason="")


@pytest.mark.parametrize("rolled_back", [False, True])
def test_a_route_that_its_gateway_rejects_is_reported_at_rest_too(rolled_back: bool):
    world = World().stepping() if rolled_back else World().adopted()
    if rolled_back:
        world.verdict = "FAIL"
        world.tick()
    before = world.phase, world.parsed.reason
    reject(world)
    world.tick()
    status = world.parsed
    assert (status.phase, status.reason) == (before[0], "RouteRejected")
    assert status.message == "Gateway x refuses the route: no listener"
    assert {c.type: c.status for c in status.conditions} == {"Ready": "False", "Stalled": "True"}
    accept(world)
    world.tick()
    assert world.parsed.reason != "RouteRejected"


@pytest.mark.parametrize("what", ["RouteRejected", "BreachHeld"])
def test_a_weight_lowered_by_hand_does_not_hide_what_keeps_it_low(what: str):
    world = World(spec=manifest(analysis={"onBreach": "Pause", "minimumRequests": 100})).stepping()
    world.set_weight(1)
    if what == "RouteRejected":
        reject(world)
    else:
        world.verdict = "FAIL"
    world.tick()
    assert (world.parsed.reason, world.weight_of("2")) == (what, 1)
    if what == "BreachHeld":
        assert any(c.type == "Paused" for c in world.parsed.conditions)


@pytest.mark.parametrize("trouble", ["spec", "route"])
@pytest.mark.slow
def test_the_deadline_counts_no_time_in_which_nothing_could_be_proven(trouble: str):
    world = World(spec=manifest(analysis={"deadline": "10m", "minimumRequests": 100})).stepping()
    world.verdict = "CONTINUE"
    fixed = world.spec
    if trouble == "spec":
        world.spec = fixed | {"steps": []}
    else:
        reject(world)
    for _ in range(60):
        world.tick()
        if trouble == "route":  # which the world's writes fix
            reject(world)
    world.spec = fixed
    accept(world)
    world.tick()
    assert world.phase == "Stepping"
    for _ in range(60):
        world.tick()
    assert world.phase == "Inconclusive"


def refused(world: World, times: int) -> None:
    """Passes whose route write the API server refuses, as reconcile counts them."""
    for count in range(times):
        world.refusals, world.refusal = count + 1, "httproutes is forbidden"
        world.tick(1, crash="route")


def test_a_route_that_cannot_be_made_is_not_called_serving():
    world = World()
    world.make_ready("1")
    world.tick(crash="route")
    refused(world, 5)
    status = world.parsed
    assert (status.phase, status.reason) == ("Serving", "RouteNotWritten")
    assert status.message.endswith("httproutes is forbidden")
    assert {c.type: c.status for c in status.conditions} == {"Ready": "False", "Stalled": "True"}
    assert "RouteMissing" not in reasons_of(world)
    world.refusals = 0
    world.tick()
    assert world.weight_of("1") == 100
    assert world.parsed.reason == "Promoted"


def test_a_lowering_that_is_refused_is_reported_with_the_weight_on_the_route():
    world = World().stepping()
    world.want("1")
    for count in range(6):
        world.refusals, world.refusal = count, "httproutes is forbidden"
        world.tick(1, crash="lowered")
    status = world.parsed
    assert (status.phase, status.reason) == ("Serving", "RouteNotWritten")
    assert (status.weight.desired, status.weight.observed) == (0, 5)
    assert "WeightRaisedByOthers" not in reasons_of(world)


def test_a_raise_that_is_refused_is_reported_once_and_comes_when_it_can():
    world = World().stepping()
    while present(world.parsed.step).weight == 5:
        world.tick(crash="route")
    seen = []
    for count in range(9):
        world.refusals, world.refusal = count + 1, "httproutes is forbidden"
        world.tick(crash="route")
        seen.append((world.parsed.reason, world.parsed.weight.observed))
    assert seen[3:] == [("RouteNotWritten", 5)] * 6
    assert reasons_of(world).count("RouteNotWritten") == 1
    assert reasons_of(world).count("RaisePending") <= 1
    world.refusals = 0
    world.tick()
    world.tick()
    assert world.weight_of("2") == 25
