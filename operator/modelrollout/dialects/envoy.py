"""Gateways whose proxy is a plain Envoy: the same series everywhere, and a cluster's name as the controller makes it.

Envoy writes `le` in milliseconds. A cluster that had no request has no series; `envoy_server_live` shows that the proxy
is scraped. Only HTTP's status is in `envoy_cluster_upstream_rq`, which is 200 for an error of gRPC too: calls of gRPC
have counters of Envoy's filter grpc_stats, with the status in their names, and the method too where the controller asks
for it. Envoy Gateway asks for all methods, kgateway for what its ListenerPolicy says, Cilium for none. A `:` in a
cluster's name is written as `_`, and a dot ends the label: what follows goes into the metric's own name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from modelrollout.dialects.dialect import Dialect, GatewayMetrics
from modelrollout.dialects.statuses import ERRORS, HTTP_ERRORS, HTTP_REFUSALS, REFUSALS

_METHODS = ("ModelInfer", "ModelStreamInfer")
"""Of these calls Envoy keeps a counter for each status; those that ask for readiness or metadata are no inference."""
_BY_METHOD = tuple((f"envoy_cluster_grpc_{method}_{code}", str(code)) for method in _METHODS for code in range(17))
_OF_ALL_METHODS = tuple((f"envoy_cluster_grpc_{code}", str(code)) for code in range(17))
"""Where Envoy is not told to keep methods apart: calls that ask for readiness or metadata are counted in."""


def _envoy(
    name: str,
    controller: str,
    backend: str,
    grpc_backend: str | None = None,
    *,
    version_header: bool = False,
    calls: tuple[tuple[str, str], ...] = _BY_METHOD,
    shortened: Callable[[str], str] | None = None,
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
        shortened=shortened,
    )
    grpc = replace(
        plain,
        requests=calls[0][0],
        backend=grpc_backend or backend,
        errors=ERRORS,
        refusals=REFUSALS,
        named=calls,
    )
    return replace(plain, grpc=grpc)


ENVOY_GATEWAY = _envoy(
    "EnvoyGateway",
    "gateway.envoyproxy.io/gatewayclass-controller",
    "httproute/{namespace}/{route}/rule/{rule}/backend/{index}",
    "(?:grpcroute/{namespace}/{route}|httproute/{namespace}/{standIn})/rule/0/backend/{index}",
    version_header=True,
)
"""One cluster for a whole rule, unless a backend carries a filter: then one for each, by its place in the rule."""

_CILIUM, _LONGEST = "cilium-gateway-", 63


def _shortened(gateway: str) -> str:
    """A Gateway's name after the prefix as Cilium writes it: an object's name has at most 63 characters there.

    Of a longer one it keeps 52 and adds ten of its SHA-256, in letters and digits that spell no word.
    """
    whole = _CILIUM + gateway
    if len(whole) <= _LONGEST:
        return gateway
    digest = hashlib.sha256(whole.encode()).hexdigest()[:10].translate(str.maketrans("013ae", "ghkmt"))
    return f"{whole[: _LONGEST - 11]}-{digest}".removeprefix(_CILIUM)


CILIUM = _envoy(
    "Cilium",
    "io.cilium/gateway-controller",
    "{gatewayNamespace}/" + _CILIUM + "{gateway}/{namespace}_{service}_{port}",
    calls=_OF_ALL_METHODS,
    shortened=_shortened,
)
"""One cluster for a Service behind a Gateway, whatever the route. Cilium itself names it with colons."""

KGATEWAY = _envoy("Kgateway", "kgateway.dev/kgateway", "kube_{namespace}_{service}_{port}")
"""One cluster for a Service, whatever Gateway and route."""
