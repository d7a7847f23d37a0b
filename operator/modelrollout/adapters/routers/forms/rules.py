"""The parts of which every form of a route is made: the parent, the split, the testers' rule, and stable's own."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from modelrollout.core.observation import FULL_WEIGHT

if TYPE_CHECKING:
    from modelrollout.api.spec import Spec
    from modelrollout.api.traffic.protocols import Protocol
    from modelrollout.core.observation import RoutePlan

SPLIT, TESTERS, STABLES = "split", "testers", "stable"
VERSION_HEADER = "x-model-version"


def parent_ref(namespace: str, spec: Spec, section_name: str | None) -> dict[str, Any]:
    gateway = spec.traffic.gateway
    parent = {
        "group": "gateway.networking.k8s.io",
        "kind": "Gateway",
        "namespace": gateway.namespace or namespace,
        "name": gateway.name,
    }
    return parent | ({"sectionName": section_name} if section_name else {})


def rules(
    spec: Spec,
    plan: RoutePlan,
    protocol: Protocol,
    split: list[dict[str, Any]],
    stables: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    """The split first, since metric labels carry the index; then what stable answers alone, then the testers'.

    `split` and `stables` are matches; the candidate's backend comes last for the same reason.
    """
    weight = plan.weight if plan.candidate else 0
    backends = [backend(spec, plan, plan.stable, FULL_WEIGHT - weight, protocol)]
    if plan.candidate:
        backends.append(backend(spec, plan, plan.candidate, weight, protocol))
    found: list[dict[str, Any]] = [{"name": SPLIT, "matches": split, "backendRefs": backends}]
    if stables:
        only = backend(spec, plan, plan.stable, 1, protocol)
        found.append({"name": STABLES, "matches": stables, "backendRefs": [only]})
    header = spec.traffic.tester_header
    if plan.testers and plan.candidate and header:
        chosen = [{**copy.deepcopy(match), "headers": [_always(header)]} for match in split]
        only = backend(spec, plan, plan.candidate, 1, protocol)
        found.append({"name": TESTERS, "matches": chosen, "backendRefs": [only]})
    return [rule | _passed(spec, protocol) for rule in found]


def backend(spec: Spec, plan: RoutePlan, version: str, weight: int, protocol: Protocol) -> dict[str, Any]:
    port = spec.serving.grpc_port if protocol == "GRPC" else spec.serving.port
    service = spec.serving.service_of(version)
    ref = {"group": "", "kind": "Service", "name": service, "port": port, "weight": weight}
    return ref | {"filters": [naming(version)]} if plan.version_header else ref


def naming(version: str) -> dict[str, Any]:
    """The filter that makes every answer of a backend say its version."""
    header = {"name": VERSION_HEADER, "value": version}
    return {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [header]}}


def _always(header: str) -> dict[str, str]:
    return {"type": "Exact", "name": header, "value": "always"}


def _passed(spec: Spec, protocol: Protocol) -> dict[str, Any]:
    """What every rule carries for the user. A timeout or a retry would cut or repeat streams of gRPC: HTTP's alone."""
    given = spec.traffic.route
    found: dict[str, Any] = {}
    if given.filters:
        found["filters"] = [_plain(one) for one in given.filters]
    if protocol == "HTTP" and given.timeouts is not None and _plain(given.timeouts):
        found["timeouts"] = _plain(given.timeouts)
    if protocol == "HTTP" and given.retry is not None:
        found["retry"] = _plain(given.retry)
    return found


def _plain(model: Any) -> dict[str, Any]:
    """As a manifest writes it, without what is not set."""
    found: dict[str, Any] = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    for inner in found.values():
        if isinstance(inner, dict):
            for name in [name for name, value in inner.items() if value == []]:
                del inner[name]
    return {name: value for name, value in found.items() if value != []}
