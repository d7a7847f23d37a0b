"""The GRPCRoute that should be: a pure function of spec and plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelrollout.adapters.routers.forms.rules import parent_ref, rules
from modelrollout.api.traffic.protocols import SERVER_METHODS, SERVICE, SPLIT_METHODS

if TYPE_CHECKING:
    from modelrollout.api.spec import Spec
    from modelrollout.core.observation import RoutePlan


def route_spec(namespace: str, spec: Spec, plan: RoutePlan) -> dict[str, Any]:
    """The whole spec of gRPC's route: the model's methods are split, and stable says whether the server is ready."""
    traffic = spec.traffic
    return {
        "parentRefs": [parent_ref(namespace, spec, traffic.grpc.section_name or traffic.gateway.section_name)],
        "hostnames": list(traffic.grpc_hostnames),
        "rules": rules(
            spec,
            plan,
            "GRPC",
            [_method(name) for name in SPLIT_METHODS],
            [_method(name) for name in (*SERVER_METHODS, *traffic.grpc.extra_methods)],
        ),
    }


def _method(name: str) -> dict[str, Any]:
    return {"method": {"type": "Exact", "service": SERVICE, "method": name}}
