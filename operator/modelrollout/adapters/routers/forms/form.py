"""What tells the three forms of a route apart: its kind, its protocol, its name, and what should stand there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelrollout.adapters.kubernetes.client import path_of
from modelrollout.adapters.routers.forms import grpcroute, httproute
from modelrollout.adapters.routers.forms.marks import annotations_for
from modelrollout.adapters.routers.forms.structure import structure
from modelrollout.api.traffic.protocols import Protocol, h2c_route_name

if TYPE_CHECKING:
    from modelrollout.api.spec import Spec
    from modelrollout.core.observation import RoutePlan

GROUP_VERSION = "gateway.networking.k8s.io/v1"


@dataclass(frozen=True)
class Form:
    """One form; `named` and `spec_of` are called with the resource's namespace first."""

    kind: str
    plural: str
    protocol: Protocol
    named: Callable[[str, str], str]
    """The route's name for a resource's."""
    spec_of: Callable[[str, Spec, RoutePlan], dict[str, Any]]

    def path(self, namespace: str, name: str | None = None) -> str:
        """Of the route of the resource `name`, or of all routes of the kind there."""
        return path_of(GROUP_VERSION, self.plural, namespace, None if name is None else self.named(namespace, name))

    def notes(self, namespace: str, name: str, spec: Spec, plan: RoutePlan) -> dict[str, str | None]:
        """Every annotation that should stand there, the user's included; None stands for one that must be absent."""
        return annotations_for(namespace, name, spec, plan, self.protocol) | dict(spec.traffic.route.annotations)

    def structure(self, namespace: str, name: str, spec: Spec, plan: RoutePlan) -> str:
        """Digest of everything that should stand there but the weights."""
        notes, labels = self.notes(namespace, name, spec, plan), spec.traffic.route.labels
        return structure(namespace, notes, self.spec_of(namespace, spec, plan), labels, http=self.kind == "HTTPRoute")


HTTP = Form("HTTPRoute", "httproutes", "HTTP", lambda _, name: name, httproute.route_spec)
GRPC = Form("GRPCRoute", "grpcroutes", "GRPC", lambda _, name: name, grpcroute.route_spec)
H2C = Form("HTTPRoute", "httproutes", "GRPC", h2c_route_name, httproute.h2c_spec)
"""gRPC where the gateway has no GRPCRoute."""
