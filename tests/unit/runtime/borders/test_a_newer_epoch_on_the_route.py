"""A leader that meets a newer epoch raises nothing, tells the Lease, and raises again once its own is the newest."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from modelrollout.adapters.routers import RegisteredRouters
from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.core.observation import ObservedRoute, RoutePlan
from modelrollout.ports import Superseded
from modelrollout.runtime.lease import Lease
from modelrollout.runtime.run import build
from tests.unit.routers.routes import route
from tests.unit.runtime.in_memory import MemoryRouter, made, one_pass, reconciler_over


class Claimed(MemoryRouter):
    """A route that a newer leader seems to have marked."""

    async def claim(self, *_: Any) -> ObservedRoute:
        raise Superseded("1.7-other", "the route carries the epoch '1.7-other', newer than this leader's")


async def test_the_lease_is_told_and_the_route_stays_as_it_is():
    plain, watch, cluster, clock = made()
    router = Claimed()
    reconciler = reconciler_over(cluster, router, clock, plain.config, lambda: True)
    met: list[str] = []
    reconciler.writer.superseded = met.append
    for _ in range(4):
        await one_pass(reconciler, watch, cluster, clock)
    assert set(met) == {"1.7-other"}
    assert watch.refusals > 0
    assert router.writes == 1, "the route was created, and nothing since"


class Stored:
    """One HTTPRoute on an API server."""

    clock = SimpleNamespace(now=lambda: 0.0)

    def __init__(self, obj: dict[str, Any]) -> None:
        self.obj = obj

    async def get(self, *_: Any, **__: Any) -> dict[str, Any]:
        return self.obj

    async def patch(self, _path: str, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        self.obj["metadata"]["annotations"] |= body["metadata"]["annotations"]
        return self.obj


async def test_what_leads_is_put_together_so_that_its_epoch_may_rise():
    obj = route(RoutePlan("1", "2", 50))
    obj["metadata"]["annotations"]["modelrollout.dev/epoch"] = "1.7-other"
    api, met = Stored(obj), list[str]()
    lease = SimpleNamespace(identity="me", epoch="1.3-me", held=lambda: True, met=met.append)
    reconciler = build(
        OperatorConfig(prometheus=[PrometheusServer(url="http://prometheus.test")]),
        cast("Any", api),
        cast("Lease", lease),
    ).reconciler
    reconciler.writer.superseded("1.7-other")
    assert met == ["1.7-other"]
    router, seen = await cast("RegisteredRouters", reconciler.routers).find("ns", "digits", None)
    assert seen is not None
    with pytest.raises(Superseded) as refused:
        await router.claim("ns", "digits", seen)
    assert refused.value.epoch == "1.7-other"
    lease.epoch = "1.8-me"
    assert (await router.claim("ns", "digits", seen)).epoch == "1.8-me"
