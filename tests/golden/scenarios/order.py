"""Rollouts that come after another one."""

from __future__ import annotations

from dataclasses import replace

from modelrollout.core.predecessor import Predecessor
from tests.golden.scenarios.acting import Scenario, ticks
from tests.unit.rollout.world import World

FIRST = Predecessor("canary/digits", model="digits", stable="1")


def _after(world: World, found: Predecessor | None) -> World:
    world.spec |= {"after": {"name": "digits", "namespace": "canary"}}
    world.adopted().predecessor = found
    world.want("2")
    world.make_ready("2")
    ticks(world, 1)
    return world


def a_rollout_that_comes_after_another_one(world: World) -> None:
    _after(world, FIRST).predecessor = replace(FIRST, stable="2")
    ticks(world, 4)
    world.want("3")
    world.predecessor = None
    ticks(world, 2)


def the_one_before_is_not_there(world: World) -> None:
    _after(world, Predecessor("canary/digits"))


def the_one_before_cannot_be_read(world: World) -> None:
    _after(world, Predecessor("canary/digits", unread="403: you may not get modelrollouts in canary"))


def the_one_before_has_refused_the_version(world: World) -> None:
    _after(world, replace(FIRST, refused="2"))


def the_one_before_rolls_out_another_model(world: World) -> None:
    _after(world, replace(FIRST, model="letters"))


def each_comes_after_the_other(world: World) -> None:
    _after(world, Predecessor("canary/digits", circle=("east/digits", "canary/digits", "east/digits")))


ALL: tuple[Scenario, ...] = (
    a_rollout_that_comes_after_another_one,
    the_one_before_is_not_there,
    the_one_before_cannot_be_read,
    the_one_before_has_refused_the_version,
    the_one_before_rolls_out_another_model,
    each_comes_after_the_other,
)
