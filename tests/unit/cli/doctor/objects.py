"""Objects of the Gateway API as the API server has them."""

from __future__ import annotations

import copy
from typing import Any


def gateway(listener: dict[str, Any] | None = None) -> dict[str, Any]:
    """A Gateway of one listener."""
    usual = {"name": "web", "protocol": "HTTP", "port": 80, "allowedRoutes": {"namespaces": {"from": "All"}}}
    return {"spec": {"gatewayClassName": "traefik", "listeners": [usual | (listener or {})]}}


def other(
    path: str = "/v2/models/digits",
    *,
    kind: str = "HTTPRoute",
    path_type: str = "PathPrefix",
    hosts: tuple[str, ...] = ("a.b",),
    created: str = "2026-01-01T00:00:00Z",
    name: str = "other",
    status: dict[str, Any] | None = None,
    parent: dict[str, Any] | None = None,
    **match: Any,
) -> dict[str, Any]:
    """Another route of the same Gateway."""
    ref = parent or {"name": "inference", "namespace": "infra"}
    rules = [{"matches": [{"path": {"type": path_type, "value": path}, **match}]}]
    return {
        "kind": kind,
        "metadata": {"name": name, "namespace": "speech", "creationTimestamp": created},
        "spec": {"parentRefs": [ref], "hostnames": list(hosts), "rules": rules},
        "status": status or {},
    }


def merged(found: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """As a merge patch: mappings are merged, all else is replaced."""
    out = copy.deepcopy(found)
    for key, value in changes.items():
        known = out.get(key)
        both = isinstance(value, dict) and isinstance(known, dict)
        out[key] = merged(known, value) if both else value  # type: ignore[arg-type] # both are mappings
    return out
