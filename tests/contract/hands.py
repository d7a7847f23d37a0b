"""A hand per router: what a person or a gateway does to a route behind the router's back, without any router."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelrollout.adapters.kubernetes.client import Api

MANAGER = "kubectl-edit"


class Hand(Protocol):
    async def weights(self) -> dict[str, int]: ...
    async def set_weights(self, weights: dict[str, int]) -> None: ...
    async def leads_to(self, service: str) -> bool: ...
    async def lead_elsewhere_too(self, service: str) -> None: ...
    async def take_out(self, service: str) -> None: ...
    async def annotate(self, **values: str | None) -> None: ...
    async def owners(self) -> list[Any]: ...
    async def version(self) -> str | None: ...
    async def remove(self) -> None: ...
    async def make(self, first: str, second: str) -> None: ...
    async def content(self) -> Any: ...


INFER: dict[str, Any] = {"path": {"type": "PathPrefix", "value": "/v2/models/digits/infer"}}
CALL: dict[str, Any] = {"method": {"service": "inference.GRPCInferenceService", "method": "ModelInfer"}}


class RouteHand:
    """Weights by Service name, as they stand on the object; `part` matches a part of what the split does."""

    def __init__(self, api: Api, namespace: str, name: str, kind: str, part: dict[str, Any]) -> None:
        self._api, self._kind, self._part = api, kind, part
        self._host = f"{namespace}.example.com"
        self._path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/{kind.lower()}s/{name}"

    async def weights(self) -> dict[str, int]:
        rules = (await self._route())["spec"]["rules"]
        return {ref["name"]: ref["weight"] for ref in rules[0]["backendRefs"]}

    async def set_weights(self, weights: dict[str, int]) -> None:
        rules = (await self._route())["spec"]["rules"]
        for ref in rules[0]["backendRefs"]:
            ref["weight"] = weights[ref["name"]]
        await self._edit({"spec": {"rules": rules}})

    async def leads_to(self, service: str) -> bool:
        """Whether any rule but the split's can bring a request to `service`."""
        rules = (await self._route())["spec"]["rules"]
        return any(ref["name"] == service for rule in rules[1:] for ref in rule["backendRefs"])

    async def lead_elsewhere_too(self, service: str) -> None:
        """A rule added by hand, before the split, that sends a part of the paths to `service` alone."""
        rules = (await self._route())["spec"]["rules"]
        extra = {
            "name": "extra",
            "matches": [self._part],
            "backendRefs": [{"name": service, "port": 8000}],
        }
        await self._edit({"spec": {"rules": [extra, *rules]}})

    async def take_out(self, service: str) -> None:
        rules = (await self._route())["spec"]["rules"]
        rules[0]["backendRefs"] = [ref for ref in rules[0]["backendRefs"] if ref["name"] != service]
        await self._edit({"spec": {"rules": rules}})

    async def annotate(self, **values: str | None) -> None:
        notes = {f"modelrollout.dev/{key}": value for key, value in values.items()}
        await self._edit({"metadata": {"annotations": notes}})

    async def owners(self) -> list[Any]:
        """Whatever would make a garbage collector or a GitOps tool take the route for its own."""
        meta = (await self._route())["metadata"]
        return [*(meta.get("ownerReferences") or []), *(meta.get("labels") or {})]

    async def version(self) -> str | None:
        found = await self._api.get(self._path)
        return None if found is None else str(found["metadata"]["resourceVersion"])

    async def remove(self) -> None:
        await self._api.request("DELETE", self._path)

    async def make(self, first: str, second: str) -> None:
        """A route of this name that another team made, half of it for each of two Services."""
        refs = [{"name": name, "port": 8000, "weight": 50} for name in (first, second)]
        route = {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": self._kind,
            "metadata": {"name": self._path.rpartition("/")[2], "labels": {"owner": "another-team"}},
            "spec": {
                "parentRefs": [{"name": "inference", "namespace": "infra"}],
                "hostnames": [self._host],  # with none it would have all, and no route of the other kind any
                "rules": [{"backendRefs": refs}],
            },
        }
        await self._api.request("POST", self._path.rpartition("/")[0], query={"fieldManager": MANAGER}, body=route)

    async def content(self) -> Any:
        """All of it that people or operators write."""
        found = await self._route()
        meta = found["metadata"]
        return meta.get("annotations"), meta.get("labels"), found["spec"], meta["generation"]

    async def _route(self) -> dict[str, Any]:
        return await self._api.request("GET", self._path)

    async def _edit(self, patch: dict[str, Any]) -> None:
        await self._api.request(
            "PATCH",
            self._path,
            query={"fieldManager": MANAGER},
            body=patch,
            content_type="application/merge-patch+json",
        )


HANDS: dict[str, Callable[[Api, str, str], Hand]] = {
    "gateway-api": lambda api, namespace, name: RouteHand(api, namespace, name, "HTTPRoute", INFER),
    "gateway-api of gRPC": lambda api, namespace, name: RouteHand(api, namespace, name, "GRPCRoute", CALL),
}
"""By router, and by what its spec splits where that is not HTTP."""
