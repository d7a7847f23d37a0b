"""Readiness by a watch of EndpointSlices is what polling finds: whatever is wrong with the watch, no loss is missed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.adapters.kubernetes.client import Api
from modelrollout.adapters.triton import readiness, slices
from modelrollout.adapters.triton.readiness import TritonServer
from modelrollout.adapters.triton.slices import WatchedSlices
from modelrollout.ports import Unreachable
from tests.unit.borders.watched_cluster import POD, WatchedCluster

OLD, NEW = "10.0.0.1", "10.0.0.2"
ADDRESSES = [f"10.0.0.{number}" for number in range(1, 5)]


class Probers:
    """One that watches and one that polls, over the same cluster and the same addresses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cluster = WatchedCluster()
        api = cast("Api", self.cluster)
        self.watched = WatchedSlices(api)
        self.watching = TritonServer(api, watched=self.watched)
        self.polling = TritonServer(api)
        monkeypatch.setattr(readiness, "status_at", self.status_at)

    async def status_at(self, target: str, _path: str, _proof: None = None) -> int:
        found = self.cluster.answers.get(target.partition(":")[0])
        if found is None:
            raise ConnectionRefusedError(111, "refused")
        return 200 if found else 400

    async def probe(self, service: str = "s") -> tuple[int, str]:
        return await self.watching.probe("a", service, 8000, "digits", "2")

    async def poll(self, service: str = "s") -> tuple[int, str]:
        return await self.polling.probe("a", service, 8000, "digits", "2")

    def stop(self) -> None:
        for each in self.watched._namespaces.values():
            cast("asyncio.Task[None]", each.task).cancel()


@pytest.fixture
def probers(monkeypatch: pytest.MonkeyPatch) -> Probers:
    return Probers(monkeypatch)


async def settled(times: int = 30) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


async def watching(probers: Probers, *addresses: str) -> None:
    """A Service with these addresses, all ready, that is watched from now on."""
    probers.cluster.publish("s", list(addresses))
    probers.cluster.answers |= dict.fromkeys(addresses, True)
    await probers.probe()
    await settled()
    assert await probers.probe() == (len(addresses), "")
    probers.cluster.reads = 0


async def test_while_all_is_well_the_slices_are_not_read(probers: Probers):
    await watching(probers, OLD)
    for _ in range(50):
        assert await probers.probe() == (1, "")
    probers.cluster.publish("s", [OLD, NEW])
    probers.cluster.answers[NEW] = True
    await settled()
    assert await probers.probe() == (2, "")
    assert probers.cluster.reads == 0


async def test_what_nobody_needs_is_not_kept(probers: Probers):
    await watching(probers, OLD)
    assert probers.watched.known("a", "s") == [
        {
            "addressType": "IPv4",
            "ports": [{"name": "", "port": 80}],
            "endpoints": [{"addresses": [OLD], "conditions": {}, "targetRef": POD}],
        }
    ]


async def test_a_killed_server_is_found_though_the_watch_lags(probers: Probers):
    await watching(probers, OLD)
    probers.cluster.lagging = True
    del probers.cluster.answers[OLD]
    assert await probers.probe() == await probers.poll()
    assert "refused" in (await probers.probe())[1]


async def test_pods_that_were_replaced_are_no_loss_though_the_watch_lags(probers: Probers):
    await watching(probers, OLD)
    probers.cluster.lagging = True
    probers.cluster.publish("s", [NEW])
    probers.cluster.answers = {NEW: True}
    assert await probers.probe() == (1, "")
    probers.cluster.go_on()
    await settled()
    reads = probers.cluster.reads
    assert await probers.probe() == (1, "")
    assert probers.cluster.reads == reads


async def test_a_service_without_addresses_is_read_before_it_is_said(probers: Probers):
    await watching(probers, OLD)
    probers.cluster.withdraw("s-1")
    await settled()
    assert await probers.probe() == (0, "Service a/s has no addresses")
    assert probers.cluster.reads == 1


def forgets(cluster: WatchedCluster) -> None:
    cluster.forgotten = cluster.version
    cluster.publish("t", [OLD])


def mixes_up(cluster: WatchedCluster) -> None:
    cluster.lagging = True
    for unready in (True, False):
        cluster.publish("s", [OLD], unready=unready)
    cluster.shuffled, cluster.lagging = True, False


BROKEN: dict[str, Callable[[WatchedCluster], None]] = {
    "cut": WatchedCluster.cut,
    "410 as an event": forgets,
    "out of order": mixes_up,
}


