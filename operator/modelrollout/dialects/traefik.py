"""Traefik 3: one service for every backend of a rule, named after route, Gateway, entry point and rule.

It writes every run of characters that are no letters or digits as one dash, in names of routes, Gateways and entry
points; an entry point may be called anything. A looser pattern would also match a route called ROUTE-eu, and the
testers' rule (1); ours splits in rule 0.

Its `code` is HTTP's status, and gRPC's (0 to 16) for calls of gRPC. Errors are 5xx and what gRPC calls UNKNOWN (2),
DEADLINE_EXCEEDED (4), UNIMPLEMENTED (12), INTERNAL (13), UNAVAILABLE (14) and DATA_LOSS (15). Refusals are 4xx and the
other codes of gRPC, except a client that went away: 499, and CANCELLED (1).
"""

from __future__ import annotations

from modelrollout.dialects.dialect import Dialect, GatewayMetrics

_RULE = "httproute-{namespace}-{route}-gw-{gatewayNamespace}-{gateway}-ep-[^@]+-0-[0-9a-f]{20}"

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
    errors="5[0-9]{2}|2|4|1[2-5]",
    joint="-",
    lookalike="[0-9a-f]{20}(?=-svc-)|[0-9]+(?=@)",
    refusals="4[0-8][0-9]|49[0-8]|3|[5-9]|10|11|16",
)
