"""A whole reconciler over memory: the real passes, pollers and evaluator, with no API server and no Prometheus."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np

from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.core.analysis.metrics.series import Series, make_series
from modelrollout.core.observation import Backend, Event, ObservedRoute, RoutePlan
from modelrollout.ports import ObjectStore, Routers, Subject
from modelrollout.runtime.evaluation.evaluator import Evaluator
from modelrollout.runtime.metrics import MemoryMetrics
from modelrollout.runtime.notifier import Notifier
from modelrollout.runtime.reconcile import Reconciler
from modelrollout.runtime.watch import Watch
from modelrollout.runtime.writes import Writer
from tests.allowed import ALLOWED
from tests.unit.analysis.recorded import GATEWAY_REQUESTS, backend, in_this_thread
from tests.unit.rollout.world import START, manifest

EVERY = 15.0


def copied(thing: dict[str, Any]) -> dict[str, Any]:
    """A copy as an API server makes one; copy.deepcopy took a tenth of the whole simulation."""
    copy: dict[str, Any] = json.loads(json.dumps(thing))
    return copy


@dataclass
class Clock:
    time: float = START

    def now(self) -> float:
        return self.time


class GrowingLedger:
    """Gateway counters of both versions, each a line through time: any moment of any year can be asked for."""

    async def range(self, _server: Any, selector: str, start: float, end: float) -> tuple[Series, ...]:
        scrapes = EVERY * np.arange(start // EVERY, end // EVERY + 1) + 1
        times = scrapes[(start < scrapes) & (scrapes <= end)]
        if not times.size or GATEWAY_REQUESTS not in selector:
            return ()
        kinds = [(code, rate, version) for code, rate in (("200", 20.0), ("503", 0.01)) for version in ("1", "2")]
        return tuple(
            make_series(
                {"__name__": GATEWAY_REQUESTS, "instance": "gw", "code": code, "service": backend(version)},
                np.stack([times, np.floor(rate * (times - START + 1e6))], axis=1).tolist(),
            )
            for code, rate, version in kinds
        )

    async def steps(self, *_: Any) -> tuple[Series, ...]:
        return ()


@dataclass
class MemoryCluster:
    """One resource, stored; what a real API server would refuse is not tested here."""

    obj: dict[str, Any]
    events: int = 0
    version: int = 1
    controller: str = "traefik.io/gateway-controller"
    features: frozenset[str] | None = frozenset()

    async def get(self, _namespace: str, _name: str) -> dict[str, Any]:
        return copied(self.obj)

    async def write_status(self, obj: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
        if self.obj.get("status") == status:
            return obj
        self.obj["status"] = copied(status)
        return obj | {"status": status}

    async def add_finalizer(self, obj: dict[str, Any]) -> dict[str, Any]:
        return obj

    async def send(self, _subject: Subject, _event: Event) -> None:
        self.events += 1

    async def controller_of(self, _namespace: str, _spec: Any) -> str:
        return self.controller

    async def features_of(self, _namespace: str, _spec: Any) -> frozenset[str] | None:
        return self.features


@dataclass
class MemoryRouter:
    route: ObservedRoute | None = None
    writes: int = field(default=0)

    async def observe(self, _namespace: str, _name: str) -> ObservedRoute | None:
        return self.route

    async def claim(self, _namespace: str, _name: str, seen: ObservedRoute) -> ObservedRoute:
        return seen

    async def lower(self, _namespace: str, _name: str, _seen: ObservedRoute, plan: RoutePlan) -> ObservedRoute:
        return self._write(plan)

    async def apply(
        self, _ns: str, _name: str, _spec: Any, plan: RoutePlan, _seen: ObservedRoute | None
    ) -> ObservedRoute:
        return self._write(plan)

    def structure(self, *_: Any) -> str:
        return ""

    def _write(self, plan: RoutePlan) -> ObservedRoute:
        backends = [Backend(plan.stable, f"digits-v{plan.stable}", 8000, 100 - plan.weight)]
        if plan.candidate:
            backends.append(Backend(plan.candidate, f"digits-v{plan.candidate}", 8000, plan.weight))
        new = ObservedRoute(
            plan.stable,
            tuple(backends),
            "",
            model="digits",
            acceptance="ACCEPTED",
            manager="modelrollout",
            version_header=plan.version_header,
        )
        if self.route is None or replace(self.route, resource_version="") != new:
            self.writes += 1
            self.route = replace(new, resource_version=str(self.writes))
        return self.route


@dataclass
class OneRouter:
    """The only router there is, whatever the spec says."""

    router: MemoryRouter

    async def find(self, namespace: str, name: str, _spec: Any) -> tuple[MemoryRouter, ObservedRoute | None]:
        return self.router, await self.router.observe(namespace, name)


class AlwaysReady:
    async def probe(self, *_: Any) -> tuple[int, str]:
        return 1, ""


def made(leads: Callable[[], bool] = lambda: True) -> tuple[Reconciler, Watch, MemoryCluster, Clock]:
    clock = Clock()
    gateway = {"name": "inference", "namespace": "infra", "hostnames": ["a.b"]}
    spec = manifest("1", traffic={"gateway": gateway}, rollbackWindow="0s")
    spec["gates"] = [{"name": "errors", "type": "ErrorRate", "max": "5%"}]
    meta = {"name": "digits", "namespace": "vision", "generation": 1, "finalizers": []}
    cluster = MemoryCluster({"metadata": meta, "spec": spec})
    config = OperatorConfig(
        gateways=ALLOWED, prometheus=[PrometheusServer(url="http://prometheus.test", scrape_interval=EVERY)]
    )
    evaluator = Evaluator(GrowingLedger(), config)
    watch = Watch("vision", "digits", config, AlwaysReady(), evaluator, clock)
    return reconciler_over(cluster, MemoryRouter(), clock, config, leads), watch, cluster, clock


def reconciler_over(
    cluster: MemoryCluster, router: MemoryRouter, clock: Clock, config: OperatorConfig, leads: Callable[[], bool]
) -> Reconciler:
    """Every port of one resource is the same MemoryCluster."""
    store, routers = cast("ObjectStore", cluster), cast("Routers", OneRouter(router))  # what a pass calls, no more
    writer = Writer(store, Notifier({"memory": cluster}, MemoryMetrics()), clock, leads)
    return Reconciler(writer, routers, cluster, config)


def router_of(reconciler: Reconciler) -> MemoryRouter:
    """The router of a reconciler made here."""
    return cast("OneRouter", reconciler.routers).router


async def one_pass(reconciler: Reconciler, watch: Watch, cluster: MemoryCluster, clock: Clock) -> None:
    """What pollers and worker do in one interval; at rest the other version is asked for."""
    clock.time += EVERY
    for target in watch.polling.targets:
        await watch._probe(target)
    if watch.polling.request is not None:
        with in_this_thread():
            await watch._evaluate(watch.polling.request)
    await reconciler.run(watch)
    status = cluster.obj.get("status", {})
    if status.get("phase") == "Serving":
        cluster.obj["spec"]["model"]["version"] = "2" if status["stable"] == "1" else "1"
        cluster.obj["metadata"]["generation"] += 1
