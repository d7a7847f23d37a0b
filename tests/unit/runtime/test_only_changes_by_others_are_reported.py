"""An Event about a changed route names what others did, never our own write that is still to come."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from modelrollout.core.observation import Event, ObservedRoute, RoutePlan
from modelrollout.ports import Conflict, Subject
from modelrollout.runtime.reconcile import Reconciler
from modelrollout.runtime.watch import Watch
from tests.expect import present
from tests.unit.runtime.in_memory import MemoryCluster, MemoryRouter, made, one_pass, reconciler_over


@dataclass
class BusyRouter(MemoryRouter):
    """Whether a candidate is there is structure; `conflicts` applies meet a route that changed meanwhile."""

    conflicts: int = 0

    async def apply(self, *given: Any) -> ObservedRoute:
        if self.conflicts:
            self.conflicts -= 1
            raise Conflict("the route changed")
        return await super().apply(*given)

    def structure(self, *given: Any) -> str:
        return "with a candidate" if given[3].candidate else "alone"

    def _write(self, plan: RoutePlan) -> ObservedRoute:
        self.route = replace(super()._write(plan), structure=self.structure(0, 0, 0, plan))
        return self.route


@dataclass
class ListeningCluster(MemoryCluster):
    sent: list[str] = field(default_factory=list)

    async def send(self, _subject: Subject, event: Event) -> None:
        self.sent.append(event.reason)


async def exposed() -> tuple[Reconciler, Watch, ListeningCluster, BusyRouter]:
    plain, watch, unheard, clock = made()
    cluster, router = ListeningCluster(unheard.obj), BusyRouter()
    reconciler = reconciler_over(cluster, router, clock, plain.config, lambda: True)
    for _ in range(30):
        await one_pass(reconciler, watch, cluster, clock)
        if router.route is not None and router.route.weight_of("2") > 0:
            return reconciler, watch, cluster, router
    raise AssertionError("the candidate never got traffic")


async def passes(reconciler: Reconciler, watch: Watch, count: int) -> None:
    for _ in range(count):
        await reconciler.run(watch)
        await asyncio.sleep(0)


async def test_a_removal_that_met_a_conflict_is_finished_without_blaming_anybody():
    reconciler, watch, cluster, router = await exposed()
    cluster.obj["spec"]["model"]["version"] = "1"
    router.conflicts = 1
    await passes(reconciler, watch, 3)
    assert router.conflicts == 0
    assert present(router.route).structure == "alone"
    assert "RouteChanged" not in cluster.sent


@pytest.mark.slow
async def test_a_route_that_others_rewrote_is_reported():
    reconciler, watch, cluster, router = await exposed()
    router.route = replace(present(router.route), structure="another manager's", manager="kustomize-controller")
    await passes(reconciler, watch, 2)
    assert "RouteChanged" in cluster.sent
