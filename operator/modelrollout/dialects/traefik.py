"""Traefik 3: one service for every backend of a rule, named after route, Gateway, entry point and rule.

It writes every run of characters that are no letters or digits as one dash, in names of routes, Gateways and entry
points; an entry point may be called anything. A looser pattern would also match a route called ROUTE-eu, and the
testers' rule (1); ours splits in rule 0. Its `code` is HTTP's status, and gRPC's for calls of gRPC.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

from modelrollout.dialects.dialect import Dialect, GatewayMetrics, OwnSplit
from modelrollout.dialects.statuses import ERRORS, REFUSALS

_REST = "-gw-{gatewayNamespace}-{gateway}-ep-[^@]+-{rule}-[0-9a-f]{20}"
_RULE = "httproute-{namespace}-{route}" + _REST
_GRPC_RULE = "(?:grpcroute-{namespace}-{route}|httproute-{namespace}-{standIn})" + _REST
_LONGEST_KNOWN = 512
"""Characters of a label that is remembered."""
_GRPC_ERRORS = "4|1[2-5]"
"""Without UNKNOWN (2): so Traefik counts each call whose status comes in the trailer, as that of an answer does."""


def _keys(label: str, split: OwnSplit) -> frozenset[str]:
    """As _keys_of; what is asked at every evaluation is worked out once."""
    return _known_keys(label, split) if len(label) <= _LONGEST_KNOWN else _keys_of(label, split)


@lru_cache(maxsize=4096)
def _known_keys(label: str, split: OwnSplit) -> frozenset[str]:
    return _keys_of(label, split)


def _keys_of(label: str, split: OwnSplit) -> frozenset[str]:
    """Ten bytes of a SHA-256 of the route's names, with their lengths, and of a match's rule: since Traefik 3.7.10.

    The entry point is taken from the label, where it is written as it is unless it has other characters than letters,
    digits and single dashes. A wildcard is another rule, which is not foreseen.
    """
    found = re.search(r"-ep-(.+)-0-[0-9a-f]{20}-svc-", label)
    if found is None or any(host.startswith("*") for host in split.hosts):
        return frozenset()
    names = (split.namespace, split.route, split.gateway_namespace, split.gateway, found[1], "0")
    start = "".join(f"{len(name)}:{name}" for name in names)
    hosts = " || ".join(f'Host("{host}")' for host in split.hosts)
    hosts = f"({hosts})" if len(split.hosts) > 1 else hosts
    rules = [f'Path("{path}")' for path in split.paths]
    rules += [f'PathRegexp("/{_quoted(service)}/{_quoted(method)}")' for service, method in split.methods]
    return frozenset(hashlib.sha256(f"{start}{hosts} && {rule}".encode()).hexdigest()[:20] for rule in rules)


def _quoted(name: str) -> str:
    """As a regular expression within a string of Go."""
    return name.replace(".", r"\\.")


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
        keys=_keys,
    )


TRAEFIK: Dialect = _traefik(_RULE, ERRORS, _traefik(_GRPC_RULE, _GRPC_ERRORS))