@pytest.mark.parametrize("how", BROKEN)
async def test_a_broken_watch_is_replaced_by_reads_and_then_begun_anew(probers: Probers, how: str, monkeypatch: Any):
    monkeypatch.setattr(slices, "SOONEST", 0.05)
    await watching(probers, OLD)
    probers.cluster.publish("s", [OLD])
    await settled()
    BROKEN[how](probers.cluster)
    await settled()
    assert probers.watched.known("a", "s") is None
    assert await probers.probe() == (1, "")
    assert probers.cluster.reads == 1
    probers.cluster.forgotten = 0
    probers.cluster.shuffled = False
    for _ in range(300):
        if probers.watched.known("a", "s") is not None:
            return
        await asyncio.sleep(0.01)
    pytest.fail("the watch is not begun anew")


async def test_410_to_the_watch_itself_is_a_list_anew(probers: Probers, monkeypatch: Any):
    monkeypatch.setattr(slices, "SOONEST", 0.01)
    probers.cluster.forgotten = 50
    probers.cluster.publish("s", [OLD])
    probers.cluster.answers[OLD] = True
    assert await probers.probe() == (1, "")
    await asyncio.sleep(0.05)
    assert probers.cluster.reads > 2
    assert await probers.probe() == (1, "")


async def test_a_watch_that_falls_silent_is_trusted_for_so_long(probers: Probers, monkeypatch: Any):
    await watching(probers, OLD)
    probers.cluster.lagging = True
    monkeypatch.setattr(slices, "TRUSTED", 0.0)
    probers.cluster.publish("s", [OLD, NEW])
    probers.cluster.answers[NEW] = False
    assert await probers.probe() == await probers.poll()
    assert (await probers.probe())[0] == 2


async def test_an_operator_that_may_not_watch_reads(probers: Probers):
    probers.cluster.refused = Unreachable("ApiForbidden", "no watch")
    probers.cluster.publish("s", [OLD])
    probers.cluster.answers[OLD] = True
    for _ in range(5):
        assert await probers.probe() == (1, "")
        await settled()
    assert probers.watched.known("a", "s") is None
    assert probers.cluster.opened == 1


async def test_more_addresses_than_are_kept_are_read(probers: Probers, monkeypatch: Any):
    monkeypatch.setattr(slices, "MOST_ENDPOINTS", 2)
    probers.cluster.publish("s", ADDRESSES)
    probers.cluster.answers |= dict.fromkeys(ADDRESSES, True)
    for _ in range(3):
        assert await probers.probe() == (4, "")
        await settled()
        assert probers.watched.known("a", "s") is None


async def test_what_nobody_asks_for_is_no_longer_watched(probers: Probers, monkeypatch: Any):
    monkeypatch.setattr(slices, "ASKED", 0.0)
    monkeypatch.setattr(slices, "SOONEST", 0.0)
    probers.cluster.publish("s", [OLD])
    probers.cluster.answers[OLD] = True
    await probers.probe()
    await settled()
    assert probers.watched._namespaces["a"].is_over
    assert await probers.probe() == (1, "")


ACTIONS: st.SearchStrategy[tuple[str, Any, Any]] = st.one_of(
    st.tuples(st.just("publish"), st.sampled_from("st"), st.lists(st.sampled_from(ADDRESSES), max_size=3, unique=True)),
    st.tuples(st.just("withdraw"), st.sampled_from("st"), st.just([])),
    st.tuples(st.just("answer"), st.sampled_from(ADDRESSES), st.sampled_from([True, False, None])),
    st.tuples(st.sampled_from(["lag", "shuffle", "go on", "cut", "forget"]), st.none(), st.none()),
)


def change(cluster: WatchedCluster, what: str, about: Any, value: Any) -> None:
    changes: dict[str, Any] = {
        "publish": lambda: cluster.publish(about, value),
        "withdraw": lambda: cluster.withdraw(f"{about}-1") if f"{about}-1" in cluster.slices else None,
        "answer": lambda: (
            cluster.answers.update({about: value}) if value is not None else cluster.answers.pop(about, 0)
        ),
        "lag": lambda: setattr(cluster, "lagging", True),
        "shuffle": lambda: setattr(cluster, "shuffled", True),
        "forget": lambda: setattr(cluster, "forgotten", cluster.version),
        "go on": cluster.go_on,
        "cut": cluster.cut,
    }
    changes[what]()


async def told(probers: Probers, actions: list[tuple[str, Any, Any]]) -> None:
    for each in actions:
        change(probers.cluster, *each)
        for service in "st":
            found, polled = await probers.probe(service), await probers.poll(service)
            assert not found[1] or found == polled, "a loss is said of what was read just now"
            await settled()
    probers.cluster.go_on()
    await settled()
    for service in "st":
        assert await probers.probe(service) == await probers.poll(service)


@given(st.lists(ACTIONS, max_size=12))
def test_whatever_happens_to_the_watch_a_loss_is_what_polling_finds(actions: list[tuple[str, Any, Any]]):
    async def run() -> None:
        with pytest.MonkeyPatch.context() as patched:
            probers = Probers(patched)
            try:
                await told(probers, actions)
            finally:
                probers.stop()

    asyncio.run(run())
