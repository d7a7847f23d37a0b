"""What agentgateway exports, line for line as its source names them, and which of it counts for a rollout.

The labels are those of HTTPLabels in agentgateway 1.5 (crates/agentgateway/src/telemetry/metrics.rs), not yet seen
behind its controller.
"""

from __future__ import annotations

import re

import pytest

from modelrollout.api.config import PrometheusServer
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.series_reader import NO_ERROR, REFUSED, SeriesReader
from modelrollout.dialects.agentgateway import AGENTGATEWAY
from tests.unit.analysis.recorded import request_of, spec_of

OURS = {
    "backend": "digits-v2.vision.svc.cluster.local:8000",
    "protocol": "http",
    "method": "POST",
    "status": "200",
    "reason": "Upstream",
    "bind": "80/infra/inference",
    "gateway": "infra/inference",
    "listener": "web",
    "route": "vision/digits",
    "route_rule": "split",
}


def exposed(metric: str, **changes: str) -> str:
    labels = ",".join(f'{name}="{value}"' for name, value in {**OURS, **changes}.items() if value)
    return f"{metric}{{{labels}}} 7"


def found(line: str) -> tuple[str, str, str] | None:
    """(role, arm, detail) of a line that the query selects and the reader knows; None for all others."""
    request = request_of(spec_of(), dialect=AGENTGATEWAY)
    query = s.gateway_selection(request, PrometheusServer(url="http://p"), (s.GATEWAY_DURATION,))
    assert query is not None
    name, _, rest = line.partition("{")
    labels = {"__name__": name, **dict(re.findall(r'(\w+)="([^"]*)"', rest))}
    for label, operator, value in re.findall(r'(\w+)(=~|!=|=)"([^"]*)"', query.text):
        has = labels.get(label, "")  # as Prometheus does: a label that is absent is empty
        wanted = value.replace("\\\\", "\\")
        if (re.fullmatch(wanted, has) is None) if operator == "=~" else (has == wanted) == (operator == "!="):
            return None
    channel = SeriesReader(request).channel(labels)
    return None if channel is None else (channel.metric, channel.arm, channel.detail)


@pytest.mark.parametrize(
    ("sentence", "line", "expected"),
    [
        (
            "the candidate's answers",
            exposed("agentgateway_requests_total"),
            (s.GATEWAY_REQUESTS, "candidate", NO_ERROR),
        ),
        (
            "stable's errors",
            exposed("agentgateway_requests_total", backend="digits-v1.vision.svc.cluster.local:8000", status="503"),
            (s.GATEWAY_REQUESTS, "stable", "503"),
        ),
        (
            "a request that took too long",
            exposed("agentgateway_requests_total", status="504", reason="Timeout"),
            (s.GATEWAY_REQUESTS, "candidate", "504"),
        ),
        (
            "a refusal",
            exposed("agentgateway_requests_total", status="404"),
            (s.GATEWAY_REQUESTS, "candidate", REFUSED + "404"),
        ),
        (
            "how long answers took",
            exposed("agentgateway_request_duration_seconds_bucket", le="0.25"),
            (s.GATEWAY_DURATION, "candidate", "0.25"),
        ),
        (
            "a route whose rules have no names, or a release without that label",
            exposed("agentgateway_requests_total", route_rule=""),
            (s.GATEWAY_REQUESTS, "candidate", NO_ERROR),
        ),
        ("the proxy's build", 'agentgateway_build_info{tag="1.5.0"} 1', (s.GATEWAY_HEARTBEAT, "both", "")),
        ("the testers' rule", exposed("agentgateway_requests_total", route_rule="testers"), None),
        ("another route to the same Service", exposed("agentgateway_requests_total", route="vision/digits-eu"), None),
        ("a route of another namespace", exposed("agentgateway_requests_total", route="other/digits"), None),
        ("another Gateway", exposed("agentgateway_requests_total", gateway="infra/inference-b"), None),
        (
            "another port of the Service",
            exposed("agentgateway_requests_total", backend="digits-v2.vision.svc.cluster.local:8001"),
            None,
        ),
        ("no backend at all", exposed("agentgateway_requests_total", backend="unknown", status="500"), None),
        ("bytes", exposed("agentgateway_response_bytes_total"), None),
    ],
)
def test_a_line_counts_as(sentence, line, expected):
    assert found(line) == expected, sentence
