"""What passes say beyond their decision: Events about others' writes, deletions, and the log of what went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, cast

from modelrollout.core.observation import Event, ObservedRoute
from modelrollout.ports import Conflict, Released, Unreachable
from modelrollout.runtime.reconcile import Reconciler
from modelrollout.runtime.watch import Watch
from tests.expect import present
from tests.golden.process.local import logged
from tests.unit.runtime.in_memory import Clock, MemoryCluster, MemoryRouter, made, one_pass, reconciler_over

NO_ANSWER = Unreachable("ApiTimeout", "the API server did not answer PATCH ... within 2 s")


@dataclass
class Heard(MemoryCluster):
    """The cluster, with what people are told."""

    said: list[str] = field(default_factory=list)
    changed: bool = False
    """Whether the object has changed whenever its status is to be written."""

    async def write_status(self, obj: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
        if self.changed:
            raise Conflict("the object has been modified")
        return await super().write_status(obj, status)

    async def send(self, _subject: Any, event: Event) -> None:
        self.said.append(f"{'warning' if event.warning else 'event'}: {event.reason}: {event.message}")

    async def drop_finalizer(self, _obj: dict[str, Any]) -> None:
        self.said.append("(the finalizer is removed)")


@dataclass
class Failing(MemoryRouter):
    """A router whose writes fail as a test says; the structure is whether a candidate is there."""

    lowering: Exception | None = None
    applying: Exception | None = None

    async def lower(self, *given: Any) -> ObservedRoute:
        if self.lowering:
            raise self.lowering
        return await super().lower(*given)

    async def apply(self, *given: Any) -> ObservedRoute:
        if self.applying:
            raise self.applying
        return await super().apply(*given)

    def structure(self, *given: Any) -> str:
        return "with a candidate" if given[3].candidate else "alone"

    def _write(self, plan: Any) -> ObservedRoute:
        self.route = replace(super()._write(plan), structure=self.structure(0, 0, 0, plan))
        return self.route


@dataclass
class Scene:
    """A rollout whose candidate has traffic."""

    reconciler: Reconciler
    watch: Watch
    cluster: Heard
    router: Failing
    clock: Clock

    async def passes(self, count: int = 1) -> None:
        for _ in range(count):
            await self.reconciler.run(self.watch)
            await asyncio.sleep(0)

    @property
    def route(self) -> ObservedRoute:
        return present(self.router.route)


async def exposed() -> Scene:
    plain, watch, unheard, clock = made()
    cluster, router = Heard(unheard.obj), Failing()
    scene = Scene(reconciler_over(cluster, router, clock, plain.config, lambda: True), watch, cluster, router, clock)
    for _ in range(30):
        await one_pass(scene.reconciler, watch, cluster, clock)
        if router.route is not None and router.route.weight_of("2") > 0:
            await asyncio.sleep(0)
            cluster.said.clear()
            return scene
    raise AssertionError("the candidate never got traffic")


async def others_wrote_the_route(scene: Scene) -> None:
    scene.router.route = replace(scene.route, structure="another manager's", manager="kustomize-controller")
    await scene.passes()


async def nobody_known_wrote_the_route(scene: Scene) -> None:
    scene.router.route = replace(scene.route, structure="another manager's", manager="")
    await scene.passes()


async def lowering_does_not_get_through(scene: Scene) -> None:
    scene.cluster.obj["spec"]["model"]["version"] = "1"
    scene.router.lowering = NO_ANSWER
    await scene.passes(4)


async def raising_is_refused(scene: Scene) -> None:
    scene.router.route = replace(scene.route, structure="another manager's")
    scene.router.applying = Unreachable("ApiForbidden", "the API server answered PATCH ... with 403: no")
    await scene.passes(4)


async def a_status_that_cannot_be_read(scene: Scene) -> None:
    scene.cluster.obj["status"]["weight"] = "much"
    await scene.passes()


async def a_status_that_others_keep_writing(scene: Scene) -> None:
    """No second reading is told from the first, and none can be recorded."""
    scene.cluster.obj["spec"]["steps"] = [{"weight": 7}]
    scene.cluster.obj["metadata"]["managedFields"] = [
        {"manager": "dashboard", "time": "2023-11-14T22:13:20Z", "subresource": "status", "fieldsV1": {}}
    ]
    scene.cluster.changed = True
    for _ in range(5):
        with suppress(Conflict):
            await scene.passes()
        await asyncio.sleep(0)


async def a_server_that_is_configured_no_more(scene: Scene) -> None:
    scene.cluster.obj["spec"]["analysis"]["prometheus"] = "gone"
    await scene.passes()


async def deleted(scene: Scene) -> None:
    scene.reconciler.routers = cast("Any", Releasing())
    await _delete(scene)


async def deleted_beside_a_route_of_others(scene: Scene) -> None:
    why = "its annotation modelrollout.dev/resource names vision/letters, not vision/digits"
    left = f"a route of this name was left as it is, for it is somebody else's: {why}"
    scene.reconciler.routers = cast("Any", Releasing(left=(left,)))
    await _delete(scene)


async def deleted_although_traffic_stays(scene: Scene) -> None:
    scene.reconciler.routers = cast("Any", Releasing(NO_ANSWER))
    await _delete(scene)
    scene.clock.time += 3600
    await scene.passes()


async def deleted_although_the_route_keeps_changing(scene: Scene) -> None:
    scene.reconciler.routers = cast("Any", Releasing(Conflict("the route now says that version 2 is stable, not 1")))
    scene.clock.time += 3600
    await _delete(scene)


@dataclass
class Releasing:
    """Routers that release nothing where there is a failure."""

    failure: Exception | None = None

    left: tuple[str, ...] = ()

    async def release(self, *_: Any, **__: Any) -> Released:
        if self.failure:
            raise self.failure
        return Released(left=self.left)


async def _delete(scene: Scene) -> None:
    scene.cluster.obj["metadata"]["deletionTimestamp"] = "2023-11-14T22:13:20Z"
    await scene.passes()


SCENES: tuple[Callable[[Scene], Awaitable[None]], ...] = (
    others_wrote_the_route,
    nobody_known_wrote_the_route,
    lowering_does_not_get_through,
    raising_is_refused,
    a_status_that_cannot_be_read,
    a_status_that_others_keep_writing,
    a_server_that_is_configured_no_more,
    deleted,
    deleted_beside_a_route_of_others,
    deleted_although_traffic_stays,
    deleted_although_the_route_keeps_changing,
)


async def texts() -> dict[str, str]:
    """The Events, the log and the status at the end of every scene."""
    found: dict[str, str] = {}
    for play in SCENES:
        scene = await exposed()
        with logged() as lines:
            await play(scene)
        status = scene.cluster.obj["status"]
        end = f"{status['phase']}, {status['reason']}: {status['message']}"
        found[play.__name__.replace("_", " ")] = "\n".join([*lines, *scene.cluster.said, end])
    return found
