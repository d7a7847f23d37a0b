"""What the contract is tested with: a router, a hand on its route, and a spec that attaches it to a real Gateway."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from modelrollout.adapters.routers import router_for
from modelrollout.api.spec import Spec
from modelrollout.ports import Conflict
from tests.contract.hands import HANDS, Hand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelrollout.adapters.kubernetes.client import Api
    from modelrollout.core.observation import ObservedRoute, RoutePlan
    from modelrollout.ports import Router
    from tests.lab import Member

NAME = "digits"
V1, V2 = "digits-v1", "digits-v2"


class Case:
    """A router, a hand on the same route, and a spec that attaches it to a real Gateway."""

    def __init__(self, kind: str, api: Api, namespace: str, **gateway: Any) -> None:
        self.kind, self.api, self.namespace = kind, api, namespace
        router, _, protocol = kind.partition(" of ")
        self._made = router
        self.router: Router = router_for(router, api, epoch="1.0-test")
        self.hand: Hand = HANDS[kind](api, namespace, NAME)
        self.spec = spec_for(namespace, protocols=[protocol.upper() or "HTTP"], **gateway)

    async def next_leader(self) -> Router:
        """The router of a process that leads from now on and has made its first pass over the route."""
        found: Router = router_for(self._made, self.api, epoch="1.1-next")
        await found.observe(self.namespace, NAME, self.spec)
        return found

    async def seen(self) -> ObservedRoute:
        found = await self.router.observe(self.namespace, NAME, self.spec)
        assert found is not None
        return found

    async def apply(self, plan: RoutePlan, seen: ObservedRoute | None) -> ObservedRoute:
        return await self.router.apply(self.namespace, NAME, self.spec, plan, seen)

    async def apply_now(self, plan: RoutePlan) -> ObservedRoute:
        """As a pass does it: read, then apply, and read again where the gateway wrote its status in between."""
        for _ in range(20):
            try:
                return await self.apply(plan, await self.seen())
            except Conflict:
                await asyncio.sleep(0.05)
        raise AssertionError("the route never held still for 20 tries")

    async def lower(self, plan: RoutePlan, seen: ObservedRoute | None = None) -> ObservedRoute:
        return await self.router.lower(self.namespace, NAME, seen or await self.seen(), plan)

    async def settled(self, acceptance: str) -> ObservedRoute:
        """Wait for the gateway's judgement, at most 15 s; fails with what it said instead."""
        end = time.monotonic() + 15
        while True:
            seen = await self.seen()
            if seen.acceptance == acceptance or time.monotonic() > end:
                assert seen.acceptance == acceptance, seen.acceptance_reason
                return seen
            await asyncio.sleep(0.1)


def spec_for(namespace: str, *, protocols: Sequence[str] = ("HTTP",), **gateway: Any) -> Spec:
    attached = {"name": "inference", "namespace": "infra", "sectionName": "web"}
    return Spec.model_validate(
        {
            "model": {"name": "digits", "version": "2"},
            "serving": {"service": "digits-v{version}", "port": 8000},
            "traffic": {
                "gateway": attached | {"hostnames": [f"{namespace}.example.com"]} | gateway,
                "testerHeader": "x-model-candidate",
                "protocols": list(protocols),
            },
            "steps": [{"weight": 5, "hold": "10m"}],
        }
    )


def make_service(member: Member, namespace: str, name: str) -> None:
    """A Service and its EndpointSlice, without which Traefik takes the backend for missing."""
    plain = {"protocol": "TCP"}
    ports = [{"name": "http", "port": 8000, **plain}, {"name": "grpc", "port": 8001, **plain}]
    served = [ports[0], ports[1] | {"appProtocol": "kubernetes.io/h2c"}]
    member.kube.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"clusterIP": "None", "ports": served},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "addressType": "IPv4",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": {"kubernetes.io/service-name": name},
            },
            "ports": ports,
            "endpoints": [],
        },
    )
