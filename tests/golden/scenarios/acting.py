"""What the scenarios share: time that passes, specs with one thing changed, metrics that fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from modelrollout.core.evaluation import MetricsOutage
from tests.unit.rollout.world import World, manifest

Scenario = Callable[[World], None]


def until(world: World, phase: str, most: int = 90) -> None:
    """Ticks until the rollout is in `phase`."""
    for _ in range(most):
        if world.phase == phase:
            return
        world.tick()
    raise AssertionError(f"never {phase}, still {world.phase}")


def ticks(world: World, count: int) -> None:
    for _ in range(count):
        world.tick()


def with_spec(world: World, **changes: Any) -> World:
    """`world` with other fields in its spec, at the first step of version 2."""
    world.spec = manifest(**changes)
    return world.stepping()


def with_analysis(world: World, **changes: Any) -> World:
    return with_spec(world, analysis={"minimumRequests": 100, "readyFor": "30s", **changes})


def outage(world: World) -> None:
    world.outage = MetricsOutage("PrometheusUnreachable", "default: connection refused", world.now)


def doubt(world: World) -> None:
    """The bake finds the candidate worse than stable was before it."""
    until(world, "Baking")
    world.tick(1)
    world.verdict, world.frozen = "FAIL", True
    world.tick()
    world.verdict, world.frozen = "PASS", False
