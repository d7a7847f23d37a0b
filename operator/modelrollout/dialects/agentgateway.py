"""agentgateway: every request is counted by the Service it went to, the route and the Gateway, in seconds.

A backend is HOSTNAME:PORT of its Service, whatever the route; route and Gateway are labels of their own, and the rule's
name where the route gives it one: the testers' rule does not count. `status` is HTTP's, for calls of gRPC too, so an
error that gRPC alone tells is none here: where calls of gRPC are split, gates rather read other counters. The series of
the build has none of these labels, so what a matcher asks for may be absent: it shows that the proxy is scraped.
"""

from __future__ import annotations

from modelrollout.dialects.dialect import Dialect, GatewayMetrics
from modelrollout.dialects.statuses import HTTP_ERRORS, HTTP_REFUSALS

AGENTGATEWAY: Dialect = GatewayMetrics(
    name="Agentgateway",
    controllers=("agentgateway.dev/agentgateway", "kgateway.dev/agentgateway"),
    requests="agentgateway_requests_total",
    durations="agentgateway_request_duration_seconds_bucket",
    label="backend",
    backend=r"{service}\.{namespace}\.svc\.[a-z0-9.-]+:{port}",
    heartbeat="agentgateway_build_info",
    status="status",
    errors=HTTP_ERRORS,
    refusals=HTTP_REFUSALS,
    grpc_errors=False,
    matchers=(
        'route=~"{namespace}/{route}|"',
        'gateway=~"{gatewayNamespace}/{gateway}|"',
        'route_rule!="testers"',
    ),
)
