"""Leases on an API server in memory, and contenders in a time of their own."""

from __future__ import annotations

import asyncio
import copy
import heapq
import itertools
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from modelrollout.adapters.kubernetes.client import Api
from modelrollout.adapters.kubernetes.lease_record import HIGHEST
from modelrollout.ports import Conflict, NotFound, Unreachable
from modelrollout.runtime import lease as module
from modelrollout.runtime.lease import Lease


class Time:
    """Seconds that pass only while every contender sleeps."""

    def __init__(self) -> None:
        self.now, self._sleepers, self._ids = 0.0, list[tuple[float, int, asyncio.Future[None]]](), itertools.count()

    async def sleep(self, seconds: float) -> None:
        waking = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._ids), waking))
        await waking

    async def step(self) -> None:
        """On to whoever wakes first, until all sleep again."""
        if self._sleepers:
            self.now, _, waking = heapq.heappop(self._sleepers)
            if not waking.done():
                waking.set_result(None)
        for _ in range(20):
            await asyncio.sleep(0)

    @contextmanager
    def passing(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "asyncio", SimpleNamespace(sleep=self.sleep))
            yield

    def run(self, story: Coroutine[Any, Any, None]) -> None:
        with self.passing():
            asyncio.run(story)


class Leases:
    """An API server that keeps one Lease, as Kubernetes does: versions, merge patches, preconditions, 32 bits."""

    def __init__(self, time: Time) -> None:
        self.time, self.stored = time, dict[str, Any]()
        self._versions, self.created = itertools.count(1), 0

    def contender(self, identity: str, duration: float = 15.0) -> Lease:
        api, renew = cast("Api", self), duration / 3
        clock = {"monotonic": lambda: self.time.now, "wall": lambda: 1e9 + self.time.now}
        return Lease(api, "modelrollout", "operator", identity, duration=duration, renew=renew, **clock)

    def put(self, spec: object, **meta: Any) -> None:
        """Whatever somebody wrote."""
        self.created += 1
        named = {"name": "operator", "namespace": "modelrollout", "uid": f"u{self.created}"}
        times = {"creationTimestamp": 1_000_000_000 + int(self.time.now)}
        self.stored = {"metadata": named | times | meta, "spec": spec}
        self._new_version()

    def change(self, **spec: Any) -> None:
        """What somebody else changes in the Lease that is there."""
        self.stored["spec"] = self.stored["spec"] | spec
        self._new_version()

    def touch(self) -> None:
        """What changes nothing of the spec."""
        self._new_version()

    async def get(self, _path: str, **_: Any) -> dict[str, Any] | None:
        return copy.deepcopy(self.stored) or None

    async def post(self, _path: str, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        if self.stored:
            raise Conflict("it exists")
        self.put(body["spec"])
        return copy.deepcopy(self.stored)

    async def patch(self, _path: str, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        self._fenced(body["metadata"])
        spec = (self.stored["spec"] if isinstance(self.stored["spec"], dict) else {}) | body.get("spec", {})
        if not 0 <= body.get("spec", {}).get("leaseTransitions", 0) <= HIGHEST:
            raise Unreachable("ApiInvalid", "cannot unmarshal number into Go struct field of type int32")
        meta = self.stored["metadata"] | body["metadata"]
        self.stored = {
            "metadata": {k: v for k, v in meta.items() if v is not None},
            "spec": {k: v for k, v in spec.items() if v is not None},
        }
        self._new_version()
        return copy.deepcopy(self.stored)

    async def request(self, method: str, _path: str, *, body: Any, **_: Any) -> dict[str, Any]:
        assert method == "DELETE"
        self._fenced(body["preconditions"])
        assert "finalizers" not in self.stored["metadata"], "it would stay"
        self.stored = {}
        return {"status": "Success"}

    def _fenced(self, meta: dict[str, Any]) -> None:
        if not self.stored:
            raise NotFound("NotFound", "gone")
        if any(self.stored["metadata"][key] != meta[key] for key in ("uid", "resourceVersion")):
            raise Conflict("the object has been modified")

    def _new_version(self) -> None:
        self.stored["metadata"]["resourceVersion"] = str(next(self._versions))
