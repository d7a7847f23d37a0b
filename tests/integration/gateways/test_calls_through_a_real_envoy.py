"""Calls of gRPC as each gateway that is an Envoy counts them: by method where its controller asks for that."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.series_reader import NO_ERROR, REFUSED, SeriesReader
from modelrollout.dialects import registry
from tests.integration.gateways.calling_envoy import FILTERS, CallingEnvoy
from tests.unit.analysis.recorded import request_of, spec_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.lab
CLUSTERS = {
    "Cilium": "infra/cilium-gateway-inference/vision:digits-v2:8001",
    "EnvoyGateway": "grpcroute/vision/digits/rule/0/backend/1",
    "Kgateway": "kube_vision_digits-v2_8001",
}
READY = 4


def counted(dialect: str, text: str) -> Counter[tuple[str, str, str]]:
    """Calls by (role, arm, detail), as the analysis reads them in a page of Envoy's."""
    spec = spec_of({"name": "errors", "type": "ErrorRate"})
    traffic = spec.traffic.model_copy(update={"protocols": ["GRPC"]})
    spec = spec.model_copy(update={"traffic": traffic})
    reader = SeriesReader(request_of(spec, dialect=registry.dialect_called(dialect)))
    found = Counter[tuple[str, str, str]]()
    for name, inside, value in re.findall(r"^([a-zA-Z_:][\w:]*)\{(.*)\} (\S+)$", text, re.MULTILINE):
        channel = reader.channel({"__name__": name, **dict(re.findall(r'(\w+)="([^"]*)"', inside))})
        if channel is not None and channel.metric == s.GATEWAY_REQUESTS:
            found[channel.metric, channel.arm, channel.detail] += int(float(value))
    return found


@pytest.mark.parametrize("dialect", FILTERS)
def test_calls_count_as_their_status_says(dialect: str, tmp_path: Path) -> None:
    with CallingEnvoy(tmp_path, CLUSTERS[dialect], FILTERS[dialect]) as gateway:
        for method, status, number in (
            ("ModelInfer", 0, 5),
            ("ModelInfer", 14, 3),
            ("ModelInfer", 3, 2),
            ("ModelStreamInfer", 13, 1),
            ("ModelReady", 0, READY),
        ):
            for _ in range(number):
                gateway.call(method, status)
        found = counted(dialect, gateway.metrics())
    answers = 5 + (READY if dialect == "Cilium" else 0)  # Cilium's counters do not tell methods apart
    expected = {NO_ERROR: answers, "14": 3, f"{REFUSED}3": 2, "13": 1}
    assert found == {(s.GATEWAY_REQUESTS, "candidate", detail): number for detail, number in expected.items()}
