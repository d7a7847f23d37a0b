"""Traefik 3: one service for every backend of a rule, named after route, Gateway, entry point and rule.

It writes every run of characters that are no letters or digits as one dash, in names of routes, Gateways and entry
points; an entry point may be called anything. A looser pattern would also match a route called ROUTE-eu, and the
testers' rule (1); ours splits in rule 0. Its `code` is HTTP's status, and gRPC's for calls of gRPC.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from modelrollout.dialects.dialect import Dialect, GatewayMetrics
from modelrollout.dialects.statuses import ERRORS, REFUSALS

_REST = "-gw-{gatewayNamespace}-{gateway}-ep-[^@]+-{rule}-[0-9a-f]{20}"
_RULE = "httproute-{namespace}-{route}" + _REST
_GRPC_RULE = "(?:grpcroute-{namespace}-{route}|httproute-{namespace}-{standIn})" + _REST
_GRPC_ERRORS = "4|1[2-5]"
"""Without UNKNOWN (2): so Traefik counts each call whose status comes in the trailer, as that of an answer does."""


def _hash(hosts: Sequence[str], path: str) -> str:
    """Ten bytes of the SHA-256 of Traefik's own rule for an HTTPRoute's match, as it has written them since 3.1."""
    if any(host.startswith("*") for host in hosts):
        return ""
    named = " || ".join(f"Host(`{host}`)" for host in hosts)
    rule = f"({named}) && Path(`{path}`)" if len(hosts) > 1 else f"{named} && Path(`{path}`)"
    return hashlib.sha256(rule.encode()).hexdigest()[:20]


def _traefik(rule: str, errors: str, grpc: Dialect | None = None) -> GatewayMetrics:
    return GatewayMetrics(
        name="Traefik",
        controllers=("traefik.io/gateway-controller",),
        requests="traefik_service_requests_total",
        durations="traefik_service_request_duration_seconds_bucket",
        label="service",
        backend=rule + "-svc-{namespace}-{service}-[0-9]+@kubernetesgateway",
        rule=rule + "-wrr@kubernetesgateway",
        router="traefik_router_requests_total",
        heartbeat="traefik_config_reloads_total",
        status="code",
        errors=errors,
        joint="-",
        lookalike="[0-9a-f]{20}(?=-svc-)|[0-9]+(?=@)",
        refusals=REFUSALS,
        grpc=grpc,
        key=_hash,
    )


TRAEFIK: Dialect = _traefik(_RULE, ERRORS, _traefik(_GRPC_RULE, _GRPC_ERRORS))
