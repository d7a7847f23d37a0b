"""The API server's part: lists, watches, reads and fenced writes over HTTP, each counted by what it is."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.bench.scale.world.store import Kind, Object, RefusedError, Store, Watcher, merged, patched

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROUTES = "gateway.networking.k8s.io"
KINDS: dict[str, dict[str, str]] = {
    # kopf waits for the kinds Namespace and CustomResourceDefinition before it watches anything.
    "v1": {"services": "Service", "events": "Event", "configmaps": "ConfigMap", "namespaces": "Namespace"},
    "apiextensions.k8s.io/v1": {"customresourcedefinitions": "CustomResourceDefinition"},
    "modelrollout.dev/v1alpha1": {"modelrollouts": "ModelRollout"},
    f"{ROUTES}/v1": {
        "httproutes": "HTTPRoute",
        "grpcroutes": "GRPCRoute",
        "gateways": "Gateway",
        "gatewayclasses": "GatewayClass",
    },
    "coordination.k8s.io/v1": {"leases": "Lease"},
    "discovery.k8s.io/v1": {"endpointslices": "EndpointSlice"},
    "events.k8s.io/v1": {"events": "Event"},
}
CLUSTERED = {"gatewayclasses", "namespaces", "customresourcedefinitions"}
WRITES = {"POST", "PUT", "PATCH", "DELETE"}


@dataclass
class ApiServer:
    """Serves a Store; `counts` by "reads", "writes", "watches", "lease", and by (method, plural) in `kinds`."""

    store: Store
    counts: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/version", self._version),
            web.get("/api", self._versions),
            web.get("/apis", self._groups),
            web.get("/api/v1", self._resources),
            web.get("/apis/{group}/{version}", self._resources),
            web.route("*", "/api/v1/{rest:.+}", self._served),
            web.route("*", "/apis/{group}/{version}/{rest:.+}", self._served),
        ]

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"major": "1", "minor": "36", "gitVersion": "v1.36.0"})

    async def _versions(self, _: web.Request) -> web.Response:
        return web.json_response({"kind": "APIVersions", "versions": ["v1"]})

    async def _groups(self, _request: web.Request) -> web.Response:
        found = []
        for name in KINDS:
            group, _, number = name.rpartition("/")
            if group:
                known = {"groupVersion": name, "version": number}
                found.append({"name": group, "versions": [known], "preferredVersion": known})
        return web.json_response({"kind": "APIGroupList", "apiVersion": "v1", "groups": found})

    async def _resources(self, request: web.Request) -> web.Response:
        about = request.match_info
        name = f"{about['group']}/{about['version']}" if "group" in about else "v1"
        verbs = ["get", "list", "watch", "create", "update", "patch", "delete"]
        found = [
            {"name": plural, "kind": kind, "singularName": kind.lower(), "verbs": verbs}
            | {"namespaced": plural not in CLUSTERED}
            for plural, kind in KINDS.get(name, {}).items()
        ]
        return web.json_response({"kind": "APIResourceList", "groupVersion": name, "resources": found})

    async def _served(self, request: web.Request) -> web.StreamResponse:
        group, parts = request.match_info.get("group", ""), request.match_info["rest"].split("/")
        namespace = ""
        if parts[0] == "namespaces" and len(parts) > 2:
            namespace, parts = parts[1], parts[2:]
        kind, name = (group, parts[0]), parts[1] if len(parts) > 1 else ""
        watching = request.query.get("watch") in ("true", "1")
        self._count(request.method, kind, watching=watching)
        try:
            if watching:
                return await self._watched(request, kind, namespace)
            body = await request.json() if request.method in WRITES else None
            found = self._answer(request, kind, (namespace, name), body, status="status" in parts[2:])
        except RefusedError as error:
            status = {"kind": "Status", "code": error.code, "reason": error.reason, "message": error.reason}
            return _json(status | {"details": {"name": error.name}}, error.code)
        return _json(found)

    def _count(self, method: str, kind: Kind, *, watching: bool) -> None:
        what = "writes" if method in WRITES else "reads"
        self.counts["lease" if kind[1] == "leases" else "watches" if watching else what] += 1
        self.kinds[f"{'WATCH' if watching else method} {kind[1]}"] += 1

    def _answer(self, request: web.Request, kind: Kind, key: tuple[str, str], body: Any, *, status: bool) -> Object:
        method = request.method
        if method == "GET":
            return self.store.get(kind, key) if key[1] else self._listed(request, kind, key[0])
        if method == "POST":
            body["metadata"].setdefault("namespace", key[0])
            return self.store.create(kind, body)
        old = self.store.get(kind, key)
        if method == "PATCH":
            body = patched(old, body) if isinstance(body, list) else merged(old, body)
        return self.store.change(kind, key, body, status=status)

    def _listed(self, request: web.Request, kind: Kind, namespace: str) -> Object:
        wanted, items = _wanted(request.query, namespace), self.store.of(kind)
        found = [one for one in items.values() if wanted(one)]
        limit, begin = int(request.query.get("limit", 0)), int(request.query.get("continue", 0))
        more = len(found) - begin - limit if limit else 0
        found = found[begin : begin + limit] if limit else found[begin:]
        if "PartialObjectMetadata" in request.headers.get("Accept", ""):
            found = [{"metadata": one["metadata"]} for one in found]
        meta = {"resourceVersion": str(self.store.version)} | ({"continue": str(begin + limit)} if more > 0 else {})
        return {"kind": "List", "apiVersion": "v1", "metadata": meta, "items": found}

    async def _watched(self, request: web.Request, kind: Kind, namespace: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        watcher = Watcher(kind, _wanted(request.query, namespace))
        self.store.follow(watcher, int(request.query.get("resourceVersion") or self.store.version))
        end = time.monotonic() + float(request.query.get("timeoutSeconds", 300))
        try:
            with suppress(ConnectionError, TimeoutError):
                while (left := end - time.monotonic()) > 0:
                    async with asyncio.timeout(left):
                        _, line = await watcher.events.get()
                    await response.write(line)
        finally:
            self.store.watchers.discard(watcher)
        return response


def _wanted(query: Mapping[str, str], namespace: str) -> Callable[[Object], bool]:
    """What a list or watch asks for: of a namespace, and `label=value` or `label in (values)`."""
    text = query.get("labelSelector", "")
    label, _, values = text.replace(" in ", "=").partition("=")
    allowed = set(values.strip("()").split(","))

    def fits(obj: Object) -> bool:
        meta = obj["metadata"]
        here = not namespace or meta.get("namespace") == namespace
        return here and (not text or meta.get("labels", {}).get(label) in allowed)

    return fits


def _json(found: Object, code: int = 200) -> web.Response:
    text = json.dumps(found, separators=(",", ":"))
    return web.Response(body=text.encode(), status=code, content_type="application/json")
