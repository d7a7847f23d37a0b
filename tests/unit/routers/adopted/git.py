"""A rollout on a route of Git's over the real reconciler and an API server in memory that fences like a real one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from modelrollout.adapters.kubernetes.gateway_facts import KubernetesGatewayFacts
from modelrollout.adapters.kubernetes.store import FINALIZER, KubernetesStore
from modelrollout.adapters.routers import RegisteredRouters
from modelrollout.adapters.routers.adopted.mark import MARK, Mark, read_mark
from modelrollout.adapters.routers.httproute import EPOCH
from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.api.status import Status
from modelrollout.core.observation import Readiness
from modelrollout.ports import Conflict, NotFound, Unreachable
from modelrollout.runtime.evaluation.evaluator import Evaluator
from modelrollout.runtime.metrics import MemoryMetrics
from modelrollout.runtime.notifier import Notifier
from modelrollout.runtime.reconcile import Reconciler
from modelrollout.runtime.watch import Target, Watch
from modelrollout.runtime.writes import Writer
from tests.unit.borders.cluster import ROLLOUT, Quiet, changed
from tests.unit.rollout.world import START, World, manifest
from tests.unit.runtime.in_memory import AlwaysReady, Clock, GrowingLedger, copied

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelrollout.adapters.kubernetes.client import Api

ROUTES = "/apis/gateway.networking.k8s.io/v1/namespaces/vision/httproutes"
ROUTE = f"{ROUTES}/front"


class Killed(BaseException):
    """SIGKILL: nothing of the process runs after it."""


def rule(name: str = "infer", **weights: int) -> dict[str, Any]:
    """A rule with backends v1=..., v2=..., of digits' Services."""
    refs = [{"name": f"digits-{version}", "port": 8000, "weight": weight} for version, weight in weights.items()]
    return {"name": name, "matches": [{"path": {"type": "PathPrefix", "value": "/v2"}}], "backendRefs": refs}


def git_route(*rules: dict[str, Any], name: str = "front", **notes: str) -> dict[str, Any]:
    """What Git holds."""
    kept = list(rules) or [rule(v1=100, v2=0)]
    parents = [{"name": "inference"}]
    meta = {"name": name, "namespace": "vision", "uid": f"uid-{name}", "annotations": {"team": "vision", **notes}}
    spec = {"parentRefs": parents, "hostnames": ["digits.example.com"], "rules": kept}
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": meta, "spec": spec}


