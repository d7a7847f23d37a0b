"""A Gateway or route with the longest name that Kubernetes allows is counted under what the controller makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.dialects import registry
from modelrollout.dialects.dialect import Dialect
from modelrollout.dialects.envoy import CILIUM
from tests.unit.analysis.recorded import request_of, spec_of

SERVICE = "v" * 61 + "{version}"
"""62 characters with a version of one."""


@pytest.mark.parametrize(
    ("gateway", "written"),
    [
        ("g" * 48, "g" * 48),
        ("g" * 49, "g" * 37 + "-fkdb4gggbk"),
        (
            "inference-of-the-whole-company-in-all-its-regions-and-zones",
            "inference-of-the-whole-company-in-all-6fg55bgg5f",
        ),
        ("ab1-" * 15 + "x", "ab1-" * 9 + "a-66gbfkbd2g"),
    ],
)
def test_cilium_shortens_a_gateways_name_as_its_own_code_does(gateway: str, written: str) -> None:
    assert CILIUM.written(gateway) == written
    assert candidates(CILIUM, {"gateway": gateway}) == [f"infra/cilium-gateway-{written}/vision_digits-v2_8000"]
    other = gateway[:-1] + "y"
    assert candidates(CILIUM, {"gateway": other}, of=gateway) == [], "a Gateway that begins alike"


@pytest.mark.parametrize("dialect", registry.DIALECTS, ids=lambda one: one.name)
def test_names_as_long_as_kubernetes_allows_are_counted(dialect: Dialect) -> None:
    longest = {"gateway": "g" * 63, "gateway_namespace": "n" * 63, "route": "r" * 253, "service": SERVICE}
    assert len(candidates(dialect, longest)) == 1


def candidates(dialect: Dialect, names: dict[str, str], of: str | None = None) -> list[str]:
    """The labels of a candidate's backend, as the gateway called `of` writes them, that the reader knows."""
    spec = spec_of()
    gateway = spec.traffic.gateway
    changed = {"name": names.get("gateway", gateway.name), "namespace": names.get("gateway_namespace", "infra")}
    serving = spec.serving.model_copy(update={"service": names.get("service", spec.serving.service)})
    traffic = spec.traffic.model_copy(update={"gateway": gateway.model_copy(update=changed)})
    changes: dict[str, Any] = {"name": names.get("route", "digits")}
    request = request_of(spec.model_copy(update={"traffic": traffic, "serving": serving}), dialect=dialect, **changes)
    there = dialect.written(of or changed["name"])
    service, route, space = serving.service_of("2"), changes["name"], changed["namespace"]
    rule = f"httproute-vision-{route}-gw-{space}-{there}-ep-web-0-{'0' * 20}"
    label = {
        "Traefik": f"{rule}-svc-vision-{service}-1@kubernetesgateway",
        "Istio": f"{service}.vision.svc.cluster.local",
        "EnvoyGateway": f"httproute/vision/{route}/rule/0/backend/1",
        "Cilium": f"{space}/cilium-gateway-{there}/vision_{service}_8000",
        "Kgateway": f"kube_vision_{service}_8000",
        "Agentgateway": f"{service}.vision.svc.cluster.local:8000",
    }[dialect.name]
    labels = {"__name__": dialect.requests, dialect.label: label, dialect.status: "200"}
    found = SeriesReader(request).channel(labels)
    return [label] if found is not None and found.arm == "candidate" else []
