"""Copies of requests are one filter of the split's rule: written, read back, and taken off by every lowering."""

from __future__ import annotations

from typing import Any

from modelrollout.adapters.kubernetes.gateway_facts import KubernetesGatewayFacts
from modelrollout.adapters.routers.forms.httproute import route_spec
from modelrollout.adapters.routers.forms.marks import annotations_for
from modelrollout.adapters.routers.forms.structure import structure
from modelrollout.adapters.routers.lowering import lowering
from modelrollout.adapters.routers.reading import read
from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.api.config.operator_config import COPIES as COPY_FEATURES
from modelrollout.core.observation import RoutePlan
from tests.unit.borders.cluster import changed
from tests.unit.routers.routes import SPEC, route

COPIES = RoutePlan("1", "2", 0, mirror=10)


def patched(found: dict[str, Any], patch: list[dict[str, Any]]) -> dict[str, Any]:
    for operation in patch:
        found = changed(found, [k.replace("~1", "/") for k in operation["path"].split("/")[1:]], operation)
    return found


def test_the_rule_copies_to_the_candidate_that_has_no_weight():
    rule = route_spec("ns", SPEC, COPIES)["rules"][0]
    ref = {"group": "", "kind": "Service", "name": "digits-v2", "port": 8000}
    assert rule["filters"] == [{"type": "RequestMirror", "requestMirror": {"backendRef": ref, "percent": 10}}]
    assert [(each["name"], each["weight"]) for each in rule["backendRefs"]] == [("digits-v1", 100), ("digits-v2", 0)]
    every = route_spec("ns", SPEC, RoutePlan("1", "2", 0, mirror=100))["rules"][0]
    assert every["filters"] == [{"type": "RequestMirror", "requestMirror": {"backendRef": ref}}]


def test_what_is_written_is_what_is_read_and_is_part_of_the_structure():
    for percent in (1, 10, 100):
        assert read(route(RoutePlan("1", "2", 0, mirror=percent))).mirror == percent
    assert read(route(RoutePlan("1", "2", 5))).mirror == 0
    notes = annotations_for("ns", "digits", SPEC, COPIES)
    digest = structure("ns", notes, route_spec("ns", SPEC, COPIES))
    assert read(route(COPIES)).structure == digest
    assert read(route(RoutePlan("1", "2", 0))).structure != digest


def test_a_lowering_takes_the_copies_off_and_leaves_other_filters():
    found = route(COPIES)
    header = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x"]}}
    elsewhere = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "audit", "port": 80}}}
    rule = found["spec"]["rules"][0]
    rule["filters"] = [*rule["filters"], header, *rule["filters"], elsewhere]
    patch = lowering(found, read(found), RoutePlan("1", "2", 0), "")
    assert patched(found, patch)["spec"]["rules"][0]["filters"] == [header, elsewhere]
    assert any(each["op"] == "test" and each["path"].endswith("/requestMirror/backendRef/name") for each in patch)


def test_a_lowering_that_allows_the_copies_leaves_them():
    found = route(COPIES)
    assert lowering(found, read(found), COPIES, "") == []


def test_filters_that_are_no_filters_are_no_copies():
    each: tuple[Any, ...] = (
        "x",
        [1, None, {"type": "RequestMirror"}],
        [{"requestMirror": []}],
        {"type": "RequestMirror"},
    )
    for broken in each:
        found = route(COPIES)
        found["spec"]["rules"][0]["filters"] = broken
        assert read(found).mirror == 0
        assert lowering(found, read(found), RoutePlan("1", "2", 0), "") == []


class Classes:
    """An API server with a Gateway and its class."""

    def __init__(self, listed: Any) -> None:
        self.listed = listed

    async def get(self, path: str) -> dict[str, Any]:
        if "/gateways/" in path:
            return {"spec": {"gatewayClassName": "one"}}
        return {"spec": {"controllerName": "example.com/gateway"}, "status": {"supportedFeatures": self.listed}}


async def test_features_are_read_in_both_spellings_and_from_nothing():
    both = [{"name": "HTTPRouteRequestMirror"}, "HTTPRouteRequestPercentageMirror", 7, {"name": 3}]
    for listed, names in ((both, COPY_FEATURES), (None, frozenset[str]())):
        facts = KubernetesGatewayFacts(Classes(listed))  # type: ignore[arg-type] # as much of an Api as it needs
        assert await facts.features_of("ns", SPEC) == names


def test_a_class_that_lists_nothing_may_be_granted_copies_and_one_that_lists_something_is_believed():
    servers = [PrometheusServer(url="http://prometheus.test")]
    config = OperatorConfig(prometheus=servers, mirrors=["example.com/one"])
    assert config.features_of("example.com/one", frozenset()) == COPY_FEATURES
    assert config.features_of("example.com/one", frozenset({"HTTPRoute"})) == frozenset({"HTTPRoute"})
    assert config.features_of("example.com/one", None) is None
    assert config.features_of("example.com/other", frozenset()) == frozenset()
    usual = OperatorConfig(prometheus=servers)
    assert usual.features_of("gateway.envoyproxy.io/gatewayclass-controller", frozenset()) == COPY_FEATURES
    assert usual.features_of("traefik.io/gateway-controller", frozenset()) == frozenset()
