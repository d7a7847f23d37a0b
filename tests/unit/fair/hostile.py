"""One operator over real parts and fakes that are slow: a rollout of one namespace, and others who ask for too much.

Real: service, passes, pollers, evaluator, ledger with its places and turns, reading of answers, routers, the line of
API calls. Faked: how long the API server and Prometheus take, and what they say.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from modelrollout.adapters.kubernetes.calls import Calls
from modelrollout.adapters.kubernetes.client import Api
from modelrollout.adapters.kubernetes.gateway_facts import KubernetesGatewayFacts
from modelrollout.adapters.kubernetes.store import FINALIZER, KubernetesStore
from modelrollout.adapters.prometheus.exchange import current
from modelrollout.adapters.prometheus.ledger import PrometheusLedger
from modelrollout.adapters.routers import RegisteredRouters
from modelrollout.adapters.routers.forms.httproute import route_spec
from modelrollout.adapters.routers.forms.marks import annotations_for
from modelrollout.adapters.triton.readiness import TritonServer
from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.api.problems import parse_spec
from modelrollout.core.observation import RoutePlan
from modelrollout.fair.tenant import tenant
from modelrollout.ports import Clock
from modelrollout.runtime.evaluation.evaluator import Evaluator
from modelrollout.runtime.metrics import MemoryMetrics
from modelrollout.runtime.notifier import Notifier
from modelrollout.runtime.reconcile import Reconciler
from modelrollout.runtime.service import Service
from modelrollout.runtime.watch import Watch
from modelrollout.runtime.writes import Writer
from tests.allowed import ALLOWED
from tests.expect import present
from tests.unit.analysis.recorded import GATEWAY_REQUESTS, backend
from tests.unit.borders.cluster import MemoryApi, Quiet
from tests.unit.rollout.world import World, manifest
from tests.unit.runtime.in_memory import copied

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

VICTIM = "vision"
API_LATENCY = 0.005
WINDOW = re.compile(r"\[(\d+)ms\]$")
GATEWAY = {"name": "inference", "namespace": "infra", "hostnames": ["a.b"]}
CONTROLLER = "traefik.io/gateway-controller"


@dataclass(frozen=True)
class Tenant:
    """Somebody else: how many resources, and what they are like."""

    namespace: str
    resources: int
    started: bool = True
    """Whether they are rollouts in progress; else nothing is there but the resource."""
    gates: int = 0
    """Query gates of each."""
    seconds: float = 0.0
    """How long each of their queries takes."""
    layers: int = 0
    """Series of layers in each of their answers: as many as one answer may have work the processor."""


def hostile(scale: float = 1.0, *, layers: int = 9000) -> tuple[Tenant, ...]:
    """One of each kind. With `layers` 0 the many layers take time alone, not the processor."""
    many = Tenant("layers", max(round(6 * scale), 3), layers=layers, seconds=0.0 if layers else 4.0)
    return (
        Tenant("gates", max(round(20 * scale), 8), gates=24, seconds=0.5),
        Tenant("slow", max(round(20 * scale), 8), seconds=8.0),
        many,
        Tenant("nothing", round(1000 * scale), started=False),
    )


@dataclass
class Moving(Clock):
    """The time of the recorded rollout, at the pace of real time."""

    start: float
    _began: float = field(default_factory=time.monotonic)

    def now(self) -> float:
        return round(self.start + time.monotonic() - self._began, 3)


class SlowApi(Api):
    """An API server in memory behind the real line of calls."""

    def __init__(self, memory: MemoryApi, clock: Clock, calls: Calls | None) -> None:
        super().__init__(cast("Any", None), calls=calls)
        self.memory, self.clock = memory, cast("Any", clock)
        self.sent = 0
        self.silent = frozenset[str]()
        """Namespaces whose calls are never answered."""

    async def _latency(self) -> None:
        self.sent += 1
        await asyncio.sleep(1e6 if tenant() in self.silent else API_LATENCY)

    async def request(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        async with self._turn(method, path):
            await self._latency()
        body = more.get("body")
        if method == "GET":
            return await self.memory.request(method, path)
        write = {"PUT": self.memory.put, "POST": self.memory.post, "PATCH": self.memory.patch}[method]
        return await write(path, body)

    async def get(self, path: str, query: Any = None, *, timeout: float | None = None) -> dict[str, Any] | None:  # noqa: ASYNC109 - as Api has it
        async with self._turn("GET", path):
            await self._latency()
        return self.memory.objects.get(path)


class SlowLedger(PrometheusLedger):
    """The real ledger, whose server is a function: places, turns, room and reading are those of every query."""

    def __init__(self, world: Operator) -> None:
        super().__init__()
        self._world = world

    def _connection(self, server: PrometheusServer) -> Any:
        found = super()._connection(server)
        if not isinstance(found.client, _Client):
            found.client = _Client(self._world, found.client._session)
        return found


@dataclass
class _Client:
    world: Operator
    session: Any

    def custom_query(self, query: str, params: dict[str, str]) -> Any:
        window = WINDOW.search(query)
        end = float(params["time"])
        return self._answered(query, end - int(present(window)[1]) / 1000, end)

    def custom_query_range(self, query: str, *_: Any, params: dict[str, str]) -> Any:
        return self._answered(query, float(params["start"]), float(params["end"]))

    def _answered(self, query: str, start: float, end: float) -> Any:
        exchange = current()
        one = self.world.tenants.get(exchange.tenant)
        if one is not None and one.seconds:
            until = time.monotonic() + one.seconds
            while time.monotonic() < until:  # as a socket that drips: it ends where nobody waits any more
                time.sleep(0.05)
                exchange.check()
        body = self.world.body(exchange.tenant, query, start, end)
        exchange.grow(len(body))
        return self.session._series(bytearray(body), None, exchange)


class Operator:
    """VICTIM's rollout at 25 %, and `others`; candidate's errors begin at `breaks`."""

    def __init__(self, others: tuple[Tenant, ...], *, timeout: float = 10.0) -> None:
        world = World(spec=spec()).stepping()
        while world.weight < 25:
            world.tick()
        world.tick(1)
        self.tenants = {one.namespace: one for one in others}
        self.clock, self.breaks = Moving(world.now), float("inf")
        self.memory = MemoryApi(dict(_objects(world, others)))
        self.config = OperatorConfig(
            gateways=ALLOWED,
            prometheus=[
                PrometheusServer(url="http://p.test", scrape_interval=1.0, allow_queries=True, timeout=timeout)
            ],
        )
        api_calls = self.config.api_calls
        self.api = SlowApi(self.memory, self.clock, Calls(api_calls.per_second, api_calls.burst))
        self.ledger = SlowLedger(self)
        self.service = self._service()

    def _service(self) -> Service:
        evaluator, metrics = Evaluator(self.ledger, self.config), MemoryMetrics()
        writer = Writer(KubernetesStore(self.api), Notifier({"m": Quiet()}, metrics), self.clock, lambda: True)
        reconciler = Reconciler(writer, RegisteredRouters(self.api), KubernetesGatewayFacts(self.api), self.config)
        servers = _Servers(TritonServer(self.api))
        return Service(
            reconciler,
            lambda namespace, name: Watch(namespace, name, self.config, servers, evaluator, self.clock, metrics),
            self.clock,
            metrics,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Every resource is cared for; others first, as they would have been there before."""
        names = [path for path in self.memory.objects if "/modelrollouts/" in path]
        for path in sorted(names, key=lambda path: f"/{VICTIM}/" in path):
            self.service.wake(path.split("/")[5], path.rpartition("/")[2])
        try:
            yield
        finally:
            await self.service.stop()
            self.ledger.close()

    @property
    def weight(self) -> int:
        """What the victim's candidate has."""
        route = self.memory.objects[f"/apis/gateway.networking.k8s.io/v1/namespaces/{VICTIM}/httproutes/digits"]
        refs = route["spec"]["rules"][0]["backendRefs"]
        return sum(ref.get("weight", 1) for ref in refs if ref["name"] == "digits-v2")

    @property
    def judged(self) -> bool:
        """Whether the victim's rollout has been evaluated."""
        return self.service.watches[VICTIM, "digits"].evaluation is not None

    def held(self, namespace: str) -> int:
        """Places for queries of the operator's own that a namespace has."""
        return sum(one.ours.held(namespace) for one in self.ledger._connections.values())

    def break_now(self) -> None:
        """From the next scrape on the candidate fails."""
        self.breaks = float(int(self.clock.now()) + 1)

    async def seconds_until_lowered(self, settle: float, patience: float = 60.0) -> float:
        """From the first scrape with a failure until the route is lowered, after `settle` seconds of everything."""
        async with self.running(), asyncio.timeout(settle + patience):
            await asyncio.sleep(settle)
            assert self.weight == 25, self.memory.objects[_rollout(VICTIM, "digits")].get("status")
            self.break_now()
            while self.weight:  # noqa: ASYNC110 - nothing tells when a route in memory changes
                await asyncio.sleep(0.01)
            return self.clock.now() - self.breaks

    def body(self, namespace: str, query: str, start: float, end: float) -> bytes:
        """What the server answers."""
        one = self.tenants.get(namespace)
        if one is not None:
            return many_layers(one.layers) if one.layers and GATEWAY_REQUESTS not in query else EMPTY
        if GATEWAY_REQUESTS not in query:
            return EMPTY
        times = [t for t in range(int(start) + 1, int(end) + 1) if t <= self.clock.now()]
        kinds = [(code, version) for code in ("200", "503") for version in ("1", "2")]
        return _answer(
            {"__name__": GATEWAY_REQUESTS, "instance": "gw", "code": code, "service": backend(version)}
            | {"values": [[t, str(self._count(code, version, t))] for t in times]}
            for code, version in kinds
        )

    def _count(self, code: str, version: str, at: float) -> int:
        """A counter: 60 requests a second to stable, 20 to the candidate, of which three in four fail in the end."""
        since, failed = at - 1.6e9, max(at - self.breaks, 0.0) if version == "2" else 0.0
        rate = 60.0 if version == "1" else 20.0
        return int(15 * failed) + 10 if code == "503" else int(rate * since - 15 * failed)


