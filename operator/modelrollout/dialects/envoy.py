"""Gateways whose proxy is a plain Envoy: the same series everywhere, and a cluster's name as the controller makes it.

Envoy writes `le` in milliseconds. A cluster that had no request has no series; `envoy_server_live` shows that the proxy
is scraped. Only HTTP's status is in `envoy_cluster_upstream_rq`, which is 200 for an error of gRPC too: calls of gRPC
have a counter for each method and status, with both in its name. A `:` in a cluster's name is written as `_`, and a dot
ends the label: what follows goes into the metric's own name.
"""

from __future__ import annotations

from dataclasses import replace

from modelrollout.dialects.dialect import Dialect, GatewayMetrics
from modelrollout.dialects.statuses import ERRORS, HTTP_ERRORS, HTTP_REFUSALS, REFUSALS

_METHODS = ("ModelInfer", "ModelStreamInfer")
"""Of these calls Envoy keeps a counter for each status; those that ask for readiness or metadata are no inference."""
_GRPC_COUNTERS = tuple((f"envoy_cluster_grpc_{method}_{code}", str(code)) for method in _METHODS for code in range(17))


def _envoy(
    name: str, controller: str, backend: str, grpc_backend: str | None = None, *, version_header: bool = False
) -> Dialect:
    plain = GatewayMetrics(
        name=name,
        controllers=(controller,),
        requests="envoy_cluster_upstream_rq",
        durations="envoy_cluster_upstream_rq_time_bucket",
        seconds=0.001,
        label="envoy_cluster_name",
        backend=backend,
        heartbeat="envoy_server_live",
        status="envoy_response_code",
        errors=HTTP_ERRORS,
        refusals=HTTP_REFUSALS,
        version_header=version_header,
        ends_at=".",
    )
    calls = replace(
        plain,
        requests=f"envoy_cluster_grpc_{_METHODS[0]}_0",
        backend=grpc_backend or backend,
        errors=ERRORS,
        refusals=REFUSALS,
        named=_GRPC_COUNTERS,
    )
    return replace(plain, grpc=calls)


ENVOY_GATEWAY = _envoy(
    "EnvoyGateway",
    "gateway.envoyproxy.io/gatewayclass-controller",
    "httproute/{namespace}/{route}/rule/{rule}/backend/{index}",
    "(?:grpcroute/{namespace}/{route}|httproute/{namespace}/{standIn})/rule/0/backend/{index}",
    version_header=True,
)
"""One cluster for a whole rule, unless a backend carries a filter: then one for each, by its place in the rule."""

CILIUM = _envoy(
    "Cilium",
    "io.cilium/gateway-controller",
    "{gatewayNamespace}/cilium-gateway-{gateway}/{namespace}_{service}_{port}",
)
"""One cluster for a Service behind a Gateway, whatever the route. Cilium itself names it with colons."""

KGATEWAY = _envoy("Kgateway", "kgateway.dev/kgateway", "kube_{namespace}_{service}_{port}")
"""One cluster for a Service, whatever Gateway and route."""
