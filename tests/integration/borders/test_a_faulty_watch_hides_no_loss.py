"""A real watch of EndpointSlices that is cut, silent, late, replayed or refused: a loss is found all the same."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from modelrollout.adapters.triton import slices
from modelrollout.adapters.triton.readiness import TritonServer
from modelrollout.adapters.triton.slices import WatchedSlices
from tests.allowed import PROBES
from tests.lab import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from modelrollout.adapters.kubernetes.client import Api
    from tests.lab import Exchange, FaultProxy, Member, ModelService

pytestmark = [pytest.mark.lab]

TRUSTED = 2.0
FAULTS = {
    "cut": Fault(cut_after=0.3),
    "silent": Fault(silent=True),
    "replayed": Fault(replay=True),
    "late by 5 s": Fault(delay=5),
    "forgotten": Fault(status=410, body=b'{"kind":"Status","status":"Failure","code":410}'),
    "forbidden": Fault(status=403, body=b'{"kind":"Status","status":"Failure","code":403}'),
}


@pytest.fixture(scope="module")
def served(member: Member, worker: str) -> Iterator[ModelService]:
    """Version 1 of digits on two real servers; each test leaves them published as ready."""
    with member.scenario(f"faulty-watch-{worker}") as scenario:
        scenario.serve(1, replicas=2)
        yield scenario.services[1]


@pytest_asyncio.fixture
async def watched(faulty: Api) -> AsyncIterator[WatchedSlices]:
    """Its watches end before the proxy does, which would be left with their connections."""
    made = WatchedSlices(faulty)
    yield made
    tasks = [each.task for each in made._namespaces.values() if each.task is not None]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def probe(prober: TritonServer, service: ModelService) -> tuple[int, str]:
    return await prober.probe(service.namespace, service.name, 8000, "digits", "1")


async def until(prober: TritonServer, service: ModelService, *, ready: bool, within: float) -> float:
    """Seconds until the version is (not) ready, probed five times a second."""
    began = time.monotonic()
    while ((await probe(prober, service))[1] == "") != ready:
        took = time.monotonic() - began
        assert took < within, f"ready is {not ready} after {took:.1f} s"
        await asyncio.sleep(0.2)
    return time.monotonic() - began


def of_slices(exchange: Exchange) -> bool:
    return exchange.is_watch and "endpointslices" in exchange.path


async def test_while_the_watch_is_well_nothing_is_read(
    faulty: Api, proxy: FaultProxy, served: ModelService, watched: WatchedSlices
) -> None:
    prober = TritonServer(faulty, timeout=10.0, watched=watched, probes=PROBES)
    assert await probe(prober, served) == (2, "")
    for _ in range(100):
        if watched.known(served.namespace, served.name) is not None:
            break
        await asyncio.sleep(0.1)
    before = len(proxy.requests(path="endpointslices"))
    for _ in range(10):
        assert await probe(prober, served) == (2, "")
    assert len(proxy.requests(path="endpointslices")) == before
    served.set_ready(False, 1)
    print(f"withdrawn -> not ready: {await until(prober, served, ready=False, within=6):.1f} s")
    served.set_ready(True)
    print(f"published -> ready: {await until(prober, served, ready=True, within=6):.1f} s")


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_loss_is_found_by_probing_whatever_the_watch_says(
    faulty: Api,
    api: Api,
    proxy: FaultProxy,
    served: ModelService,
    watched: WatchedSlices,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slices, "TRUSTED", TRUSTED)
    rule = proxy.add(FAULTS[fault], when=of_slices)
    prober, polling = (
        TritonServer(faulty, timeout=10.0, watched=watched, probes=PROBES),
        TritonServer(api, timeout=10.0, probes=PROBES),
    )
    await until(prober, served, ready=True, within=15)
    for _ in range(50):
        if rule.used:
            break
        await probe(prober, served)
        await asyncio.sleep(0.1)
    assert rule.used
    served.kill(1)
    assert await probe(prober, served) == await probe(polling, served)
    assert "1 of 2 addresses" in (await probe(prober, served))[1]
    served.restart(1)
    served.servers[1].wait_ready()
    await until(prober, served, ready=True, within=15)
    served.set_ready(False, 1)
    print(f"{fault}: withdrawn -> not ready: {await until(prober, served, ready=False, within=3 * TRUSTED):.1f} s")
    served.set_ready(True)
    await until(prober, served, ready=True, within=15)
