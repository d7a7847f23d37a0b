"""A rollout at 25 % over real adapters and an API server in memory that stores whatever it is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

from modelrollout.adapters.kubernetes.client import Api
from modelrollout.adapters.kubernetes.command_annotation import COMMAND
from modelrollout.adapters.kubernetes.gateway_facts import KubernetesGatewayFacts
from modelrollout.adapters.kubernetes.store import FINALIZER, KubernetesStore
from modelrollout.adapters.routers import RegisteredRouters
from modelrollout.adapters.routers.forms.httproute import route_spec
from modelrollout.adapters.routers.forms.marks import annotations_for
from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.api.problems import parse_spec
from modelrollout.api.status import Status
from modelrollout.core.evaluation import Evaluation, GateResult
from modelrollout.core.observation import Event, Readiness, RoutePlan
from modelrollout.ports import Subject
from modelrollout.runtime.evaluation.evaluator import Evaluator
from modelrollout.runtime.metrics import MemoryMetrics
from modelrollout.runtime.notifier import Notifier
from modelrollout.runtime.reconcile import Reconciler
from modelrollout.runtime.watch import Target, Watch
from modelrollout.runtime.writes import Writer
from tests.allowed import ALLOWED
from tests.expect import present
from tests.unit.rollout.world import World
from tests.unit.runtime.in_memory import AlwaysReady, Clock, GrowingLedger, copied

ROUTE = "/apis/gateway.networking.k8s.io/v1/namespaces/vision/httproutes/digits"
ROLLOUT = "/apis/modelrollout.dev/v1alpha1/namespaces/vision/modelrollouts/digits"


@dataclass
class MemoryApi:
    """Objects by path, as given; JSON Patches are applied and merge patches of what this operator merges."""

    objects: dict[str, dict[str, Any]]
    writes: list[tuple[str, str]] = field(default_factory=list)
    refuse: Any = None
    """Called with (method, path, body) before each write; may raise."""

    async def get(self, path: str, *_: Any, **__: Any) -> dict[str, Any] | None:
        return self.objects.get(path)

    async def request(self, _method: str, path: str, **_: Any) -> dict[str, Any]:
        if path in self.objects:
            return self.objects[path]
        return {"items": [one for at, one in self.objects.items() if at.rpartition("/")[0] == path]}

    async def put(self, path: str, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        self._write("PUT", path, body)
        whole = path.removesuffix("/status")
        self.objects[whole] = self.objects[whole] | {"status": body["status"]}
        return self.objects[whole]

    async def post(self, path: str, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        self._write("POST", path, body)
        self.objects[f"{path}/{body['metadata']['name']}"] = body
        return body

    async def patch(self, path: str, body: Any, **_: Any) -> dict[str, Any]:
        self._write("PATCH", path, body)
        if isinstance(body, dict):
            meta = self.objects[path]["metadata"] | body.get("metadata", {})
            self.objects[path] = self.objects[path] | body | {"metadata": meta}
            return self.objects[path]
        for operation in body:
            keys = [key.replace("~1", "/").replace("~0", "~") for key in operation["path"].split("/")[1:]]
            self.objects[path] = changed(self.objects[path], keys, operation)
        return self.objects[path]

    def _write(self, method: str, path: str, body: Any) -> None:
        if self.refuse is not None:
            self.refuse(method, path, body)
        self.writes.append((method, path))


def changed(node: Any, keys: list[str], operation: dict[str, Any]) -> Any:
    """A copy of `node` along `keys` with one JSON Patch operation applied."""
    copy: Any = list(node) if isinstance(node, list) else dict(node)
    key: Any = int(keys[0]) if isinstance(node, list) else keys[0]
    if len(keys) > 1:
        copy[key] = changed(copy[key], keys[1:], operation)
    elif operation["op"] == "test":
        assert copy[key] == operation["value"]
    elif operation["op"] == "remove":
        del copy[key]
    else:
        copy[key] = operation["value"]
    return copy


@dataclass
class Quiet:
    """A sink that keeps what it is told."""

    events: list[Event] = field(default_factory=list)

    async def send(self, _subject: Subject, event: Event) -> None:
        self.events.append(event)


@dataclass
class Rollout:
    """digits from version 1 to 2, which has 25 %: `run()` is one pass of the real reconciler."""

    api: MemoryApi
    reconciler: Reconciler
    watch: Watch
    sink: Quiet

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.api.objects[ROLLOUT]["status"]
        return found

    @property
    def weight(self) -> int:
        """What version 2 has."""
        refs = self.api.objects[ROUTE]["spec"]["rules"][0]["backendRefs"]
        return sum(ref["weight"] for ref in refs if ref["name"] == "digits-v2")

    def change(self, path: str, **fields: Any) -> None:
        self.api.objects[path] = self.api.objects[path] | fields

    def annotate(self, path: str, notes: dict[str, Any]) -> None:
        meta = self.api.objects[path]["metadata"]
        self.change(path, metadata=meta | {"annotations": (meta.get("annotations") or {}) | notes})

    def ask(self, text: Any) -> None:
        self.annotate(ROLLOUT, {COMMAND: text})

    def lose(self, message: str) -> None:
        lost = Readiness("2", ready=False, since=None, failures=2, message=message)
        self.watch.readiness = {Target("2", "digits-v2", 8000, "digits"): lost}

    def fail(self, *gates: GateResult, **more: Any) -> None:
        """The newest evaluation, in which these gates are as given."""
        world = World(now=self.reconciler.writer.clock.now())
        world.status = self.status
        found = present(world.evaluation(Status.model_validate(self.status)))
        self.watch.evaluation = Evaluation(**(found.__dict__ | {"gates": gates} | more))

    def want(self, version: str) -> None:
        spec = self.api.objects[ROLLOUT]["spec"]
        self.change(ROLLOUT, spec=spec | {"model": spec["model"] | {"version": version}})

    async def run(self) -> None:
        await self.reconciler.run(self.watch)


def at_25_percent() -> Rollout:
    world, objects = _made()
    return over(MemoryApi({path: copied(each) for path, each in objects.items()}), world)


@cache
def _made() -> tuple[World, dict[str, dict[str, Any]]]:
    world = World().stepping()
    while world.weight < 25:
        world.tick()
    world.tick(1)
    spec, _ = parse_spec(world.spec)
    plan = RoutePlan("1", "2", 25)
    notes = annotations_for("vision", "digits", present(spec), plan)
    meta = {"name": "digits", "namespace": "vision", "uid": "u", "resourceVersion": "1"}
    route = {"metadata": meta | {"annotations": notes}, "spec": route_spec("vision", present(spec), plan)}
    rollout = {
        "metadata": meta | {"generation": 1, "finalizers": [FINALIZER]},
        "spec": world.spec,
        "status": world.status,
    }
    return world, {ROUTE: route, ROLLOUT: rollout}


def over(memory: MemoryApi, world: World) -> Rollout:
    api, clock, sink, metrics = cast("Api", memory), Clock(world.now), Quiet(), MemoryMetrics()
    config = OperatorConfig(gateways=ALLOWED, prometheus=[PrometheusServer(url="http://prometheus.test")])
    writer = Writer(KubernetesStore(api), Notifier({"memory": sink}, metrics), clock, lambda: True)
    reconciler = Reconciler(writer, RegisteredRouters(api), KubernetesGatewayFacts(api), config)
    watch = Watch("vision", "digits", config, AlwaysReady(), Evaluator(GrowingLedger(), config), clock)
    watch.readiness = {Target(v, f"digits-v{v}", 8000, "digits"): world.ready[v] for v in ("1", "2")}
    return Rollout(memory, reconciler, watch, sink)
