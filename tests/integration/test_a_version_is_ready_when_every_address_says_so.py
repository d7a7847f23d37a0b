"""Readiness over real EndpointSlices and real model servers: at least one address, and every one of them answering."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from modelrollout.adapters.kubernetes.client import connect
from modelrollout.adapters.triton.readiness import TritonServer
from tests.allowed import PROBES
from tests.lab import Fault, FaultProxy, free_port, write_kubeconfig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from modelrollout.adapters.kubernetes.client import Api
    from tests.lab import Member, ModelService, Site

pytestmark = [pytest.mark.lab, pytest.mark.oldest]


@pytest_asyncio.fixture
async def prober(api: Api) -> AsyncIterator[TritonServer]:
    made = TritonServer(api, timeout=10.0, probes=PROBES)
    yield made


@pytest.fixture(scope="module")
def served(member: Member, worker: str) -> Iterator[ModelService]:
    """Version 1 of digits on two real servers; each test leaves them published as ready."""
    with member.scenario(f"readiness-{worker}") as scenario:
        scenario.serve(1, replicas=2)
        yield scenario.services[1]


async def probe(prober: TritonServer, service: ModelService, version: str = "1") -> tuple[int, str]:
    return await prober.probe(service.namespace, service.name, 8000, "digits", version)


async def test_two_servers_that_answer_are_ready(prober: TritonServer, served: ModelService) -> None:
    for _ in range(2):
        assert await probe(prober, served) == (2, "")


async def test_a_version_that_the_servers_do_not_have_is_not_ready(prober: TritonServer, served: ModelService) -> None:
    count, wrong = await probe(prober, served, "9")
    assert count == 2
    assert "2 of 2 addresses" in wrong
    assert "answered 400" in wrong


async def test_one_address_that_is_not_ready_spoils_it(prober: TritonServer, served: ModelService) -> None:
    served.set_ready(False, 1)
    count, wrong = await probe(prober, served)
    served.set_ready(True)
    assert count == 2
    assert "1 of 2 addresses" in wrong
    assert "not ready in its EndpointSlice" in wrong


async def test_a_dead_server_behind_a_ready_address_spoils_it(prober: TritonServer, served: ModelService) -> None:
    served.kill(1)
    count, wrong = await probe(prober, served)
    served.restart(1)
    served.servers[1].wait_ready()
    assert count == 2
    assert "1 of 2 addresses" in wrong
    assert served.servers[1].address in wrong
    assert await probe(prober, served) == (2, "")


async def test_slices_are_found_on_a_cluster_that_has_only_the_beta_version(
    site: Site, served: ModelService, tmp_path: Path
) -> None:
    if site.version.has_slices_v1:  # only 1.20 has the beta version alone: `make test-oldest` runs this there
        pytest.skip(f"Kubernetes {site.version} serves v1")
    kubeconfig = write_kubeconfig(tmp_path / "bare", site.bare_api, site.authority, site.admin_token)
    async with await connect(str(kubeconfig)) as bare:
        old = TritonServer(bare, probes=PROBES)
        assert await probe(old, served) == (2, "")


async def test_a_service_that_is_missing_or_empty_is_not_ready(
    prober: TritonServer, member: Member, namespace: str
) -> None:
    assert await prober.probe(namespace, "none", 8000, "digits", "1") == (
        0,
        f"Service {namespace}/none does not exist",
    )
    publish(member, namespace, [])
    assert await prober.probe(namespace, "m", 8000, "digits", "1") == (0, f"Service {namespace}/m has no addresses")


async def test_a_port_that_the_service_does_not_have_is_named(
    prober: TritonServer, member: Member, namespace: str
) -> None:
    publish(member, namespace, [])
    count, wrong = await prober.probe(namespace, "m", 9000, "digits", "1")
    assert (count, wrong) == (0, f"Service {namespace}/m has no port 9000 (it has 8000)")


async def test_the_services_port_is_followed_to_the_servers_own(
    prober: TritonServer, served: ModelService, member: Member, namespace: str
) -> None:
    forwarder = FaultProxy(f"http://{served.servers[0].address}:8000").start_in(member.background)
    try:
        publish(member, namespace, [{"addresses": ["127.0.0.1"]}], port=forwarder.port)
        assert await prober.probe(namespace, "m", 8000, "digits", "1") == (1, "")
    finally:
        forwarder.close()


async def test_an_address_without_a_word_on_readiness_counts_as_ready_and_each_address_counts_once(
    prober: TritonServer, member: Member, namespace: str
) -> None:
    nobody = free_port()
    endpoints: list[dict[str, Any]] = [{"addresses": ["127.0.0.1"]}, {"addresses": ["127.0.0.2"], "conditions": {}}]
    publish(member, namespace, endpoints, port=nobody)
    publish(member, namespace, endpoints[:1], port=nobody, slice_name="m-2")
    count, wrong = await prober.probe(namespace, "m", 8000, "digits", "1")
    assert count == 2
    assert wrong.startswith("2 of 2 addresses of m are not ready: 127.0.0.")


async def test_a_server_that_hangs_is_given_up(api: Api, served: ModelService, member: Member, namespace: str) -> None:
    forwarder = FaultProxy(f"http://{served.servers[0].address}:8000").start_in(member.background)
    forwarder.add(Fault(delay=60))
    impatient = TritonServer(api, timeout=0.2, probes=PROBES)
    try:
        publish(member, namespace, [{"addresses": ["127.0.0.1"]}], port=forwarder.port)
        async with asyncio.timeout(20):
            count, wrong = await impatient.probe(namespace, "m", 8000, "digits", "1")
        assert count == 1
        assert "did not answer within 0.2 s" in wrong
    finally:
        forwarder.close()


async def test_an_api_server_that_is_away_is_not_readiness(faulty: Api, proxy: FaultProxy) -> None:
    proxy.add(Fault(status=503))
    count, wrong = await TritonServer(faulty).probe("readiness", "digits-v1", 8000, "digits", "1")
    assert count == 0
    assert "503" in wrong


async def test_hundreds_of_addresses_that_hang_are_given_up_together(
    api: Api, member: Member, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelrollout.adapters.triton.readiness.OVERALL", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        addresses = [{"addresses": [f"127.0.{n // 250}.{n % 250 + 1}"]} for n in range(400)]
        publish(member, namespace, addresses, port=silent.getsockname()[1])
        patient = TritonServer(api, timeout=30, probes=PROBES)
        async with asyncio.timeout(20):
            count, wrong = await patient.probe(namespace, "m", 8000, "digits", "1")
    assert count == 400
    assert wrong


def publish(
    member: Member,
    namespace: str,
    endpoints: list[dict[str, Any]],
    *,
    port: int = 8000,
    slice_name: str = "m-1",
) -> None:
    """Service m, port 8000, and one EndpointSlice of it that leads to `port`."""
    meta = {"name": "m", "namespace": namespace}
    ports = [{"name": "http", "port": 8000, "targetPort": "web", "protocol": "TCP"}]
    member.kube.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"clusterIP": "None", "ports": ports},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "addressType": "IPv4",
            "metadata": meta | {"name": slice_name, "labels": {"kubernetes.io/service-name": "m"}},
            "ports": [{"name": "metrics", "port": 1}, {"name": "http", "port": port, "protocol": "TCP"}],
            "endpoints": endpoints,
        },
    )