@dataclass
class GitApi:
    """Objects by path. JSON Patches are all or nothing: 409 for another resourceVersion, 422 for a failed test."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    writes: list[tuple[str, Any]] = field(default_factory=list)
    """(path, body) of every write that was taken."""
    fault: Callable[[str, Any, Callable[[], dict[str, Any]]], dict[str, Any]] = lambda _path, _body, write: write()
    version: int = 1

    def put_there(self, path: str, obj: dict[str, Any]) -> None:
        """Somebody else writes the object as a whole."""
        self.version += 1
        self.objects[path] = obj | {"metadata": obj["metadata"] | {"resourceVersion": str(self.version)}}

    async def get(self, path: str, *_: Any, **__: Any) -> dict[str, Any] | None:
        return copied(self.objects[path]) if path in self.objects else None

    async def request(self, method: str, path: str, **_: Any) -> dict[str, Any]:
        assert method == "GET"
        if path == ROUTES:
            return {"items": [copied(each) for key, each in self.objects.items() if key.startswith(f"{ROUTES}/")]}
        if path not in self.objects:
            raise NotFound("NotFound", f"{path} is not there")
        return copied(self.objects[path])

    async def put(self, path: str, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        return self.fault(path, body, lambda: self._replace_status(path.removesuffix("/status"), body))

    async def post(self, path: str, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        whole = f"{path}/{body['metadata']['name']}"
        return self.fault(whole, body, lambda: self._created(whole, body))

    async def patch(self, path: str, body: Any, **_: Any) -> dict[str, Any]:
        return self.fault(path, body, lambda: self._patched(path, body))

    def _created(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.put_there(path, body)
        self.writes.append((path, body))
        return copied(self.objects[path])

    def _replace_status(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self._fence(path, body["metadata"]["resourceVersion"])
        self.writes.append((path, body))
        self.put_there(path, self.objects[path] | {"status": body["status"]})
        return copied(self.objects[path])

    def _patched(self, path: str, body: Any) -> dict[str, Any]:
        if path not in self.objects:
            raise NotFound("NotFound", f"{path} is not there")
        found = self.objects[path]
        if isinstance(body, dict):
            self._fence(path, body.get("metadata", {}).get("resourceVersion"))
            found = found | body | {"metadata": found["metadata"] | body.get("metadata", {})}
        else:
            for operation in body:
                found = self._operated(path, found, operation)
        self.writes.append((path, body))
        self.put_there(path, found)
        return copied(self.objects[path])

    def _operated(self, path: str, found: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
        if operation["path"] == "/metadata/resourceVersion":
            self._fence(path, operation["value"])
            return found
        keys = [key.replace("~1", "/").replace("~0", "~") for key in operation["path"].split("/")[1:]]
        try:
            after: dict[str, Any] = changed(found, keys, operation)
        except (AssertionError, KeyError, IndexError, ValueError):
            raise Unreachable("ApiInvalid", f"422: {operation} of {path}") from None
        return after

    def _fence(self, path: str, version: Any) -> None:
        if version is not None and version != self.objects[path]["metadata"]["resourceVersion"]:
            raise Conflict(f"{path} is {self.objects[path]['metadata']['resourceVersion']}, not {version}")


@dataclass
class GitRollout:
    """digits, whose route `front` is Git's: `tick()` is time and one pass of the real reconciler."""

    api: GitApi = field(default_factory=GitApi)
    world: World = field(default_factory=World)
    epoch: str = "1.0-one"
    now: float = START
    candidate_ready: bool = True

    def __post_init__(self) -> None:
        self.git = git_route()
        self.sink = Quiet()
        self.operator: Reconciler
        if ROUTE not in self.api.objects:
            self.api.put_there(ROUTE, copied(self.git))
            meta = {"name": "digits", "namespace": "vision", "uid": "u", "generation": 1, "finalizers": [FINALIZER]}
            self.api.put_there(ROLLOUT, {"metadata": meta, "spec": spec_of()})
        self.restart()

    def restart(self) -> None:
        """Another process."""
        api, self.clock, metrics = cast("Api", self.api), Clock(self.now), MemoryMetrics()
        config = OperatorConfig(prometheus=[PrometheusServer(url="http://prometheus.test")])
        writer = Writer(KubernetesStore(api), Notifier({"memory": self.sink}, metrics), self.clock, lambda: True)
        routers = RegisteredRouters(api, epoch=lambda: self.epoch)
        self.operator = Reconciler(writer, routers, KubernetesGatewayFacts(api), config)
        self.watch = Watch("vision", "digits", config, AlwaysReady(), Evaluator(GrowingLedger(), config), self.clock)

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.api.objects[ROLLOUT].get("status") or {}
        return found

    @property
    def weights(self) -> dict[str, int]:
        """By Service, of the rule infer, or of the first."""
        rules = self.api.objects[ROUTE]["spec"]["rules"]
        chosen = next((one for one in rules if one["name"] == "infer"), rules[0])
        return {ref["name"]: ref["weight"] for ref in chosen["backendRefs"]}

    @property
    def mark(self) -> Mark | None:
        return read_mark(self.notes.get(MARK))

    @property
    def notes(self) -> dict[str, str]:
        found: dict[str, str] = self.api.objects[ROUTE]["metadata"]["annotations"]
        return found

    def want(self, version: str) -> None:
        self.spec(model={"name": "digits", "version": version})

    def spec(self, **fields: Any) -> None:
        """Git changes the ModelRollout."""
        found = self.api.objects[ROLLOUT]
        self.api.put_there(ROLLOUT, found | {"spec": found["spec"] | fields})

    def reapply(self) -> None:
        """`kubectl apply` or Argo CD's self-heal: the spec as in Git, annotations of others stay."""
        meta = self.api.objects[ROUTE]["metadata"]
        managed = [
            {"manager": "argocd-controller", "time": "2030-01-01T00:00:00Z", "fieldsV1": {"f:spec": {"f:rules": {}}}}
        ]
        self.api.put_there(ROUTE, copied(self.git) | {"metadata": meta | {"managedFields": managed}})

    def replace(self) -> None:
        """`kubectl replace`: nothing of ours stays."""
        self.api.put_there(ROUTE, copied(self.git))

    async def tick(self, seconds: float = 15.0) -> None:
        """Time goes on, a closed evaluation is there, and one pass is made."""
        self.now = round(self.now + seconds, 3)
        self.clock.time = self.now
        status = Status.model_validate(self.status)
        self.world.now, self.world.status = self.now, self.status
        self.watch.evaluation = self.world.evaluation(status)
        for version in ("1", "2", "3"):
            ready = version == "1" or self.candidate_ready
            found = Readiness(
                version, ready=ready, since=START - 3600 if ready else None, failures=0 if ready else 2, message=""
            )
            self.watch.readiness[Target(version, f"digits-v{version}", 8000, "digits", version)] = found
        await self.operator.run(self.watch)

    async def until(self, phase: str, weight: int | None = None, most: int = 40) -> None:
        """Passes until this phase and weight of version 2; fails after so many."""
        for _ in range(most):
            if self.status.get("phase") == phase and weight in (None, self.weights.get("digits-v2")):
                return
            try:
                await self.tick()
            except (Conflict, Unreachable):
                continue
        raise AssertionError(f"{self.status.get('phase')} {self.status.get('message')} {self.weights}")

    async def serving(self) -> GitRollout:
        await self.until("Serving")
        await self.tick(1)
        return self

    async def stepping(self, weight: int = 5) -> GitRollout:
        """Version 2 is tried and has `weight` percent."""
        await self.serving()
        self.want("2")
        await self.until("Stepping", weight)
        await self.tick(1)
        return self


def spec_of(**traffic: Any) -> dict[str, Any]:
    """As people write it, with the route in Git."""
    adopt = {"name": "front", "rule": "infer"}
    return manifest("1", traffic={"gateway": {"name": "inference"}, "adopt": adopt} | traffic)


def outside(route: dict[str, Any]) -> dict[str, Any]:
    """All of a route but the weights of the rule infer, our mark and what the API server counts."""
    found: dict[str, Any] = copied(route)
    meta = found["metadata"]
    meta = {key: meta[key] for key in meta if key not in ("resourceVersion", "managedFields")}
    notes = {key: value for key, value in meta["annotations"].items() if key not in (MARK, EPOCH)}
    found["metadata"] = meta | {"annotations": notes}
    for one in found["spec"]["rules"]:
        if one.get("name") == "infer":
            for ref in one["backendRefs"]:
                ref.pop("weight", None)
    return found
