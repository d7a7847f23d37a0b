"""Which addresses of a Service are asked, what each may answer, and what becomes of what was known: rule by rule."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import pytest

from modelrollout.adapters.kubernetes.client import Api
from modelrollout.adapters.triton import readiness
from modelrollout.adapters.triton.addresses import addresses
from modelrollout.adapters.triton.readiness import TritonServer
from modelrollout.api.config import Probes
from modelrollout.api.config.allowed import AllowedAddresses
from modelrollout.core.observation import Readiness
from modelrollout.ports import Unreachable
from modelrollout.runtime.watch import after_probe


def listed(*addresses: str, kind: str = "IPv4", port: int = 8000, name: str = "http", **conditions: Any) -> Any:
    found = [{"addresses": [address], "conditions": conditions} for address in addresses]
    return {"addressType": kind, "ports": [{"name": name, "port": port}], "endpoints": found}


RULES: dict[str, tuple[list[Any], str | None, tuple[list[str], list[str]]]] = {
    "an address without a word counts as ready": (
        [listed("10.0.0.1")], "IPv4", (["10.0.0.1:8000"], [])
    ),
    "one that its slice calls not ready is counted, and not asked": (
        [listed("10.0.0.1", ready=False), listed("10.0.0.2", ready=True)],
        "IPv4", (["10.0.0.2:8000"], ["10.0.0.1:8000"])
    ),
    "one that is terminating is neither": (
        [listed("10.0.0.1", terminating=True, ready=False), listed("10.0.0.2")], "IPv4", (["10.0.0.2:8000"], [])
    ),
    "one in two slices counts once, as ready where one says so": (
        [listed("10.0.0.1", ready=False), listed("10.0.0.1"), listed("10.0.0.1")], "IPv4", (["10.0.0.1:8000"], [])
    ),
    "of two kinds only those are asked that the Service serves first": (
        [listed("10.0.0.1"), listed("fd00::1", kind="IPv6")], "IPv6", (["[fd00::1]:8000"], [])
    ),
    "a Service that does not say which is asked on both": (
        [listed("10.0.0.1"), listed("fd00::1", kind="IPv6")], None, (["10.0.0.1:8000", "[fd00::1]:8000"], [])
    ),
    "a kind that no slice has leaves out none": (
        [listed("10.0.0.1")], "IPv6", (["10.0.0.1:8000"], [])
    ),
    "another port of the Service is not asked": (
        [listed("10.0.0.1", name="metrics", port=8002), listed("10.0.0.1")], "IPv4", (["10.0.0.1:8000"], [])
    ),
    "the slice's own number of the port is asked": (
        [listed("10.0.0.1", port=9000)], "IPv4", (["10.0.0.1:9000"], [])
    ),
    "a port beyond all is none": (
        [listed("10.0.0.1", port=65536), listed("10.0.0.1", port=0)], "IPv4", ([], [])
    ),
    "a host's name leads nowhere": (
        [listed("model.vision.svc", kind="FQDN"), listed("model.vision.svc")], "IPv4", ([], [])
    ),
    "an address that no Pod has is not asked": (
        [listed("169.254.169.254", "224.0.0.1", "0.0.0.0"),
         listed("fe80::1", "fe80::1%eth0", "fd00::1%1", "ff02::1", "::", kind="IPv6")], None, ([], [])
    ),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_the_addresses_of_a_version_are_those_that_should_answer(rule: str):
    slices, family, found = RULES[rule]
    told = addresses(slices, "http", family, lambda *_: True)
    assert (list(told.asked), list(told.unready)) == found


class Cluster:
    """An Api with one Service on one port of this machine; `fails` is raised where the slices are read."""

    def __init__(self, *slices: Any) -> None:
        self.slices = list(slices)
        self.fails: Exception | None = None
        self.services = 0

    async def get(self, _path: str) -> Any:
        self.services += 1
        return {"metadata": {"name": "s", "namespace": "a"}, "spec": {"ports": [{"port": 8000, "name": "http"}]}}

    async def request(self, *_: Any, **__: Any) -> Any:
        if self.fails is not None:
            raise self.fails
        return {"items": self.slices}


def prober(cluster: Cluster, timeout: float = 10.0) -> TritonServer:
    here = Probes(allowed=[AllowedAddresses(cidr="127.0.0.0/8")])
    return TritonServer(cast("Api", cluster), timeout=timeout, probes=here)


async def probed(server: TritonServer) -> tuple[int, str]:
    return await server.probe("a", "s", 8000, "digits", "2")


@asynccontextmanager
async def answering(status: bytes, seconds: float = 0.0) -> AsyncIterator[asyncio.Server]:
    """A server that answers so, after so long; no connection outlives it."""
    writers: list[asyncio.StreamWriter] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with suppress(asyncio.IncompleteReadError, OSError):
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(seconds)
            writer.write(b"HTTP/1.1 " + status + b"\r\n\r\n")
            writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)  # the loop closes what was aborted


def port_of(server: asyncio.Server) -> int:
    number: int = server.sockets[0].getsockname()[1]
    return number


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        (b"200 OK", True), (b"100 Continue", False), (b"103 Early Hints", False), (b"204 No Content", False),
        (b"206 Partial Content", False), (b"302 Found", False), (b"400 Bad Request", False), (b"503 No", False),
    ],
)  # fmt: skip
async def test_only_200_is_ready(status: bytes, ready: bool):
    async with answering(status) as server:
        count, wrong = await probed(prober(Cluster(listed("127.0.0.1", port=port_of(server)))))
    assert (count, wrong == "") == (1, ready)
    assert ready or f"answered {status[:3].decode()}" in wrong


async def test_one_address_that_is_not_ready_spoils_it():
    async with answering(b"200 OK") as server:
        here = listed("127.0.0.1", port=port_of(server))
        assert await probed(prober(Cluster(here))) == (1, "")
        count, wrong = await probed(prober(Cluster(here, listed("127.0.0.2", ready=False))))
    assert count == 2
    assert "1 of 2 addresses of s are not ready: 127.0.0.2:8000 is not ready in its EndpointSlice" in wrong


@pytest.mark.slow
async def test_no_address_and_too_many_are_not_ready():
    assert await probed(prober(Cluster())) == (0, "Service a/s has no addresses")
    many = [listed(*(f"10.{n // 250}.{n % 250}.1" for n in range(readiness.MOST_ADDRESSES + 1)))]
    count, wrong = await probed(prober(Cluster(*many)))
    assert (count, wrong) == (2001, "Service a/s has 2001 addresses, more than 2000")


@pytest.mark.slow
async def test_an_address_has_its_own_time_and_all_together_have_theirs(monkeypatch: pytest.MonkeyPatch):
    async with answering(b"200 OK", seconds=3) as server:
        here = listed("127.0.0.1", port=port_of(server))
        _, wrong = await probed(prober(Cluster(here), timeout=0.05))
        assert "did not answer within 0.05 s" in wrong
        monkeypatch.setattr(readiness, "OVERALL", 0.05)
        _, wrong = await probed(prober(Cluster(here), timeout=60))
        assert "1 addresses of s did not all answer within 0.05 s" in wrong


async def test_while_the_api_server_is_away_the_addresses_of_before_are_asked_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
):
    async with answering(b"200 OK") as server:
        cluster = Cluster(listed("127.0.0.1", port=port_of(server)))
        asks = prober(cluster)
        cluster.fails = Unreachable("ApiTimeout", "no answer")
        assert await probed(asks) == (0, "no answer"), "nothing is known yet"
        cluster.fails = None
        assert await probed(asks) == (1, "")
        cluster.fails = Unreachable("ApiTimeout", "no answer")
        assert await probed(asks) == (1, "")
        monkeypatch.setattr(readiness, "REMEMBER", 0.0)
        assert await probed(asks) == (0, "no answer")


async def test_a_service_is_read_again_as_soon_as_something_is_wrong():
    async with answering(b"200 OK") as server:
        cluster = Cluster(listed("127.0.0.1", port=port_of(server)))
        asks = prober(cluster)
        await probed(asks)
        await probed(asks)
        assert cluster.services == 1
        cluster.slices = [listed("127.0.0.1", ready=False)]
        await probed(asks)
        await probed(asks)
        assert cluster.services == 2


def test_readiness_begins_with_the_first_good_probe_and_ends_with_the_first_bad_one():
    one = after_probe(None, "2", (2, ""), 100.0)
    assert one == Readiness("2", ready=True, since=100.0, failures=0, message="", addresses=2)
    again = after_probe(one, "2", (3, ""), 105.0)
    assert (again.since, again.addresses) == (100.0, 3)
    lost = after_probe(again, "2", (3, "gone"), 110.0)
    assert (lost.ready, lost.since, lost.failures, lost.message) == (False, None, 1, "gone")
    assert after_probe(lost, "2", (3, "gone"), 115.0).failures == 2
    back = after_probe(lost, "2", (3, ""), 120.0)
    assert (back.since, back.failures) == (120.0, 0)


def test_no_address_is_no_readiness():
    found = after_probe(None, "2", (0, ""), 100.0)
    assert (found.ready, found.failures, found.message) == (False, 1, "its Service has no ready address")
