"""What a ModelRollout claims of a Gateway, and whether the configuration lets it: nothing here reads a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from modelrollout.api.problems import Problem, path_of, shown

if TYPE_CHECKING:
    from modelrollout.api.config.operator_config import OperatorConfig
    from modelrollout.api.spec import Spec

GATEWAY = ("spec", "traffic", "gateway")


@dataclass(frozen=True)
class Claim:
    """Requests for a model at some host names of a Gateway (NAMESPACE/NAME), at one of its listeners or at all."""

    gateway: str
    section: str
    hostnames: frozenset[str]
    model: str

    def meets(self, other: Claim) -> str:
        """A host name at which both want the same requests; "" where there is none."""
        if (self.gateway, self.model) != (other.gateway, other.model):
            return ""
        if self.section and other.section and self.section != other.section:
            return ""
        pairs = product(sorted(self.hostnames), sorted(other.hostnames))
        return next((mine for mine, its in pairs if _both(mine, its) or _both(its, mine)), "")


def _both(one: str, other: str) -> bool:
    """Whether some host is both; `*.x` is every host below x."""
    return one == other or (one.startswith("*.") and other.removeprefix("*").endswith(one[1:]))


def claim_of(namespace: str, spec: Spec) -> Claim:
    """What a resource of that namespace claims."""
    gateway = spec.traffic.gateway
    whole = f"{gateway.namespace or namespace}/{gateway.name}"
    return Claim(whole, gateway.section_name or "", frozenset(gateway.hostnames), spec.model.name)


def check_claim(namespace: str, spec: Spec, config: OperatorConfig) -> list[Problem]:
    """Why a resource of that namespace may not have its Gateway, or the first host name there.

    A route that Git owns was attached by whoever may write it, and the operator attaches it to nothing.
    """
    if spec.traffic.adopt is not None:
        return []
    gateway = spec.traffic.gateway
    if spec.traffic.adopt is not None:  # whose route it is, and at which Gateway, is Git's
        return []
    home = gateway.namespace or namespace
    entries = [one for one in config.gateways if one.is_about(home, gateway.name)]
    listed = f"in gateways of the operator's configuration, with namespace {namespace} among its namespaces"
    if not entries and home == namespace:
        return []
    if not entries:
        fix = f"use a Gateway of namespace {namespace}, or have {home}/{gateway.name} listed {listed}"
        return [Problem(path_of((*GATEWAY, "namespace")), f"is {shown(home)}", fix, (*GATEWAY, "namespace"))]
    for index, host in enumerate(gateway.hostnames):
        if not any(one.lets(namespace, host) for one in entries):
            loc = (*GATEWAY, "hostnames", index)
            fix = f"have it allowed for {home}/{gateway.name} {listed} and a pattern of this name among its hostnames"
            return [Problem(path_of(loc), f"is {shown(host)}", fix, loc)]
    return []
