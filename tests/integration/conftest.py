"""A fault-injecting proxy in front of the real API server, and an Api that goes through it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from modelrollout.adapters.kubernetes.client import Api, connect
from modelrollout.adapters.prometheus.ledger import PrometheusLedger
from tests.lab import FaultProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.lab import Member, Site


@pytest.fixture
def proxy(site: Site, member: Member) -> Iterator[FaultProxy]:
    tls = ssl.create_default_context(cafile=str(site.authority))
    with FaultProxy(site.api, client_tls=tls).start_in(member.background) as running:
        yield running


@pytest_asyncio.fixture
async def faulty(member: Member, proxy: FaultProxy) -> AsyncIterator[Api]:
    """Plain http:// to the proxy, https:// from there on."""
    async with await connect(str(member.admin_kubeconfig(server=proxy.url))) as opened:
        yield opened


@pytest_asyncio.fixture
async def ledger() -> AsyncIterator[PrometheusLedger]:
    opened = PrometheusLedger()
    yield opened
    opened.close()


@pytest.fixture
def rollout(namespace: str) -> dict[str, Any]:
    """A valid ModelRollout, not created yet."""
    gateway = {
        "name": "inference",
        "namespace": "infra",
        "sectionName": "web",
        "hostnames": [f"{namespace}.example.com"],
    }
    return {
        "apiVersion": "modelrollout.dev/v1alpha1",
        "kind": "ModelRollout",
        "metadata": {"name": "digits", "namespace": namespace},
        "spec": {
            "model": {"name": "digits", "version": "2"},
            "serving": {"service": "digits-v{version}", "port": 8000},
            "traffic": {"gateway": gateway, "testerHeader": "x-model-candidate"},
            "steps": [{"weight": 5, "hold": "10m"}],
        },
    }
