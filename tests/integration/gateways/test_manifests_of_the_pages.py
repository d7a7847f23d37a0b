"""What a page of a gateway tells people to apply is taken by the API server, and by that gateway itself."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from modelrollout.api.problems import read_spec
from modelrollout.core.observation import RoutePlan
from tests import ROOT
from tests.contract.case import Case, make_service
from tests.expect import present

if TYPE_CHECKING:
    from modelrollout.adapters.kubernetes.client import Api
    from tests.lab import Member, Site

pytestmark = pytest.mark.lab
MARK = f"<!-- applied by {__name__.replace('.', '/')}.py -->\n```yaml\n"
GATEWAYS = [
    pytest.param("traefik", id="Traefik"),
    pytest.param("grpc", id="gRPC behind Traefik"),
    pytest.param("envoy-gateway", id="EnvoyGateway", marks=pytest.mark.envoy_gateway),
]


def manifest(page: str) -> list[dict[str, Any]]:
    text = (ROOT / "docs/gateways" / f"{page}.md").read_text()
    found = re.findall(rf"{re.escape(MARK)}(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(found) == 1, f"{page}.md has {len(found)} manifests below {MARK!r}"
    return list(yaml.safe_load_all(found[0]))


@pytest.fixture(params=GATEWAYS)
def page(request: pytest.FixtureRequest) -> str:
    if request.param == "envoy-gateway":
        request.getfixturevalue("envoy_gateway")
    return str(request.param)


async def test_they_are_accepted(page: str, member: Member, site: Site, namespace: str, api: Api) -> None:
    bodies = manifest(page)
    for body in bodies:
        if "namespace" in body["metadata"]:
            body["metadata"]["namespace"] = namespace
        if body["kind"] == "Gateway" and page != "envoy-gateway":
            body["spec"]["listeners"][0]["port"] = site.door.port  # where this one's entry point listens
        if body["kind"] == "ModelRollout":
            body["spec"]["traffic"]["gateway"]["namespace"] = namespace
        member.kube.apply(body)
    spec, problem = read_spec(bodies[-1])
    assert problem is None
    make_service(member, namespace, "digits-v1")
    case = Case("gateway-api", api, namespace)
    case.spec = present(spec)
    await _accepted(member, namespace)
    await case.apply(RoutePlan("1"), None)
    await case.settled("ACCEPTED")


async def _accepted(member: Member, namespace: str) -> None:
    async with asyncio.timeout(20):
        while True:
            found = present(member.kube.get("gateway.networking.k8s.io/v1", "Gateway", namespace, "models"))
            told = {each["type"]: each["status"] for each in found.get("status", {}).get("conditions", [])}
            if told.get("Accepted") == "True":
                return
            await asyncio.sleep(0.2)
