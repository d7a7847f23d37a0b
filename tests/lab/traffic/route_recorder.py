"""Every weight a route ever had is recorded from the API server's watch, so a test can say that no other was seen."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import time
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from tests.lab.components.custom_resources import GROUP
from tests.lab.traffic.noted import Weights

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tests.lab.session.background import Background
    from tests.lab.session.site import Site


MILLION = 1_000_000
"""What the weights of a bake make together where the gateway goes by places: they are recorded in percent."""


class RouteRecorder:
    """Follows one HTTPRoute, which need not exist yet. A context manager."""

    def __init__(self, background: Background, site: Site, namespace: str, name: str) -> None:
        self._background, self._site, self._name = background, site, name
        self._url = f"{site.api}/apis/{GROUP}/v1/namespaces/{namespace}/httproutes"
        self._task: Future[None] | None = None
        self.seen: list[Weights] = []

    def start(self) -> Self:
        self._task = self._background.spawn(self._follow())
        return self

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def weights_of(self, backend: str) -> list[int]:
        """The weights `backend` had, one after the other, repetitions left out."""
        found: list[int] = []
        for each in list(self.seen):
            weight = each.weights.get(backend, 0)
            if not found or found[-1] != weight:
                found.append(weight)
        return found

    def first(self, backend: str, weight: int, since: float = 0.0) -> float | None:
        """time.time() at which `backend` was first seen with `weight` at or after `since`, or None."""
        return next(
            (each.at for each in list(self.seen) if each.at >= since and each.weights.get(backend, 0) == weight), None
        )

    async def _follow(self) -> None:
        context = ssl.create_default_context(cafile=str(self._site.authority))
        headers = {"Authorization": f"Bearer {self._site.admin_token}"}
        connector = aiohttp.TCPConnector(ssl=context)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        async with aiohttp.ClientSession(connector=connector, headers=headers, timeout=timeout) as session:
            while True:
                # A broken connection is taken up again by a new list; a lab under fault tests breaks some.
                with contextlib.suppress(aiohttp.ClientError, TimeoutError, KeyError):
                    await self._list_and_watch(session)
                await asyncio.sleep(0.2)

    async def _list_and_watch(self, session: aiohttp.ClientSession) -> None:
        field = {"fieldSelector": f"metadata.name={self._name}"}
        async with session.get(self._url, params=field) as answer:
            found = await answer.json()
        for item in found["items"]:
            self._record("ADDED", item)
        version = found["metadata"]["resourceVersion"]
        async with session.get(self._url, params=field | {"watch": "1", "resourceVersion": version}) as answer:
            async for line in answer.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                self._record(event["type"], event["object"])

    def _record(self, kind: str, route: dict[str, Any]) -> None:
        rules = route["spec"].get("rules") or [{}]
        weights: dict[str, int] = {}
        for ref in rules[0].get("backendRefs", []):
            weights[ref["name"]] = weights.get(ref["name"], 0) + ref.get("weight", 1)
        if sum(weights.values()) == MILLION:
            weights = {name: round(weight * 100 / MILLION) for name, weight in weights.items()}
        generation = route["metadata"].get("generation", 0)
        self.seen.append(Weights(time.time(), {} if kind == "DELETED" else weights, generation))
