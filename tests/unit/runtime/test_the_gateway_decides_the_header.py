"""Which gateway it is is asked after the writes of a pass, and the next pass writes what it needs."""

from __future__ import annotations

from modelrollout.dialects.envoy import ENVOY_GATEWAY
from tests.unit.runtime.in_memory import made, one_pass, router_of


async def test_behind_envoy_gateway_the_route_names_versions_from_the_second_pass_on():
    reconciler, watch, cluster, clock = made()
    (cluster.controller,) = ENVOY_GATEWAY.controllers
    await one_pass(reconciler, watch, cluster, clock)
    assert watch.version_header
    assert watch.wake.is_set(), "the route is not left without it until the next resync"
    for _ in range(3):
        await one_pass(reconciler, watch, cluster, clock)
        route = router_of(reconciler).route
        assert route is None or route.version_header
    assert route is not None


async def test_a_gateway_that_cannot_be_read_changes_nothing():
    reconciler, watch, cluster, clock = made()
    (cluster.controller,) = ENVOY_GATEWAY.controllers
    for _ in range(4):
        await one_pass(reconciler, watch, cluster, clock)
    writes, cluster.controller = router_of(reconciler).writes, ""
    assert watch.version_header
    cluster.obj["spec"]["model"]["version"] = cluster.obj["status"]["stable"]
    await reconciler.run(watch)
    route = router_of(reconciler).route
    assert route is not None
    assert route.version_header
    assert router_of(reconciler).writes <= writes + 1


async def test_behind_other_gateways_there_is_none():
    reconciler, watch, cluster, clock = made()
    for _ in range(4):
        await one_pass(reconciler, watch, cluster, clock)
    route = router_of(reconciler).route
    assert route is not None
    assert (watch.version_header, route.version_header) == (False, False)
