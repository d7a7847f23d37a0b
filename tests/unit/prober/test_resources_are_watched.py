"""Resources with a pre-flight are known by a watch, and by a list whatever befalls the watch."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from modelrollout.ports import Unreachable
from modelrollout.prober import resources as module
from modelrollout.prober.resources import Resources
from tests.unit.api.manifests import manifest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Event = tuple[str, dict[str, Any]]
PREFLIGHT = {"goldenSet": {"file": "rows.npz"}}


class Cluster:
    """An API server with ModelRollouts in memory; `silent` watches tell nothing, a `refused` one is an outcome."""

    def __init__(self, *names: str) -> None:
        self.objects = {name: resource(name) for name in names}
        self.told: asyncio.Queue[Event | None] = asyncio.Queue()
        self.lists = self.watches = 0
        self.refused: Unreachable | None = None

    async def request(self, *_: str, query: dict[str, str]) -> dict[str, Any]:
        self.lists += 1
        return {"metadata": {"resourceVersion": "7"}, "items": list(self.objects.values())}

    async def open(self, _path: str, query: dict[str, str], *, timeout: float) -> Cluster:  # noqa: ASYNC109 - as Api's
        assert (query["watch"], query["resourceVersion"]) == ("true", "7")
        assert timeout
        self.watches += 1
        if self.refused:
            raise self.refused
        return self

    @property
    def content(self) -> Cluster:
        return self

    def close(self) -> None:
        """Nothing is open."""

    async def iter_any(self) -> AsyncIterator[bytes]:
        while (event := await self.told.get()) is not None:
            yield json.dumps({"type": event[0], "object": event[1]}).encode() + b"\n"


def resource(name: str, preflight: dict[str, Any] | None = PREFLIGHT) -> dict[str, Any]:
    made = manifest()
    named = made | {"metadata": made["metadata"] | {"name": name}}
    return named | {"spec": made["spec"] | ({"preflight": preflight} if preflight else {})}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SOONEST", 0.0)
    monkeypatch.setattr(module, "LATEST", 0.0)


async def names(known: Resources, *wanted: str) -> None:
    """Until these are known and no others."""
    async with asyncio.timeout(5):
        while known.wanted is None or {name for _, name in known.wanted} != set(wanted):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)


async def following(cluster: Cluster) -> tuple[Resources, asyncio.Task[None]]:
    known = Resources(cast("Any", cluster))
    assert known.wanted is None
    return known, asyncio.create_task(known.keep())


async def test_one_list_is_enough_and_events_tell_the_rest():
    cluster = Cluster("a", "b")
    known, task = await following(cluster)
    await names(known, "a", "b")
    for event in (("ADDED", resource("c")), ("DELETED", resource("a")), ("MODIFIED", resource("b", None))):
        cluster.told.put_nowait(event)
    await names(known, "c")
    assert (cluster.lists, cluster.watches) == (1, 1)
    task.cancel()


async def test_at_the_end_of_a_watch_that_told_nothing_everything_is_listed():
    cluster = Cluster("a")
    known, task = await following(cluster)
    await names(known, "a")
    cluster.objects = {"b": resource("b")}
    cluster.told.put_nowait(None)
    await names(known, "b")
    task.cancel()


@pytest.mark.parametrize(
    "event", [("ERROR", {"code": 410}), ("MODIFIED", {"metadata": {"name": "a"}, "spec": resource("a")["spec"]})]
)
async def test_what_cannot_be_followed_is_listed(event: Event):
    cluster = Cluster("a")
    known, task = await following(cluster)
    await names(known, "a")
    cluster.objects = {"b": resource("b")}
    cluster.told.put_nowait(event)
    await names(known, "b")
    task.cancel()


async def test_without_the_right_to_watch_it_lists_and_what_is_known_stays():
    cluster = Cluster("a")
    cluster.refused = Unreachable("ApiForbidden", "the API server answered 403")
    known, task = await following(cluster)
    await names(known, "a")
    cluster.objects = {"b": resource("b")}
    await names(known, "b")
    assert cluster.lists >= 2
    task.cancel()
