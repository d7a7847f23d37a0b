"""How each gateway counts calls of gRPC, alone and beside HTTP: under which names, for which version, and as what."""

from __future__ import annotations

import re
from typing import Any

import pytest

from modelrollout.api.config import PrometheusServer
from modelrollout.api.traffic.protocols import h2c_route_name
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.series_reader import NO_ERROR, REFUSED, SeriesReader
from modelrollout.core.evaluation import EvaluationRequest
from modelrollout.dialects.dialect import Dialect
from modelrollout.dialects.envoy import CILIUM, ENVOY_GATEWAY, KGATEWAY
from modelrollout.dialects.istio import ISTIO
from modelrollout.dialects.traefik import TRAEFIK
from tests.unit.analysis.recorded import request_of, spec_of

H2C = h2c_route_name("vision", "digits")
HASH = "0123456789abcdef0123"
ERRORS, REFUSALS = ("4", "12", "13", "14", "15"), ("3", "5", "6", "7", "8", "9", "10", "11", "16")


def asked(dialect: Dialect, *protocols: str) -> EvaluationRequest:
    spec = spec_of({"name": "errors", "type": "ErrorRate"})
    grpc = {"hostnames": ["grpc.a.b"]} if len(protocols) > 1 else None
    traffic = spec.traffic.model_validate(
        {"gateway": spec.traffic.gateway.model_dump(), "protocols": list(protocols)} | ({"grpc": grpc} if grpc else {})
    )
    return request_of(spec.model_copy(update={"traffic": traffic}), dialect=dialect)


def traefik(kind: str, route: str, service: str, code: str) -> dict[str, str]:
    label = f"{kind}-vision-{route}-gw-infra-inference-ep-web-0-{HASH}-svc-vision-{service}-1@kubernetesgateway"
    return {"__name__": "traefik_service_requests_total", "service": label, "code": code}


def envoy(cluster: str, code: str, method: str = "ModelInfer_") -> dict[str, str]:
    return {"__name__": f"envoy_cluster_grpc_{method}{code}", "envoy_cluster_name": cluster}


def istio(service: str, code: str) -> dict[str, str]:
    host = f"{service}.vision.svc.cluster.local"
    labels = {"destination_service": host, "response_code": "200", "grpc_response_status": code}
    return {"__name__": "istio_requests_total", **labels}


EXAMPLES: dict[str, tuple[Dialect, Any, tuple[str, ...]]] = {
    "Traefik, GRPCRoute": (
        TRAEFIK,
        lambda service, code: traefik("grpcroute", "digits", service, code),
        ("0", "1", "2"),
    ),
    "Traefik, h2c": (TRAEFIK, lambda service, code: traefik("httproute", H2C, service, code), ("0", "1", "2")),
    "Envoy Gateway, GRPCRoute": (
        ENVOY_GATEWAY,
        lambda service, code: envoy(f"grpcroute/vision/digits/rule/0/backend/{int(service[-1]) - 1}", code),
        ("0", "1"),
    ),
    "Envoy Gateway, h2c": (
        ENVOY_GATEWAY,
        lambda service, code: envoy(f"httproute/vision/{H2C}/rule/0/backend/{int(service[-1]) - 1}", code),
        ("0", "1"),
    ),
    "Cilium": (
        CILIUM,
        lambda service, code: envoy(f"infra/cilium-gateway-inference/vision_{service}_8001", code, ""),
        ("0", "1"),
    ),
    "kgateway": (
        KGATEWAY,
        lambda service, code: envoy(f"kube_vision_{service}_8001", code, "ModelStreamInfer_"),
        ("0", "1"),
    ),
    "Istio": (ISTIO, istio, ("0", "1")),
}


@pytest.mark.parametrize("protocols", [("GRPC",), ("HTTP", "GRPC")], ids=["alone", "beside HTTP"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_code_counts_for_its_version_as_it_is_written_down(name: str, protocols: tuple[str, ...]):
    dialect, example, answers = EXAMPLES[name]
    reader = SeriesReader(asked(dialect, *protocols))
    known = (
        dict.fromkeys(answers, NO_ERROR) | {code: code for code in ERRORS} | {code: REFUSED + code for code in REFUSALS}
    )
    if "2" not in answers:
        known["2"] = "2"
    assert len(known) == 17
    for service, arm in (("digits-v1", "stable"), ("digits-v2", "candidate")):
        for code, detail in known.items():
            found = reader.channel(example(service, code))
            assert found is not None, code
            assert (found.metric, found.arm, found.detail) == (s.GATEWAY_REQUESTS, arm, detail), code


@pytest.mark.parametrize("name", EXAMPLES)
def test_one_query_asks_for_both_protocols(name: str):
    dialect, example, _ = EXAMPLES[name]
    found = s.gateway_selection(asked(dialect, "HTTP", "GRPC"), PrometheusServer(url="http://p"), ())
    assert found is not None
    names, pattern = (re.search(rf'{label}=~"([^"]*)"', found.text) for label in ("__name__", dialect.label))
    assert names is not None
    assert pattern is not None
    labels = example("digits-v2", "14")
    assert {labels["__name__"], dialect.requests} <= set(names.group(1).split("|"))
    assert re.fullmatch(pattern.group(1).replace("\\\\", "\\"), labels[dialect.label])


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "Istio"])
def test_with_http_alone_no_call_of_grpc_is_counted(name: str):
    dialect, example, _ = EXAMPLES[name]
    found = SeriesReader(asked(dialect, "HTTP")).channel(example("digits-v2", "0"))
    assert found is None


def test_an_unknown_of_http_stays_an_error_where_it_is_one_for_http():
    reader = SeriesReader(asked(TRAEFIK, "HTTP", "GRPC"))
    counted = [reader.channel(traefik("httproute", "digits", "digits-v2", code)) for code in ("2", "503", "200")]
    assert [one.detail for one in counted if one] == ["2", "503", NO_ERROR]


def test_what_a_whole_rule_answers_is_read_by_its_own_protocol():
    reader = SeriesReader(asked(TRAEFIK, "HTTP", "GRPC"))
    details = []
    for kind in ("httproute", "grpcroute"):
        label = f"{kind}-vision-digits-gw-infra-inference-ep-web-0-{HASH}-wrr@kubernetesgateway"
        found = reader.channel({"__name__": "traefik_router_requests_total", "service": label, "code": "2"})
        assert found is not None
        details.append((found.metric, found.detail))
    assert details == [(s.GATEWAY_ROUTER, "2"), (s.GATEWAY_ROUTER, NO_ERROR)]


def test_a_route_of_another_resource_that_is_called_like_ours_is_not_ours():
    reader = SeriesReader(asked(ENVOY_GATEWAY, "HTTP", "GRPC"))
    assert reader.channel(envoy("httproute/vision/digits-grpc/rule/0/backend/1", "0")) is None
    assert reader.channel(envoy("grpcroute/vision/digits/rule/1/backend/0", "0")) is None
