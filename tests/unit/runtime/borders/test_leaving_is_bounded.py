"""An uninstall tries every resource, in bounded time, and names what is left; others' routes are left alone."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any, cast

import pytest

from modelrollout.ports import Conflict, ObjectStore, Released, Routers, Unreachable
from modelrollout.runtime import release
from modelrollout.runtime.watch import Watch
from tests.unit.runtime.in_memory import MemoryCluster, made, reconciler_over


def resource(name: str) -> dict[str, Any]:
    """`NAMESPACE/NAME`, or a name in the namespace vision."""
    namespace, _, own = name.rpartition("/")
    return {"metadata": {"name": own, "namespace": namespace or "vision", "finalizers": ["modelrollout.dev/traffic"]}}


class Store:
    """Two namespaces of resources; what fails does so by its name."""

    def __init__(self, *names: str) -> None:
        self.objects = [resource(name) for name in names]
        self.dropped: list[str] = []
        self.some = asyncio.Event()

    async def list_all(self, namespace: str | None) -> list[dict[str, Any]]:
        if namespace == "forbidden":
            raise Unreachable("ApiForbidden", "no right to list")
        return self.objects

    async def drop_finalizer(self, obj: dict[str, Any]) -> None:
        if obj["metadata"]["name"] == "sticky":
            raise Conflict("always another change")
        self.dropped.append(obj["metadata"]["name"])
        self.some.set()


class Routes:
    """Routes that are released, or fail as their name says; `passing` fails once."""

    def __init__(self) -> None:
        self.tried: list[str] = []
        self.kept: list[bool] = []
        self.hanging, self.most = 0, 0
        """How many hang now, and how many did so side by side."""

    async def release(self, _namespace: str, name: str, *, keep_mark: bool = False) -> Released:
        self.kept.append(keep_mark)
        self.tried.append(name)
        if name == "hangs":
            self.hanging += 1
            self.most = max(self.most, self.hanging)
            try:
                await asyncio.Event().wait()
            finally:
                self.hanging -= 1
        if name == "breaks":
            raise ValueError("a weight that is no number")
        if name == "refused" or (name == "passing" and self.tried.count(name) == 1):
            raise Unreachable("ApiForbidden", "a webhook denied the request")
        return Released(left=("it carries no mark",) if name == "theirs" else ())


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "PATIENCE", 0.2)


async def round_of(store: Store, routes: Routes, *, drop: bool) -> list[str]:
    given = cast("Any", store), cast("Routers", routes)
    failed = await release._round(store.objects, *given, drop=drop)
    return [obj["metadata"]["name"] for obj in failed]


@pytest.mark.slow
async def test_what_cannot_be_released_keeps_no_other_from_its_release():
    store, routes = Store("hangs", "breaks", "refused", "sticky", "theirs", "fine"), Routes()
    async with asyncio.timeout(30):
        assert await round_of(store, routes, drop=True) == ["hangs", "breaks", "refused", "sticky"]
    assert sorted(store.dropped) == ["fine", "theirs"]


@pytest.mark.slow
async def test_many_that_hang_do_not_hang_one_after_the_other():
    store, routes = Store(*["hangs"] * 32, "fine"), Routes()
    async with asyncio.timeout(30):
        assert len(await round_of(store, routes, drop=True)) == 32
    assert store.dropped == ["fine"]
    assert routes.most == release.OF_ONE


@pytest.mark.slow
async def test_namespaces_full_of_what_hangs_delay_no_other_ones_release():
    """By turns: each of those waits for its own, and the last of all namespaces is let in at once."""
    hostile = [f"{space}/hangs" for space in ("a", "b", "c") for _ in range(40)]
    store, routes = Store(*hostile, "z/fine", "z/passing"), Routes()
    round_ = asyncio.create_task(round_of(store, routes, drop=True))
    async with asyncio.timeout(10):
        await store.some.wait()
    assert len([name for name in routes.tried if name == "hangs"]) <= 3 * release.AT_ONCE
    round_.cancel()


@pytest.mark.slow
async def test_a_round_has_an_end_and_the_next_begins_with_what_it_did_not_reach(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(release, "A_ROUND", 0.3)
    store, routes = Store(*["hangs"] * 40, "fine"), Routes()
    async with asyncio.timeout(10):
        left = await round_of(store, routes, drop=True)
    assert left[left.index("fine") + 1 :] == ["hangs"] * len(left[left.index("fine") + 1 :])
    assert routes.tried.count("hangs") == left[left.index("fine") :].count("hangs") < 40
    store.objects = release._last(store.objects, [resource(name) for name in left])
    assert store.objects[-1]["metadata"]["name"] == "hangs"


async def test_the_first_round_lowers_and_lets_nothing_go():
    store = Store("fine")
    assert await round_of(store, Routes(), drop=False) == []
    assert store.dropped == []


class Seized:
    """A Lease that nobody held before."""

    epoch = "1.0-release"
    released = False

    async def seize(self) -> bool:
        return False

    async def keep(self, _lost: Any) -> None:
        await asyncio.Event().wait()

    async def release(self) -> None:
        self.released = True


@pytest.mark.parametrize(
    ("names", "namespaces", "code", "left"),
    [
        (("fine", "passing", "theirs"), (), 0, ""),
        (("fine", "refused", "breaks"), (), 1, "vision/refused, vision/breaks"),
        (("fine",), ("forbidden", "vision"), 1, "namespace forbidden"),
    ],
)
async def test_the_exit_status_and_the_last_line_say_what_is_left(
    names: tuple[str, ...],
    namespaces: tuple[str, ...],
    code: int,
    left: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    async def connect(_kubeconfig: Any) -> contextlib.AbstractAsyncContextManager[None]:
        return contextlib.nullcontext()

    store, lease = Store(*names), Seized()
    monkeypatch.setattr(release, "connect", connect)
    monkeypatch.setattr(release, "KubernetesStore", lambda _api: store)
    monkeypatch.setattr(release, "RegisteredRouters", lambda _api, epoch: Routes())
    monkeypatch.setattr(release, "_lease", lambda _settings, _api: lease)
    settings: Any = SimpleNamespace(kubeconfig=None, lease_duration=0.0, namespaces=namespaces)
    assert await release.release_all(settings) == code
    assert lease.released == bool(code)  # the operator goes on with what is left
    said = caplog.records[-1].getMessage() if left else ""
    assert said.endswith(left)
    assert "fine" in store.dropped


class Leaving(MemoryCluster):
    """A resource that is being deleted."""

    told: list[tuple[str, str]]
    gone = False

    async def drop_finalizer(self, _obj: dict[str, Any]) -> None:
        self.gone = True

    async def send(self, _subject: Any, event: Any) -> None:
        self.told.append((event.reason, event.message))


async def deleted(name: str, waited: float) -> tuple[Leaving, float | None]:
    plain, watch, cluster, clock = made()
    leaving = Leaving(cluster.obj)
    leaving.told = []
    leaving.obj["metadata"]["deletionTimestamp"] = "2023-11-14T22:13:20Z"  # when the clock starts
    clock.time += waited
    reconciler = reconciler_over(leaving, cast("Any", None), clock, plain.config, lambda: True)
    reconciler.routers = cast("Routers", Named(name))
    reconciler.writer.store = cast("ObjectStore", leaving)
    found = Watch("vision", name, plain.config, watch.model_server, watch.evaluator, clock)
    return leaving, await reconciler.run(found)


class Named(Routes):
    """Fails as the resource is called, whatever it is asked."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    async def release(self, namespace: str, _name: str, *, keep_mark: bool = False) -> Released:
        return await super().release(namespace, self.name, keep_mark=keep_mark)


async def test_a_deleted_resource_leaves_somebody_elses_route_and_says_so():
    leaving, again = await deleted("theirs", 1)
    await asyncio.sleep(0)
    assert (leaving.gone, again) == (True, None)
    ((reason, message),) = leaving.told
    assert reason == "RouteNotOurs"
    assert "it carries no mark" in message


@pytest.mark.parametrize("name", ["refused", "breaks"])
async def test_a_deleted_resource_goes_in_the_end_whatever_is_wrong_with_its_route(name: str):
    leaving, again = await deleted(name, 1)
    assert (leaving.gone, again) == (False, 1.0)
    leaving, again = await deleted(name, 10_000)
    await asyncio.sleep(0)
    assert (leaving.gone, again) == (True, None)
    assert [reason for reason, _ in leaving.told] == ["ReleaseFailed"]
