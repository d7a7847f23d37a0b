"""A route that Git owns, and copies before any weight."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from modelrollout.core.observation import Backend, ObservedRoute
from tests.expect import present
from tests.golden.scenarios.acting import Scenario, ticks, until
from tests.unit.rollout.world import World, manifest

ADOPT: dict[str, Any] = {"gateway": {"name": "inference"}, "adopt": {"name": "front", "rule": "infer"}}
COPIES = [{"mirror": 10, "hold": "60s"}, *manifest()["steps"]]
CAN = frozenset({"HTTPRouteRequestMirror", "HTTPRouteRequestPercentageMirror"})


def _git(world: World) -> World:
    """Git has made the route, and gives version 1 all of it."""
    world.spec = manifest(traffic=ADOPT)
    backends = (Backend("1", "digits-v1", 8000, 100), Backend("2", "digits-v2", 8000, 0))
    world.route = ObservedRoute(None, backends, "1", adopted="HTTPRoute front", serving="1", acceptance="ACCEPTED")
    return world


def a_route_of_gits_that_is_not_there(world: World) -> None:
    world.spec = manifest(traffic=ADOPT)
    world.tick()


def a_route_of_gits_that_gives_two_versions_requests(world: World) -> None:
    _git(world)
    world.route = replace(present(world.route), serving=None)
    world.tick()


def a_route_of_gits_whose_rule_is_renamed(world: World) -> None:
    _git(world).stepping()
    why = "it has no rule named infer (its rules: split): put spec.traffic.adopt.rule right"
    world.route = replace(present(world.route), unfit=why)
    ticks(world, 2)


def a_route_of_gits_without_the_candidates_backend(world: World) -> None:
    _git(world).adopted()
    route = present(world.route)
    world.route = replace(route, backends=route.backends[:1])
    world.want("2")
    world.make_ready("2")
    ticks(world, 2)


def a_route_of_gits_that_another_resource_has(world: World) -> None:
    _git(world)
    theirs = "HTTPRoute front is adopted by ModelRollout vision/other already (its annotation modelrollout.dev/adopted)"
    world.route = replace(present(world.route), foreign=theirs)
    world.tick()


def git_sets_the_weights_back_again_and_again(world: World) -> None:
    _git(world).stepping()
    world.set_weight(0, "argocd-controller")
    world.contested = "argocd-controller again and again (3 times within 5 min)"
    ticks(world, 2)


def copies_before_any_weight(world: World) -> None:
    world.spec, world.features = manifest(steps=COPIES), CAN
    world.stepping()
    for _ in range(10):
        world.tick()
        if world.weight:
            break


def copies_that_nobody_knows_the_gateway_can_make(world: World) -> None:
    world.spec = manifest(steps=COPIES)
    world.adopted()
    world.want("2")
    world.make_ready("2")
    world.tick()
    world.features = frozenset()
    ticks(world, 2)


def copies_that_somebody_takes_off(world: World) -> None:
    world.spec, world.features = manifest(steps=COPIES), CAN
    world.stepping()
    world.route = replace(present(world.route), mirror=0)
    world.evaluating = False
    world.tick()


def a_breach_among_copies(world: World) -> None:
    world.spec, world.features = manifest(steps=COPIES), CAN
    world.stepping()
    world.verdict = "FAIL"
    until(world, "RolledBack")


ALL: tuple[Scenario, ...] = (
    a_route_of_gits_that_is_not_there,
    a_route_of_gits_that_gives_two_versions_requests,
    a_route_of_gits_whose_rule_is_renamed,
    a_route_of_gits_without_the_candidates_backend,
    a_route_of_gits_that_another_resource_has,
    git_sets_the_weights_back_again_and_again,
    copies_before_any_weight,
    copies_that_nobody_knows_the_gateway_can_make,
    copies_that_somebody_takes_off,
    a_breach_among_copies,
)
