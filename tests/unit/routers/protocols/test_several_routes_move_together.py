"""A resource with a route for each protocol: one decision for both, by the least that a version has on any of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from modelrollout.core.observation import Backend, ObservedRoute, RoutePlan, as_one
from tests.expect import present
from tests.unit.rollout.world import World


def route(weight: int, *, stable: str = "1", manager: str = "modelrollout", name: str = "a") -> ObservedRoute:
    backends = (Backend("1", "digits-v1", 8000, 100 - weight), Backend("2", "digits-v2", 8000, weight))
    return ObservedRoute(stable, backends, name, acceptance="ACCEPTED", manager=manager, structure=name)


def at_25(http: int, grpc: int, **of_grpc: str) -> World:
    """A rollout in its second step, with these weights for the candidate."""
    world = World().stepping()
    while world.weight_of("2") < 25:
        world.tick()
    world.tick(1)
    assert present(world.parsed.step).weight == 25
    mine = replace(present(world.route), acceptance="ACCEPTED", structure="a")
    world.route = as_one((replace(mine, backends=route(http).backends), route(grpc, name="b", **of_grpc)))
    return world


def test_both_at_their_weight_need_no_write():
    world = at_25(25, 25)
    decision = world.run()
    assert decision.lower is None
    assert present(decision.route).weight == 25


@pytest.mark.parametrize(("http", "grpc"), [(60, 25), (25, 60)])
def test_one_raised_by_hand_is_lowered_and_named(http: int, grpc: int):
    world = at_25(http, grpc, manager="kubectl-edit")
    decision = world.run()
    assert decision.lower is not None
    assert (decision.lower.stable, decision.lower.weight) == ("1", 25)
    raised = [event for event in decision.events if event.reason == "WeightRaisedByOthers"]
    assert "to 60 %: set back to 25 %" in raised[0].message


@pytest.mark.parametrize(("http", "grpc"), [(25, 7), (7, 25), (0, 25), (25, 5)])
def test_one_lowered_by_hand_lowers_all_until_an_evaluation_raises_them(http: int, grpc: int):
    world = at_25(http, grpc, manager="kubectl-edit")
    least = min(http, grpc)
    decision = world.run()
    assert decision.lower is not None
    assert decision.lower.weight == least
    assert present(decision.route).weight == least
    assert decision.status.weight.observed == least
    assert [event.reason for event in decision.events] == ["WeightLowered"]


def test_an_abort_lowers_whatever_any_of_them_has():
    world = at_25(0, 25)
    world.ask("abort", "2")
    decision = world.run()
    assert (present(decision.lower).stable, present(decision.lower).weight) == ("1", 0)


def test_one_that_is_missing_is_made_with_stable_alone_and_takes_the_other_back():
    world = at_25(25, 25)
    world.route = as_one((route(25),), ("the GRPCRoute digits",))
    decision = world.run()
    assert present(decision.lower).weight == 0
    assert present(decision.route).weight == 0
    assert [event.message for event in decision.events if event.reason == "RouteMissing"] == [
        "the GRPCRoute digits was missing: created with 100 % on stable version 1"
    ]


def test_a_promotion_that_one_has_and_the_other_has_not_yet_is_finished_without_a_lowering():
    world = World().adopted()
    done = ObservedRoute("1", (Backend("1", "digits-v1", 8000, 100),), "a", acceptance="ACCEPTED")
    due = ObservedRoute(
        "0", (Backend("0", "digits-v0", 8000, 0), Backend("1", "digits-v1", 8000, 100)), "b", acceptance="ACCEPTED"
    )
    world.route = as_one((done, due))
    decision = world.run()
    assert decision.lower is None
    assert decision.route == RoutePlan("1")


def test_routes_that_name_different_versions_as_stable_are_a_doubt():
    seen = present(as_one((route(0), route(100, stable="2"))))
    assert seen.stable is None
    assert seen.doubt == "the routes name different versions as stable: 1, 2"


def test_the_worst_judgement_of_any_gateway_counts():
    rejected = replace(route(5, name="b"), acceptance="REJECTED", acceptance_reason="no")
    pending = replace(route(5, name="b"), acceptance="PENDING", acceptance_reason="not yet")
    assert present(as_one((route(5), rejected))).acceptance_reason == "no"
    assert present(as_one((route(5), pending))).acceptance == "PENDING"
    assert present(as_one((route(5), route(5)))).acceptance == "ACCEPTED"
    assert as_one(()) is None
