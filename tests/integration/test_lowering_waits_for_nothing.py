"""Whatever happens between the operator and the API server, the candidate ends at weight 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from modelrollout.adapters.kubernetes.client import path_of
from modelrollout.adapters.routers.gateway_api import GatewayApiRouter
from modelrollout.adapters.routers.tries import LOWER_TRIES
from modelrollout.api.spec import Spec
from modelrollout.core.observation import RoutePlan
from modelrollout.ports import Unreachable
from tests.lab import Fault

if TYPE_CHECKING:
    from modelrollout.adapters.kubernetes.client import Api
    from modelrollout.adapters.routers.reading import ObservedHTTPRoute
    from tests.lab import FaultProxy

pytestmark = pytest.mark.lab

OLD, ZERO = RoutePlan("1", "2", 50), RoutePlan("1", "2", 0)


@pytest.fixture
def router(faulty: Api) -> GatewayApiRouter:
    return GatewayApiRouter(faulty, epoch="1.0-test")


@pytest.fixture
def path(namespace: str) -> str:
    return path_of("gateway.networking.k8s.io/v1", "httproutes", namespace, "digits")


async def at_fifty(router: GatewayApiRouter, namespace: str, rollout: dict[str, Any]) -> ObservedHTTPRoute:
    return await router.apply(namespace, "digits", Spec.model_validate(rollout["spec"]), OLD, None)


async def weights(api: Api, path: str) -> list[int]:
    route = await api.request("GET", path)
    return [ref["weight"] for ref in route["spec"]["rules"][0]["backendRefs"]]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=409, body=b'{"kind":"Status","message":"the object has been modified"}'),
        Fault(status=429, headers={"Retry-After": "3600"}),
        Fault(status=500),
        Fault(drop=True),
        Fault(delay=30),
    ],
    ids=["conflict", "throttled", "error", "connection cut", "hangs"],
)
async def test_a_write_that_fails_twice_is_tried_until_the_weight_is_zero(
    router: GatewayApiRouter,
    api: Api,
    proxy: FaultProxy,
    namespace: str,
    path: str,
    rollout: dict[str, Any],
    fault: Fault,
) -> None:
    seen = await at_fifty(router, namespace, rollout)
    rule = proxy.add(fault, method="PATCH", path="httproutes", times=2)
    lowered = await router.lower(namespace, "digits", seen, ZERO)
    assert rule.used == 2
    assert lowered.weight_of("2") == 0
    assert await weights(api, path) == [100, 0]


async def test_a_write_whose_answer_is_lost_is_found_done(
    router: GatewayApiRouter, api: Api, proxy: FaultProxy, namespace: str, path: str, rollout: dict[str, Any]
) -> None:
    seen = await at_fifty(router, namespace, rollout)
    proxy.add(Fault(drop_answer=True), method="PATCH", path="httproutes", times=1)
    lowered = await router.lower(namespace, "digits", seen, ZERO)
    assert lowered.weight_of("2") == 0
    assert await weights(api, path) == [100, 0]
    assert len(proxy.requests(method="PATCH", path="httproutes")) == 1


async def test_the_first_write_needs_no_read_before_it(
    router: GatewayApiRouter, proxy: FaultProxy, namespace: str, rollout: dict[str, Any]
) -> None:
    seen = await at_fifty(router, namespace, rollout)
    reads = proxy.add(Fault(), method="GET")
    writes = proxy.add(Fault(), method="PATCH")
    await router.lower(namespace, "digits", seen, ZERO)
    assert (reads.used, writes.used) == (0, 1)


async def test_an_api_server_that_stays_away_is_reported_after_a_few_tries(
    router: GatewayApiRouter, proxy: FaultProxy, namespace: str, rollout: dict[str, Any]
) -> None:
    seen = await at_fifty(router, namespace, rollout)
    rule = proxy.add(Fault(status=503))
    with pytest.raises(Unreachable) as away:
        await router.lower(namespace, "digits", seen, ZERO)
    assert away.value.reason == "ApiError"
    assert rule.used == LOWER_TRIES


async def test_being_forbidden_to_write_is_reported_at_once(
    router: GatewayApiRouter, proxy: FaultProxy, namespace: str, rollout: dict[str, Any]
) -> None:
    seen = await at_fifty(router, namespace, rollout)
    rule = proxy.add(Fault(status=403), method="PATCH")
    with pytest.raises(Unreachable) as refused:
        await router.lower(namespace, "digits", seen, ZERO)
    assert (refused.value.reason, rule.used) == ("ApiForbidden", 1)
