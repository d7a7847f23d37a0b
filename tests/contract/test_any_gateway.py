"""What a route must show whatever gateway judges it: the same, behind each of the real controllers of the lab."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelrollout.core.observation import RoutePlan
from tests.contract.case import NAME, V1, V2, Case, make_service
from tests.contract.hands import HANDS

if TYPE_CHECKING:
    from modelrollout.adapters.kubernetes.client import Api
    from tests.lab import Member

pytestmark = [pytest.mark.lab, pytest.mark.parametrize("kind", sorted(HANDS))]
GATEWAYS = [
    pytest.param("Traefik", marks=pytest.mark.oldest),
    pytest.param("EnvoyGateway", marks=pytest.mark.envoy_gateway),
]


@pytest.fixture(params=GATEWAYS)
def gateway(request: pytest.FixtureRequest) -> str:
    """Name of the Gateway in `infra`."""
    if request.param == "Traefik":
        return "inference"
    return str(request.getfixturevalue("envoy_gateway").name)


@pytest.fixture
def behind(kind: str, gateway: str, api: Api, namespace: str, member: Member) -> Case:
    for service in (V1, V2):
        make_service(member, namespace, service)
    return Case(kind, api, namespace, name=gateway)


async def test_setting_the_same_weight_again_writes_nothing(behind: Case) -> None:
    await behind.apply(RoutePlan("1"), None)
    await behind.apply_now(RoutePlan("1", "2", 5))
    await behind.settled("ACCEPTED")
    version = await behind.hand.version()
    for _ in range(2):
        await behind.apply_now(RoutePlan("1", "2", 5))
        assert await behind.hand.version() == version


async def test_answers_name_their_version_where_the_plan_says_so(behind: Case) -> None:
    await behind.apply(RoutePlan("1"), None)
    named = RoutePlan("1", "2", 50, version_header=True)
    seen = await behind.apply_now(named)
    assert seen.version_header
    assert (await behind.seen()).structure == behind.router.structure(behind.namespace, NAME, behind.spec, named)
    await behind.settled("ACCEPTED")
    lowered = await behind.router.lower(behind.namespace, NAME, seen, RoutePlan("1", "2", 0))
    assert (lowered.weight_of("2"), lowered.version_header) == (0, True)
    assert not (await behind.apply_now(RoutePlan("1"))).version_header


async def test_a_route_that_the_gateway_takes_is_accepted_also_after_a_change(behind: Case) -> None:
    await behind.apply(RoutePlan("1"), None)
    assert (await behind.settled("ACCEPTED")).acceptance_reason == ""
    changed = await behind.apply_now(RoutePlan("1", "2", 5))
    assert changed.acceptance == "PENDING"
    await behind.settled("ACCEPTED")


async def test_a_route_to_a_service_that_is_missing_is_rejected_with_the_reason(behind: Case) -> None:
    await behind.apply(RoutePlan("1"), None)
    for weight in (5, 10):
        await behind.apply_now(RoutePlan("1", "9", weight))
        seen = await behind.settled("REJECTED")
        assert "BackendNotFound" in seen.acceptance_reason
        assert "digits-v9" in seen.acceptance_reason
