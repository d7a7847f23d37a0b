"""The process of the world: an API server, a Prometheus and model servers on three ports, and an ear for orders.

Prints its ports as one line of JSON; POST /orders with {"do": ..., ...} at the first one changes the world.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.bench.scale.world import fleet
from tests.bench.scale.world.api import ROUTES, ApiServer
from tests.bench.scale.world.samples import Samples
from tests.bench.scale.world.store import Kind, Object, Store, merged

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter

GATEWAY_TAKES = 0.05
"""Seconds until a gateway's controller has seen a route."""
COMMAND = "modelrollout.dev/command"


@dataclass
class World:
    """Everything that the operator meets."""

    samples: Samples
    store: Store = field(default_factory=Store)
    servers: int = 0
    lowered: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """By rollout, when a write of its route left the candidate without traffic that had some (epoch seconds)."""
    _exposed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.store.told = self._written
        self.api = ApiServer(self.store)
        fleet.gateway(self.store)

    def _written(self, kind: Kind, obj: Object) -> None:
        if kind[0] != ROUTES or not kind[1].endswith("routes"):
            return
        name = obj["metadata"]["name"]
        backends = [one for rule in obj["spec"].get("rules", []) for one in rule.get("backendRefs", [])]
        if any(one["name"].endswith("-v2") and one.get("weight", 1) for one in backends):
            self._exposed.add(name)
        elif name in self._exposed:
            self._exposed.discard(name)
            self.lowered[name].append(time.time())
        asyncio.get_running_loop().call_later(GATEWAY_TAKES, self._accept, kind, (obj["metadata"]["namespace"], name))

    def _accept(self, kind: Kind, key: tuple[str, str]) -> None:
        route = self.store.get(kind, key)
        status = fleet.accepted(kind, route)
        if status is not None:
            self.store.change(kind, key, {"metadata": {}, "status": status}, status=True)

    async def order(self, request: web.Request) -> web.Response:
        asked = await request.json()
        return web.json_response(getattr(self, f"_{asked.pop('do')}")(**asked))

    def _create(self, first: int, last: int, gates: int) -> None:
        for number in range(first, last):
            fleet.rollout(self.store, number, gates, self.servers)

    def _begin(self, first: int, last: int) -> None:
        """Ask for version 2."""
        for number in range(first, last):
            self._patch(number, {"spec": {"model": {"version": "2"}}})

    def _abort(self, number: int) -> float:
        name = fleet.name_of(number)
        text = json.dumps({"verb": "abort", "nonce": f"n-{time.time():.3f}", "version": "2"})
        self._patch(number, {"metadata": {"annotations": {COMMAND: text}}})
        return time.time() if name else 0.0

    def _spoil(self, number: int) -> float:
        """From now on the candidate is bad."""
        self.samples.bad[fleet.name_of(number)] = time.time()
        return time.time()

    def _patch(self, number: int, patch: dict[str, Any]) -> None:
        key = fleet.namespace_of(number), fleet.name_of(number)
        self.store.change(fleet.ROLLOUTS, key, merged(self.store.get(fleet.ROLLOUTS, key), patch))

    def _phases(self) -> dict[str, int]:
        found: dict[str, int] = defaultdict(int)
        for one in self.store.of(fleet.ROLLOUTS).values():
            status = one.get("status") or {}
            found[f"{status.get('phase')} {(status.get('weight') or {}).get('observed', 0)}"] += 1
        return found

    def _told(self) -> dict[str, Any]:
        """Everything that was counted so far."""
        counts = {**self.api.counts, **self.samples.counts}
        return {"counts": counts, "kinds": self.api.kinds, "answered": self.samples.answered, "lowered": self.lowered}

    async def ready(self, reader: StreamReader, writer: StreamWriter) -> None:
        """A model server that is ready for whatever it is asked."""
        self.samples.counts["probes"] += 1
        await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


async def serve(seconds: float, layers: int) -> None:
    """Until the process is ended."""
    world = World(Samples(seconds, layers))
    ports = []
    for routes in ([*world.api.routes(), web.post("/orders", world.order)], world.samples.routes()):
        app = web.Application(client_max_size=64 * 2**20)
        app.add_routes(routes)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await (site := web.TCPSite(runner, "127.0.0.1", 0)).start()
        assert site._server is not None
        ports.append(site._server.sockets[0].getsockname()[1])  # type: ignore[attr-defined] # of asyncio's Server
    servers = await asyncio.start_server(world.ready, "0.0.0.0", 0, backlog=1024)
    world.servers = servers.sockets[0].getsockname()[1]
    print(json.dumps({"api": ports[0], "prometheus": ports[1]}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    given = argparse.ArgumentParser()
    given.add_argument("--seconds", type=float, default=3600.0, help="samples are made for so long")
    given.add_argument("--layers", type=int, default=6)
    asked = given.parse_args()
    asyncio.run(serve(asked.seconds, asked.layers))
