"""Istio: the Gateway's proxy counts every request by the Service it went to, in milliseconds.

A request is reported twice, by the proxy that sent it and by the one beside the server: the sender counts here, and of
the senders those in the Gateway's namespace, where Istio puts the Gateway's own (a waypoint too). Routes are not told
apart: what another route of the same Gateway sends to a version's Service counts as the version's traffic.
destination_service_name is no use: it changes when no address answers.
"""

from __future__ import annotations

from modelrollout.dialects.dialect import Dialect, GatewayMetrics
from modelrollout.dialects.statuses import ERRORS, REFUSALS

ISTIO: Dialect = GatewayMetrics(
    name="Istio",
    controllers=("istio.io/gateway-controller",),
    requests="istio_requests_total",
    durations="istio_request_duration_milliseconds_bucket",
    seconds=0.001,
    label="destination_service",
    backend=r"{service}\.{namespace}\.svc\.[a-z0-9.-]+",
    status="response_code",
    grpc_status="grpc_response_status",
    errors=ERRORS,
    refusals=REFUSALS,
    matchers=('reporter=~"source|waypoint"', 'source_workload_namespace=~"{gatewayNamespace}"'),
)
