"""What a page of a gateway tells people to apply is taken by the API server, and by that gateway itself."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from kubernetes.dynamic.exceptions import DynamicApiError

from modelrollout.adapters.kubernetes.gateway_facts import KubernetesGatewayFacts
from modelrollout.adapters.routers import RegisteredRouters
from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.api.problems import read_spec
from modelrollout.core.observation import RoutePlan
from modelrollout.core.rollout.route.mirroring import missing_features
from modelrollout.ports import Conflict
from tests import ROOT
from tests.contract.case import NAME, V1, V2, Case, make_service
from tests.expect import present
from tests.lab import tool_definition

if TYPE_CHECKING:
    from modelrollout.adapters.kubernetes.client import Api
    from modelrollout.api.spec import Spec
    from tests.lab import Member, Site

pytestmark = pytest.mark.lab
MARK = f"<!-- applied by {__name__.replace('.', '/')}.py -->\n```yaml\n"
GATEWAYS = [
    pytest.param("traefik", id="Traefik"),
    pytest.param("grpc", id="gRPC behind Traefik"),
    pytest.param("adopted-route", id="AdoptedRoute"),
    pytest.param("envoy-gateway", id="EnvoyGateway", marks=pytest.mark.envoy_gateway),
    pytest.param("copies", id="Copies", marks=pytest.mark.envoy_gateway),
]
ELSEWHERE = {"istio": "Istio", "cilium": "Cilium", "kgateway": "Kgateway", "agentgateway": "Agentgateway"}
"""Pages of gateways whose controllers the lab has not, and the dialect that they promise."""


def manifest(page: str) -> list[dict[str, Any]]:
    text = (ROOT / "docs/gateways" / f"{page}.md").read_text()
    found = re.findall(rf"{re.escape(MARK)}(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(found) == 1, f"{page}.md has {len(found)} manifests below {MARK!r}"
    return list(yaml.safe_load_all(found[0]))


@pytest.fixture(params=GATEWAYS)
def page(request: pytest.FixtureRequest) -> str:
    if request.param in ("envoy-gateway", "copies"):
        request.getfixturevalue("envoy_gateway")
    return str(request.param)


async def test_they_are_accepted(page: str, member: Member, site: Site, namespace: str, api: Api) -> None:
    bodies = manifest(page)
    for body in bodies:
        if "namespace" in body["metadata"]:
            body["metadata"]["namespace"] = namespace
        if body["kind"] == "Gateway" and page not in ("envoy-gateway", "copies"):
            body["spec"]["listeners"][0]["port"] = site.door.port  # where this one's entry point listens
        if body["kind"] == "Service":
            body["spec"]["clusterIP"] = "None"  # as the lab's own, which is written over it below
        if body["kind"] == "HTTPRoute":
            body["spec"]["parentRefs"][0]["namespace"] = namespace
        if body["kind"] == "ModelRollout":
            body["spec"]["traffic"]["gateway"]["namespace"] = namespace
        member.kube.apply(body)
    spec, problem = read_spec(bodies[-1])
    assert problem is None
    for service in (V1, V2):
        make_service(member, namespace, service)
    if page == "adopted-route":
        await _adopted(api, namespace, present(spec))
        return
    case = Case("gateway-api", api, namespace)
    case.spec = present(spec)
    await _accepted(member, namespace)
    await case.apply(RoutePlan("1"), None)
    await case.settled("ACCEPTED")
    if page == "copies":
        facts = KubernetesGatewayFacts(api)
        controller, listed = (
            await facts.controller_of(namespace, case.spec),
            await facts.features_of(namespace, case.spec),
        )
        config = OperatorConfig(prometheus=[PrometheusServer(url="http://prometheus.test")])
        assert missing_features(10, present(config.features_of(controller, listed))) == []
        assert (await case.apply_now(RoutePlan("1", "2", 0, mirror=10))).mirror == 10
        await case.settled("ACCEPTED")
        assert (await case.lower(RoutePlan("1", "2", 0))).mirror == 0


@pytest.mark.parametrize("page", ELSEWHERE)
async def test_those_of_gateways_that_are_not_here_are_taken_and_routed(
    page: str, member: Member, namespace: str, api: Api
) -> None:
    """Every object by a server that refuses unknown fields; the route is what that gateway would be given."""
    bodies = manifest(page)
    for body in bodies:
        kind = body["kind"]
        if kind in ("PodMonitor", "Telemetry"):
            definition = tool_definition(kind)
            if definition is None:
                # A desk without Go; its digest is pinned, so another one is a failure.
                pytest.skip(f"no Go module proxy to take the definition of {kind} from")
            member.kube.apply(definition)
            names = definition["spec"]["names"]["plural"]
            member.kube.wait_served([f"/apis/{body['apiVersion']}/{names}"])
        if "namespace" in body["metadata"]:
            body["metadata"]["namespace"] = namespace
        if kind == "ModelRollout":
            body["spec"]["traffic"]["gateway"]["namespace"] = namespace
        member.kube.apply(body)
    spec, problem = read_spec(bodies[-1])
    assert problem is None
    controller = await KubernetesGatewayFacts(api).controller_of(namespace, present(spec))
    config = OperatorConfig(prometheus=[PrometheusServer(url="http://prometheus.test")])
    dialect = present(config.dialect_of(controller))
    assert (dialect.name, dialect.version_header) == (ELSEWHERE[page], False)
    for service in (V1, V2):
        make_service(member, namespace, service)
    case = Case("gateway-api", api, namespace)
    case.spec = present(spec)
    await case.apply(RoutePlan("1"), None)
    assert (await case.apply_now(RoutePlan("1", "2", 10))).weight_of("2") == 10


async def test_a_misspelt_field_of_such_an_object_is_refused(member: Member, namespace: str) -> None:
    """So the definitions are real ones, and are asked."""
    for body in manifest("istio"):
        if body["kind"] not in ("PodMonitor", "Telemetry"):
            continue
        definition = tool_definition(body["kind"])
        if definition is None:
            # As above.
            pytest.skip("no Go module proxy to take the definitions from")
        member.kube.apply(definition)
        member.kube.wait_served([f"/apis/{body['apiVersion']}/{definition['spec']['names']['plural']}"])
        body["metadata"]["namespace"] = namespace
        body["spec"]["selectorr"] = {}
        with pytest.raises(DynamicApiError, match="selectorr"):
            member.kube.apply(body)


async def _adopted(api: Api, namespace: str, spec: Spec) -> None:
    """The route of Git's is found fit, marked, weighted, and handed back."""
    routers = RegisteredRouters(api, epoch="1.0-test")
    async with asyncio.timeout(30):
        router, route = await routers.find(namespace, NAME, spec)
        while route is None or route.acceptance != "ACCEPTED":
            await asyncio.sleep(0.2)
            router, route = await routers.find(namespace, NAME, spec)
        assert (route.unfit, route.serving, route.foreign) == ("", "1", "")
        while True:
            try:
                after = await router.apply(namespace, NAME, spec, RoutePlan("1", "2", 10), route)
                break
            except Conflict:  # the gateway wrote its status in between
                _, route = await routers.find(namespace, NAME, spec)
    assert (after.stable, after.weight_of("2")) == ("1", 10)
    await routers.release(namespace, NAME)
    left = present(await router.observe(namespace, NAME))
    assert (left.weight_of("2"), left.stable) == (0, None)


async def _accepted(member: Member, namespace: str) -> None:
    async with asyncio.timeout(20):
        while True:
            found = present(member.kube.get("gateway.networking.k8s.io/v1", "Gateway", namespace, "models"))
            told = {each["type"]: each["status"] for each in found.get("status", {}).get("conditions", [])}
            if told.get("Accepted") == "True":
                return
            await asyncio.sleep(0.2)
