"""The HTTPRoute that should be: a pure function of spec and plan, and where in any route the split is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelrollout.adapters.routers.forms.rules import SPLIT, calls_spec, parent_ref, rules
from modelrollout.api.traffic.protocols import SERVICE, SPLIT_PATHS

if TYPE_CHECKING:
    from modelrollout.api.spec import Spec
    from modelrollout.core.observation import RoutePlan

BELOW = "/*"


def route_spec(namespace: str, spec: Spec, plan: RoutePlan) -> dict[str, Any]:
    """The whole spec of HTTP's route: inference, metadata and readiness of the model are split, all else is closed."""
    split = [_exact(f"/v2/models/{spec.model.name}{end}") for end in SPLIT_PATHS]
    stables = [_extra(path) for path in spec.traffic.route.extra_paths]
    gateway = spec.traffic.gateway
    return {
        "parentRefs": [parent_ref(namespace, spec, gateway.section_name)],
        "hostnames": list(gateway.hostnames),
        "rules": rules(spec, plan, "HTTP", split, stables),
    }


def h2c_spec(namespace: str, spec: Spec, plan: RoutePlan) -> dict[str, Any]:
    """The whole spec of gRPC's route as an HTTPRoute: a call is a POST to /SERVICE/METHOD over HTTP/2."""
    return calls_spec(namespace, spec, plan, lambda method: _exact(f"/{SERVICE}/{method}"))


def _exact(path: str) -> dict[str, Any]:
    return {"path": {"type": "Exact", "value": path}}


def _extra(path: str) -> dict[str, Any]:
    if path.endswith(BELOW):
        return {"path": {"type": "PathPrefix", "value": path.removesuffix(BELOW) or "/"}}
    return _exact(path)


def split_index(rules: list[dict[str, Any]]) -> int | None:
    """Where the split is: the rule of that name, or the first one where the CRD is too old to keep names."""
    for index, rule in enumerate(rules):
        if rule.get("name") == SPLIT:
            return index
    return 0 if rules and not any(rule.get("name") for rule in rules) else None
