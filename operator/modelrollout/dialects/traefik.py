"""Traefik 3: one service for every backend of a rule, named after route, Gateway, entry point and rule.

It writes every run of characters that are no letters or digits as one dash, in names of routes, Gateways and entry
points; an entry point may be called anything. A looser pattern would also match a route called ROUTE-eu, and the
testers' rule (1); ours splits in rule 0. Its `code` is HTTP's status, and gRPC's for calls of gRPC.
"""

from __future__ import annotations

from modelrollout.dialects.dialect import Dialect, GatewayMetrics
from modelrollout.dialects.statuses import ERRORS, REFUSALS

_RULE = "httproute-{namespace}-{route}-gw-{gatewayNamespace}-{gateway}-ep-[^@]+-{rule}-[0-9a-f]{20}"

TRAEFIK: Dialect = GatewayMetrics(
    name="Traefik",
    controllers=("traefik.io/gateway-controller",),
    requests="traefik_service_requests_total",
    durations="traefik_service_request_duration_seconds_bucket",
    label="service",
    backend=_RULE + "-svc-{namespace}-{service}-[0-9]+@kubernetesgateway",
    rule=_RULE + "-wrr@kubernetesgateway",
    router="traefik_router_requests_total",
    heartbeat="traefik_config_reloads_total",
    status="code",
    errors=ERRORS,
    joint="-",
    lookalike="[0-9a-f]{20}(?=-svc-)|[0-9]+(?=@)",
    refusals=REFUSALS,
)
