"""Errors of gRPC that a gateway counts as answers pass no gate: another source that tells them comes first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.dialects import registry
from modelrollout.dialects.dialect import Dialect
from tests.expect import present
from tests.unit.analysis.gates.sources.test_what_nobody_exports import triton
from tests.unit.analysis.recorded import START, Recording, look, request_of, scrapes, spec_of

BACKENDS = {
    "Agentgateway": "digits-v{}.vision.svc.cluster.local:{}",
    "Kgateway": "kube_vision_digits-v{}_{}",
}
LAST = 240.0
"""Seconds of the rollout."""


def gateway(dialect: Dialect, port: int) -> Recording:
    """HTTP 200 for every call to either version."""
    found = Recording(scrapes(LAST), "gateway").growing(present(dialect.heartbeat), 0)
    for version, since in (("1", -np.inf), ("2", START)):
        labels = {dialect.label: BACKENDS[dialect.name].format(version, port), dialect.status: "200"}
        found.growing(dialect.requests, 20, since=since, **labels)
    return found


def failing() -> Recording:
    """Triton's own count: half of what the candidate is asked fails."""
    found = triton(LAST)
    found.growing(s.FAILURE, 10, since=START, model="digits", version="2", reason="OTHER")
    return found


async def judged(dialect: Dialect, *gates: dict[str, Any], protocol: str = "GRPC", told: bool = True) -> Any:
    spec = spec_of(*gates)
    spec = spec.model_copy(update={"traffic": spec.traffic.model_copy(update={"protocols": [protocol]})})
    request = request_of(spec, dialect=dialect, controller=dialect.controllers[0])
    port = 8001 if protocol == "GRPC" else 8000
    return await look(request, LAST, gateway(dialect, port), *([failing()] if told else []))


@pytest.mark.parametrize("name", BACKENDS)
async def test_a_candidate_that_fails_in_grpc_alone_is_not_passed(name: str) -> None:
    found = await judged(present(registry.dialect_called(name)))
    errors = found.gates[0]
    assert (errors.name, errors.source, errors.verdict) == ("errors", "Triton", "FAIL")
    assert not [text for text in found.warnings if "gRPC" in text]


async def test_with_http_alone_the_gateway_comes_first() -> None:
    found = await judged(present(registry.dialect_called("Agentgateway")), protocol="HTTP")
    assert (found.gates[0].source, found.gates[0].verdict) == ("Gateway", "CONTINUE")


@pytest.mark.parametrize("told", [True, False], ids=["asked for", "nobody else counts"])
async def test_whoever_reads_it_all_the_same_is_told(told: bool) -> None:
    gates = ({"name": "errors", "type": "ErrorRate", "source": "Gateway"},) if told else ()
    found = await judged(present(registry.dialect_called("Agentgateway")), *gates, told=told)
    assert found.gates[0].source == "Gateway"
    (said,) = (text for text in found.warnings if "gRPC" in text)
    assert said == (
        "errors: Agentgateway counts calls of gRPC by HTTP's status, so an error that gRPC alone tells counts as an "
        "answer: let the gate read source: Triton or Model"
    )


@pytest.mark.parametrize("counted", [False, True])
async def test_calls_that_are_timed_and_not_counted_are_named(counted: bool) -> None:
    """As kgateway does by itself, and Envoy Gateway behind an HTTPRoute."""
    dialect = present(registry.dialect_called("Kgateway"))
    found = gateway(dialect, 8000)
    for version, since in (("1", -np.inf), ("2", START)):
        backend = {dialect.label: BACKENDS[dialect.name].format(version, 8001)}
        for edge in ("10", "+Inf"):
            found.growing(present(dialect.durations), 20, since=since, le=edge, **backend)
        if counted:
            found.growing("envoy_cluster_grpc_ModelInfer_0", 20, since=since, **backend)
    spec = spec_of()
    traffic = spec.traffic.model_copy(update={"protocols": ["HTTP", "GRPC"]})
    request = request_of(spec.model_copy(update={"traffic": traffic}), dialect=dialect)
    said = [text for text in (await look(request, LAST, found)).warnings if "gRPC" in text]
    assert [text.startswith("Kgateway times calls of gRPC and keeps no count") for text in said] == [True][counted:]
