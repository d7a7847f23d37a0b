"""The GRPCRoute that should be: a pure function of spec and plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelrollout.adapters.routers.forms.rules import calls_spec
from modelrollout.api.traffic.protocols import SERVICE

if TYPE_CHECKING:
    from modelrollout.api.spec import Spec
    from modelrollout.core.observation import RoutePlan


def route_spec(namespace: str, spec: Spec, plan: RoutePlan) -> dict[str, Any]:
    """The whole spec of gRPC's route: the model's methods are split, and stable says whether the server is ready."""
    return calls_spec(namespace, spec, plan, _method)


def _method(name: str) -> dict[str, Any]:
    return {"method": {"type": "Exact", "service": SERVICE, "method": name}}
