"""What a ModelRollout claims of a Gateway, and whether the configuration lets it: nothing here reads a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from modelrollout.api.problems import Problem, path_of, shown
from modelrollout.api.traffic.protocols import meet

if TYPE_CHECKING:
    from modelrollout.api.config.operator_config import OperatorConfig
    from modelrollout.api.spec import Spec

GATEWAY = ("spec", "traffic", "gateway")
GRPC_HOSTNAMES = ("spec", "traffic", "grpc", "hostnames")


@dataclass(frozen=True)
class Claim:
    """Requests for a model at some host names of a Gateway (NAMESPACE/NAME), at one of its listeners or at all."""

    gateway: str
    section: str
    hostnames: frozenset[str]
    model: str
    calls: frozenset[str] = frozenset()
    """Host names of gRPC, whose calls name their model inside the message, where no gateway looks."""
    calls_section: str = ""

    def meets(self, other: Claim) -> str:
        """A host name at which both want the same requests; "" where there is none."""
        if self.gateway != other.gateway:
            return ""
        if self.model == other.model and _one_listener(self.section, other.section):
            return _shared(self.hostnames, other.hostnames)
        if _one_listener(self.calls_section, other.calls_section):
            return _shared(self.calls, other.calls)
        return ""


def _one_listener(mine: str, its: str) -> bool:
    """Whether some listener may be meant by both; "" means all."""
    return not (mine and its) or mine == its


def _shared(mine: frozenset[str], its: frozenset[str]) -> str:
    return next((one for one, other in product(sorted(mine), sorted(its)) if meet(one, other)), "")


def claim_of(namespace: str, spec: Spec) -> Claim:
    """What a resource of that namespace claims."""
    traffic, gateway = spec.traffic, spec.traffic.gateway
    whole = f"{gateway.namespace or namespace}/{gateway.name}"
    own = traffic.grpc.section_name or ""
    hosts = frozenset(host for _, host in _hostnames(spec))
    calls = frozenset(traffic.grpc.hostnames or gateway.hostnames) if traffic.has_grpc else frozenset[str]()
    section = gateway.section_name or ""
    return Claim(whole, "" if own else section, hosts, spec.model.name, calls, own or section)


def _hostnames(spec: Spec) -> list[tuple[tuple[str | int, ...], str]]:
    """(where it stands, host name) of HTTP's and of gRPC's."""
    traffic = spec.traffic
    calls = (traffic.grpc.hostnames or []) if traffic.has_grpc else []
    return [
        *(((*GATEWAY, "hostnames", index), host) for index, host in enumerate(traffic.gateway.hostnames)),
        *(((*GRPC_HOSTNAMES, index), host) for index, host in enumerate(calls)),
    ]


def check_claim(namespace: str, spec: Spec, config: OperatorConfig) -> list[Problem]:
    """Why a resource of that namespace may not have its Gateway, or the first host name there.

    A route that Git owns was attached by whoever may write it, and the operator attaches it to nothing.
    """
    if spec.traffic.adopt is not None:
        return []
    gateway = spec.traffic.gateway
    home = gateway.namespace or namespace
    entries = [one for one in config.gateways if one.is_about(home, gateway.name)]
    listed = f"in gateways of the operator's configuration, with namespace {namespace} among its namespaces"
    if not entries and home == namespace:
        return []
    if not entries:
        fix = f"use a Gateway of namespace {namespace}, or have {home}/{gateway.name} listed {listed}"
        return [Problem(path_of((*GATEWAY, "namespace")), f"is {shown(home)}", fix, (*GATEWAY, "namespace"))]
    for loc, host in _hostnames(spec):
        if not any(one.lets(namespace, host) for one in entries):
            fix = f"have it allowed for {home}/{gateway.name} {listed} and a pattern of this name among its hostnames"
            return [Problem(path_of(loc), f"is {shown(host)}", fix, loc)]
    return []
