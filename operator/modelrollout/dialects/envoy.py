"""Gateways whose proxy is a plain Envoy: the same series everywhere, and a cluster's name as the controller makes it.

Envoy writes `le` in milliseconds. A cluster that had no request has no series; `envoy_server_live` shows that the proxy
is scraped. Only HTTP's status is in `envoy_cluster_upstream_rq`. A `:` in a cluster's name is written as `_`, and a dot
ends the label: what follows goes into the metric's own name.
"""

from __future__ import annotations

from modelrollout.dialects.dialect import Dialect, GatewayMetrics
from modelrollout.dialects.statuses import HTTP_ERRORS, HTTP_REFUSALS


def _envoy(name: str, controller: str, backend: str, *, version_header: bool = False) -> Dialect:
    return GatewayMetrics(
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


ENVOY_GATEWAY = _envoy(
    "EnvoyGateway",
    "gateway.envoyproxy.io/gatewayclass-controller",
    "httproute/{namespace}/{route}/rule/{rule}/backend/{index}",
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
