"""The objects of a fleet: a ModelRollout, two Services with their EndpointSlices, and a Gateway for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelrollout.api.base import GROUP, GROUP_VERSION, KIND, PLURAL
from tests.bench.cost.evaluation.world import FIVE
from tests.bench.scale.world.api import ROUTES

if TYPE_CHECKING:
    from tests.bench.scale.world.store import Object, Store

ROLLOUTS = (GROUP, PLURAL)
NAMESPACES = 20
PORT = 8000
CONTROLLER = "traefik.io/gateway-controller"
STEPS = [{"weight": 20, "hold": "9h"}]


def name_of(number: int) -> str:
    return f"m-{number:04}"


def namespace_of(number: int) -> str:
    return f"team-{number % NAMESPACES:02}"


def gateway(store: Store) -> None:
    """The Gateway that every rollout uses, of Traefik's class."""
    ends = {"controllerName": CONTROLLER}
    store.create((ROUTES, "gatewayclasses"), {"kind": "GatewayClass", "metadata": {"name": "traefik"}, "spec": ends})
    spec = {"gatewayClassName": "traefik", "listeners": []}
    meta = {"name": "inference", "namespace": "infra"}
    store.create((ROUTES, "gateways"), {"kind": "Gateway", "metadata": meta, "spec": spec})


def rollout(store: Store, number: int, gates: int, servers: int) -> None:
    """One ModelRollout at version 1, with what both versions are served by at the port `servers` on loopback."""
    name, namespace = name_of(number), namespace_of(number)
    for version in "12":
        service = {"name": f"{name}-v{version}", "namespace": namespace}
        ports = {"ports": [{"name": "http", "port": PORT}], "ipFamilies": ["IPv4"]}
        store.create(("", "services"), {"kind": "Service", "metadata": service, "spec": ports})
        labels = {"kubernetes.io/service-name": service["name"]}
        address = f"127.0.{number % 250 + 1}.{version}"
        store.create(
            ("discovery.k8s.io", "endpointslices"),
            {
                "kind": "EndpointSlice",
                "metadata": {"name": f"{service['name']}-x", "namespace": namespace, "labels": labels},
                "addressType": "IPv4",
                "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
                "ports": [{"name": "http", "port": servers}],
            },
        )
    store.create(ROLLOUTS, _rollout(name, namespace, gates))


def _rollout(name: str, namespace: str, gates: int) -> Object:
    spec: dict[str, Any] = {
        "model": {"name": name, "version": "1"},
        "serving": {"service": f"{name}-v{{version}}", "port": PORT},
        "traffic": {"gateway": {"name": "inference", "namespace": "infra", "hostnames": [f"{name}.example.com"]}},
        "steps": STEPS,
    }
    if gates:
        spec["gates"] = list(FIVE[:gates])
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": GROUP_VERSION, "kind": KIND, "metadata": meta, "spec": spec}


def accepted(kind: tuple[str, str], route: Object) -> Object | None:
    """What a gateway's controller makes of a route that it has not seen in this generation."""
    generation = route["metadata"]["generation"]
    parents = (route.get("status") or {}).get("parents") or []
    if kind[0] != ROUTES or "routes" not in kind[1] or _seen(parents, generation):
        return None
    conditions = [
        {"type": one, "status": "True", "reason": one, "observedGeneration": generation}
        for one in ("Accepted", "ResolvedRefs")
    ]
    about = {"parentRef": route["spec"]["parentRefs"][0], "controllerName": CONTROLLER}
    return {"parents": [{**about, "conditions": conditions}]}


def _seen(parents: list[Object], generation: int) -> bool:
    return any(one["observedGeneration"] == generation for each in parents for one in each["conditions"])
