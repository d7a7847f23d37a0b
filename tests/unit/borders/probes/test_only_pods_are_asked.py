"""The operator asks Pods of the Service's own namespace, and what an administrator allowed: nobody's errand boy."""

from __future__ import annotations

import asyncio
from typing import Any, Self, cast

import pytest

from modelrollout.adapters.kubernetes.client import Api
from modelrollout.adapters.triton.addresses import Addresses, addresses, is_pod_of
from modelrollout.adapters.triton.readiness import TritonServer
from modelrollout.api.config import Probes
from modelrollout.core.observation import Readiness
from modelrollout.ports import NotAsked
from modelrollout.runtime.watch import after_probe
from tests.allowed import LOOPBACK

POD = {"kind": "Pod", "namespace": "vision", "name": "digits-v2-0"}


def endpoint(address: str, target: object = None, **conditions: bool) -> dict[str, Any]:
    whose = {} if target is None else {"targetRef": target}
    return {"addresses": [address], "conditions": conditions} | whose


def slice_of(*endpoints: dict[str, Any], port: int = 8000, kind: str = "IPv4") -> dict[str, Any]:
    return {"addressType": kind, "ports": [{"name": "", "port": port}], "endpoints": list(endpoints)}


class Cluster:
    """An API server with one Service `s` of the namespace `vision`."""

    def __init__(self, *slices: dict[str, Any]) -> None:
        self.slices = slices

    async def get(self, _path: str) -> dict[str, Any]:
        return {"metadata": {"name": "s", "namespace": "vision"}, "spec": {"ports": [{"port": 8000}]}}

    async def request(self, *_: Any, **__: Any) -> dict[str, Any]:
        return {"items": list(self.slices)}


class Listener:
    """A server on loopback that says 200 and counts who came."""

    async def __aenter__(self) -> Self:
        self.asked = 0
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()


async def probe(*slices: dict[str, Any], probes: Any = None) -> tuple[int, str]:
    server = TritonServer(
        cast("Api", Cluster(*slices)), timeout=5.0, probes=Probes.model_validate(probes) if probes else None
    )
    return await server.probe("vision", "s", 8000, "digits", "2")


@pytest.mark.parametrize(
    "target",
    [
        None,
        {},
        "Pod",
        {"kind": "Node", "namespace": "vision"},
        {"kind": "Pod"},
        {"kind": "Pod", "namespace": "billing"},
        {"kind": ["Pod"], "namespace": ["vision"]},
    ],
)
def test_what_is_no_pod_of_the_namespace_is_not_asked(target: object):
    one = endpoint("10.1.2.3", target)
    assert not is_pod_of("vision", one, "10.1.2.3")
    found = addresses([slice_of(one)], "", None, lambda each, address: is_pod_of("vision", each, address))
    assert found == Addresses(refused=("10.1.2.3:8000",))


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
def test_no_pod_has_an_address_on_loopback_whatever_its_slice_says(address: str):
    assert not is_pod_of("vision", endpoint(address, POD), address)


@pytest.mark.parametrize(("address", "shown"), [("10.1.2.3", "10.1.2.3:8000"), ("2001:db8::1", "[2001:db8::1]:8000")])
def test_a_pod_of_the_namespace_is_asked(address: str, shown: str):
    one = slice_of(endpoint(address, POD), kind="IPv6" if ":" in address else "IPv4")
    found = addresses([one], "", None, lambda each, ip: is_pod_of("vision", each, ip))
    assert found == Addresses(asked=(shown,))


async def test_nobody_is_asked_on_behalf_of_a_slice_that_names_no_pod_and_the_sentence_names_the_setting():
    async with Listener() as listener:
        count, wrong = await probe(slice_of(endpoint("127.0.0.1"), port=listener.port))
        assert listener.asked == 0
        allowed = await probe(slice_of(endpoint("127.0.0.1"), port=listener.port), probes=LOOPBACK)
        assert (allowed, listener.asked) == ((1, ""), 1)
    assert count == 1
    assert isinstance(wrong, NotAsked)
    assert f"127.0.0.1:{listener.port}" in wrong
    assert "probes.allowed" in wrong
    assert "vision" in wrong


@pytest.mark.parametrize(
    ("allowed", "asked"),
    [
        ({"cidr": "127.0.0.0/8", "namespaces": ["vision"]}, True),
        ({"cidr": "127.0.0.0/8", "namespaces": ["vis*"]}, True),
        ({"cidr": "127.0.0.0/8", "namespaces": ["billing", "visio"]}, False),
        ({"cidr": "10.0.0.0/8"}, False),
        ({"cidr": "2001:db8::/32"}, False),
    ],
)
def test_what_is_allowed_is_allowed_for_those_namespaces_and_that_network(allowed: Any, *, asked: bool):
    assert Probes.model_validate({"allowed": [allowed]}).allows("vision", "127.0.0.1") is asked


async def test_an_address_that_answers_wrongly_counts_beside_one_that_may_not_be_asked():
    hidden = endpoint("10.1.2.3")
    _, wrong = await probe(slice_of(endpoint("127.0.0.1"), hidden, port=1), probes=LOOPBACK)
    assert not isinstance(wrong, NotAsked)
    assert wrong.startswith("1 of 2 addresses of s are not ready: 127.0.0.1:1")


async def test_what_its_slice_calls_unready_is_unready_whoever_it_is():
    _, wrong = await probe(slice_of(endpoint("10.1.2.3", ready=False)))
    assert not isinstance(wrong, NotAsked)
    assert "10.1.2.3:8000 is not ready in its EndpointSlice" in wrong


def test_not_asked_is_no_loss_and_no_readiness():
    before = Readiness("2", ready=True, since=1.0, failures=0, message="")
    now = after_probe(before, "2", (1, NotAsked("may not be asked")), 9.0)
    assert (now.ready, now.failures, now.refused, now.since) == (False, 0, True, None)
    lost = after_probe(now, "2", (1, "connection refused"), 10.0)
    assert (lost.failures, lost.refused) == (1, False)
