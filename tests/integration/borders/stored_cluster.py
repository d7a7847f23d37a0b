"""An API server that has one rollout under way, as raw bytes: some of its answers may hang for a minute."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from tests.integration.borders.raw_server import Talk, response
from tests.unit.borders.cluster import at_25_percent
from tests.unit.rollout.world import World

VERBS = ["get", "list", "watch", "patch"]


def _group(name: str, version: str, plural: str, kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    one = {"name": plural, "singularName": "", "namespaced": True, "kind": kind, "verbs": VERBS}
    known = {"version": version}
    group = {"name": name, "versions": [known], "preferredVersion": known}
    return group, {"kind": "APIResourceList", "groupVersion": f"{name}/{version}", "resources": [one]}


_GROUPS = [
    _group("modelrollout.dev", "v1alpha1", "modelrollouts", "ModelRollout"),
    _group("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute"),
]
DISCOVERY: dict[str, dict[str, Any]] = {
    "/api": {"versions": ["v1"]},
    "/api/v1": {"resources": []},
    "/apis": {"groups": [group for group, _ in _GROUPS]},
    **{f"/apis/{found['groupVersion']}": found for _, found in _GROUPS},
}
GOLDEN, REPORTS = "/api/v1/namespaces/vision/configmaps/golden", "/api/v1/namespaces/d/configmaps/reports"
ROLLOUTS = "/apis/modelrollout.dev/v1alpha1/namespaces/vision/modelrollouts/digits"
HANGS = 60.0
"""Seconds."""


def golden() -> dict[str, Any]:
    """The ConfigMap with the golden set of World.in_preflight()."""
    file = io.BytesIO()
    np.savez(file, INPUT=np.zeros((40, 2), dtype=np.float32))
    data = {"rows.npz": base64.b64encode(file.getvalue()).decode()}
    return {"metadata": {"name": "golden", "namespace": "vision", "resourceVersion": "1"}, "binaryData": data}


def in_preflight() -> dict[str, Any]:
    """The resource in phase Preflight."""
    world = World().in_preflight(analysis={"interval": "5s", "minimumRequests": 100, "readyFor": "30s"})
    meta = {"name": "digits", "namespace": "vision", "uid": "u", "resourceVersion": "1", "generation": 1}
    return {"metadata": meta, "spec": world.spec, "status": world.status}


def said(found: dict[str, Any], status: str = "200 OK") -> bytes:
    """As JSON; kopf reads nothing else."""
    return response(json.dumps(found).encode(), status, b"Content-Type: application/json")


class StoredCluster:
    """Stores nothing: a write is answered as if it had been. `hangs`: which requests (method, path) are not answered.

    `behind`: the address of every version's only Pod.
    """

    def __init__(self, hangs: Callable[[str, str], bool] = lambda *_: False, behind: tuple[str, int] | None = None):
        self.hangs, self.behind = hangs, behind
        self.holders: list[str] = []
        self.hung = asyncio.Event()
        """Whether something that hangs was asked for."""
        self.objects: dict[str, dict[str, Any]] = dict(at_25_percent().api.objects)
        self.objects |= {GOLDEN: golden(), REPORTS: {"metadata": {"resourceVersion": "1"}, "data": {}}}

    @property
    def talk(self) -> Talk:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                body = await reader.readexactly(int(fields.get("content-length", "0")))
                method, target = head.split(" ")[:2]
                if self.hangs(method, target):
                    self.hung.set()
                    await asyncio.sleep(HANGS)
                if "watch=" in target:
                    await asyncio.sleep(HANGS)
                writer.write(self._answer(method, urlsplit(target).path, body))
                await writer.drain()

        return talk

    def _answer(self, method: str, path: str, body: bytes) -> bytes:
        if "/leases" in path:
            return self._lease(method, body)
        if (found := self._found(path)) is not None:
            return said(found)
        name = path.rpartition("/")[2]
        return said({"reason": "NotFound", "details": {"name": name}}, "404 Not Found")

    def _found(self, path: str) -> dict[str, Any] | None:
        """A group, a list, or an object."""
        if path in DISCOVERY:
            return DISCOVERY[path]
        if path.removesuffix("/status") in self.objects:
            return self.objects[path.removesuffix("/status")]
        if "/services/" in path or path.endswith("/endpointslices"):
            return self._served(path)
        plural = path.rpartition("/")[2]
        known = [obj for at, obj in self.objects.items() if at.split("/")[-2] == plural]
        return {"metadata": {"resourceVersion": "1"}, "items": known} if known else None

    def _served(self, path: str) -> dict[str, Any] | None:
        if self.behind is None:
            return None
        name, (host, port) = path.rpartition("/")[2], self.behind
        if "/services/" in path:
            return {"metadata": {"name": name, "namespace": "vision"}, "spec": {"ports": [{"name": "h", "port": 8000}]}}
        ready = {"addresses": [host], "conditions": {"ready": True}}
        one = {"addressType": "IPv4", "ports": [{"name": "h", "port": port}], "endpoints": [ready]}
        return {"metadata": {"resourceVersion": "1"}, "items": [one]}

    def _lease(self, method: str, body: bytes) -> bytes:
        if method == "GET":
            return said({"reason": "NotFound", "details": {"name": "x"}}, "404 Not Found")
        found: dict[str, Any] = json.loads(body)
        self.holders.append(found["spec"]["holderIdentity"])
        meta = {"name": "x", "namespace": "d", "uid": "u", "resourceVersion": str(len(self.holders))}
        found["metadata"] = meta | {"creationTimestamp": "2026-01-01T00:00:00Z"}
        return said(found)