class _Servers:
    """Everybody's model servers: those of rollouts in progress are ready, and the others have no Service."""

    def __init__(self, real: TritonServer) -> None:
        self._real = real

    async def probe(self, namespace: str, *more: Any) -> tuple[int, str]:
        return await self._real.probe(namespace, *more) if tenant() == "nothing" else (1, "")


def spec(gates: int = 0, version: str = "1") -> dict[str, Any]:
    found = manifest(version, traffic={"gateway": GATEWAY})
    found["analysis"] = {"interval": "1s", "minimumRequests": 100, "readyFor": "30s"}
    found["gates"] = [{"name": "errors", "type": "ErrorRate", "max": "5%"}]
    asked = [{"name": f"q{n}", "type": "Query", "query": f"up{{n='{n}'}}", "max": "1"} for n in range(gates)]
    found["gates"] = (found["gates"] + asked)[:24]
    found["steps"] = [{"weight": 5, "hold": "60s"}, {"weight": 25, "hold": "1h"}, {"weight": 50, "hold": "1h"}]
    return found


def _objects(world: World, others: tuple[Tenant, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from _resource(VICTIM, "digits", world, world.spec)
    for one in others:
        for n in range(one.resources):
            changed = copied(world.spec) | {"gates": spec(one.gates)["gates"]}
            gateway = {**GATEWAY, "hostnames": [f"h{n}.{one.namespace}.b"]}
            changed["traffic"] = {"gateway": gateway}
            yield from _resource(one.namespace, "digits" if n == 0 else f"d{n}", world, changed, started=one.started)
    gateways = "/apis/gateway.networking.k8s.io/v1/"
    yield f"{gateways}namespaces/infra/gateways/inference", {"spec": {"gatewayClassName": "c"}}
    yield f"{gateways}gatewayclasses/c", {"spec": {"controllerName": CONTROLLER}}


def _rollout(namespace: str, name: str) -> str:
    return f"/apis/modelrollout.dev/v1alpha1/namespaces/{namespace}/modelrollouts/{name}"


def _resource(
    namespace: str, name: str, world: World, its: dict[str, Any], *, started: bool = True
) -> Iterator[tuple[str, dict[str, Any]]]:
    meta: dict[str, Any] = {"namespace": namespace, "name": name, "uid": f"{namespace}-{name}", "resourceVersion": "1"}
    about = meta | {"generation": 1, "finalizers": [FINALIZER], "creationTimestamp": "2023-01-01T00:00:00Z"}
    yield _rollout(namespace, name), {"metadata": about, "spec": its} | ({"status": world.status} if started else {})
    if started:
        parsed, plan = present(parse_spec(its)[0]), RoutePlan("1", "2", 25)
        notes = annotations_for(namespace, name, parsed, plan)
        route = {"metadata": meta | {"annotations": notes}, "spec": route_spec(namespace, parsed, plan)}
        yield f"/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/httproutes/{name}", route


def _answer(series: Any) -> bytes:
    result = [{"metric": one, "values": one.pop("values")} for one in series]
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}).encode()


EMPTY = _answer([])


@cache
def many_layers(number: int) -> bytes:
    """Of so many layers, with samples as many as fit into one answer."""
    rows = [[1_700_000_000 + 5 * n, "1"] for n in range(16)]
    kind = {"__name__": "model_activation_dead_units", "model": "digits", "version": "2", "instance": "a"}
    return _answer(kind | {"layer": f"layer.{n}.with.a.long.name", "values": rows} for n in range(number))
