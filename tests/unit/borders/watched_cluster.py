"""An API server with EndpointSlices in memory whose watch is cut, lags, forgets or is out of order as it is told."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modelrollout.adapters.triton.addresses import SERVICE
from modelrollout.ports import Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

POD = {"kind": "Pod", "namespace": "a"}
Event = tuple[int, str, dict[str, Any]]


@dataclass
class WatchedCluster:
    """`answers` are those of the addresses: True is ready; one that is missing refuses the connection."""

    answers: dict[str, bool] = field(default_factory=dict)
    slices: dict[str, dict[str, Any]] = field(default_factory=dict)
    log: list[Event] = field(default_factory=list)
    version: int = 10
    lagging: bool = False
    """Whether a watch shows nothing for now."""
    shuffled: bool = False
    """Whether a watch shows its newest event first."""
    forgotten: int = 0
    """From this version and older ones nothing is watched any more: 410."""
    refused: Unreachable | None = None
    reads: int = 0
    opened: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _cut: int = 0

    def publish(self, service: str, addresses: list[str], name: str = "", *, unready: bool = False) -> None:
        """One slice of the Service, as it is from now on."""
        self.version += 1
        name = name or f"{service}-1"
        kind = "MODIFIED" if name in self.slices else "ADDED"
        conditions = {"ready": False} if unready else {}
        said = {"conditions": conditions, "targetRef": POD | {"name": "not kept"}, "nodeName": "not kept"}
        self.slices[name] = {
            "metadata": {"name": name, "labels": {SERVICE: service}, "resourceVersion": str(self.version)},
            "addressType": "IPv4",
            "ports": [{"name": "", "port": 80, "appProtocol": "not kept"}],
            "endpoints": [{"addresses": [one]} | said for one in addresses],
        }
        self.log.append((self.version, kind, self.slices[name]))
        self._changed.set()

    def withdraw(self, name: str) -> None:
        self.version += 1
        gone = self.slices.pop(name)
        gone = gone | {"metadata": gone["metadata"] | {"resourceVersion": str(self.version)}}
        self.log.append((self.version, "DELETED", gone))
        self._changed.set()

    def cut(self) -> None:
        """Every watch ends in the middle."""
        self._cut += 1
        self._changed.set()

    def go_on(self) -> None:
        self.lagging = self.shuffled = False
        self._changed.set()

    async def get(self, _path: str) -> dict[str, Any]:
        return {"metadata": {"name": "s", "namespace": "a"}, "spec": {"ports": [{"port": 8000}]}}

    async def request(self, _method: str, _path: str, *, query: dict[str, str]) -> dict[str, Any]:
        self.reads += 1
        found = [one for one in self.slices.values() if _chosen(query, one)]
        return {"metadata": {"resourceVersion": str(self.version)}, "items": json.loads(json.dumps(found))}

    async def open(self, _path: str, query: dict[str, str], *, timeout: float) -> _Stream:  # noqa: ASYNC109 - as Api's
        assert timeout
        self.opened += 1
        since = int(query["resourceVersion"])
        if self.refused:
            raise self.refused
        if since <= self.forgotten:
            raise Unreachable("ApiError", "the API server answered GET with 410: too old resource version")
        return _Stream(self, query, since)


def _chosen(query: dict[str, str], found: dict[str, Any]) -> bool:
    asked = query["labelSelector"].removeprefix(SERVICE).removeprefix(" in ").strip("()=")
    return found["metadata"]["labels"][SERVICE] in asked.split(",")


class _Stream:
    """One watch, as the client's response."""

    def __init__(self, cluster: WatchedCluster, query: dict[str, str], since: int) -> None:
        self._cluster, self._query, self._since, self._cuts = cluster, query, since, cluster._cut
        self.content = self

    def close(self) -> None:
        """Nothing is open."""

    async def iter_any(self) -> AsyncIterator[bytes]:
        cluster = self._cluster
        while True:
            if cluster._cut != self._cuts:
                raise ConnectionResetError
            new = [] if cluster.lagging else [each for each in cluster.log if each[0] > self._since]
            if new and self._since <= cluster.forgotten:
                yield b'{"type":"ERROR","object":{"code":410}}\n'
                return
            for version, kind, found in reversed(new) if cluster.shuffled else new:
                self._since = max(self._since, version)
                if _chosen(self._query, found):
                    line = json.dumps({"type": kind, "object": found}).encode() + b"\n"
                    yield line[:7]  # in pieces, as they come
                    yield line[7:]
            cluster._changed.clear()
            await cluster._changed.wait()
