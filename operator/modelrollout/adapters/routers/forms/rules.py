"""The parts of which every form of a route is made: the parent, the split, the testers' rule, and stable's own."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from modelrollout.adapters.routers.mirror import copies
from modelrollout.api.traffic.protocols import SERVER_METHODS, SPLIT_METHODS
from modelrollout.core.observation import FULL_WEIGHT

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelrollout.api.spec import Spec
    from modelrollout.api.traffic.protocols import Protocol
    from modelrollout.core.observation import RoutePlan

SPLIT, TESTERS, STABLES = "split", "testers", "stable"
VERSION_HEADER = "x-model-version"
ALL_BUT_NONE = (999_999, 1)
"""Weights of what has everything and what has nothing, where the gateway goes by places. It would take a backend away a
little before the route that leads there, and bring it a little after, and answer the requests in between with an error:
so both places always have some weight."""


def parent_ref(namespace: str, spec: Spec, section_name: str | None) -> dict[str, Any]:
    gateway = spec.traffic.gateway
    parent = {
        "group": "gateway.networking.k8s.io",
        "kind": "Gateway",
        "namespace": gateway.namespace or namespace,
        "name": gateway.name,
    }
    return parent | ({"sectionName": section_name} if section_name else {})


def calls_spec(namespace: str, spec: Spec, plan: RoutePlan, match: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """The whole spec of gRPC's route, of whichever kind; `match`: what chooses the calls of one method."""
    traffic = spec.traffic
    stables = (*SERVER_METHODS, *traffic.grpc.extra_methods)
    return {
        "parentRefs": [parent_ref(namespace, spec, traffic.grpc.section_name or traffic.gateway.section_name)],
        "hostnames": list(traffic.grpc_hostnames),
        "rules": rules(spec, plan, "GRPC", [match(one) for one in SPLIT_METHODS], [match(one) for one in stables]),
    }


def rules(
    spec: Spec,
    plan: RoutePlan,
    protocol: Protocol,
    split: list[dict[str, Any]],
    stables: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    """The split first, since metric labels carry the index; then what stable answers alone, then the testers'.

    `split` and `stables` are matches. Labels carry a backend's place, too: see _backends.
    """
    backends = _backends(spec, plan, protocol)
    found: list[dict[str, Any]] = [{"name": SPLIT, "matches": split, "backendRefs": backends}]
    if stables:
        only = backend(spec, plan, plan.stable, 1, protocol)
        found.append({"name": STABLES, "matches": stables, "backendRefs": [only]})
    header = spec.traffic.tester_header
    if plan.testers and plan.candidate and header:
        chosen = [{**copy.deepcopy(match), "headers": [_always(header)]} for match in split]
        only = backend(spec, plan, plan.candidate, 1, protocol)
        found.append({"name": TESTERS, "matches": chosen, "backendRefs": [only]})
    return [_with_copies(spec, plan, protocol, rule | _passed(spec, protocol)) for rule in found]


def _backends(spec: Spec, plan: RoutePlan, protocol: Protocol) -> list[dict[str, Any]]:
    """Stable first, unless it has the second place. Where places count, stable has the candidate's too without one."""
    mine, others = weights_of(plan)
    refs = [backend(spec, plan, plan.stable, mine, protocol)]
    if plan.candidate:
        refs.append(backend(spec, plan, plan.candidate, others, protocol))
    elif plan.version_header:
        refs.append(backend(spec, plan, plan.stable, others, protocol))
    return refs[::-1] if plan.place else refs


def weights_of(plan: RoutePlan) -> tuple[int, int]:
    """The weight of stable's place and that of the other one, as they stand in the route."""
    weight = plan.weight if plan.candidate else 0
    if plan.version_header and weight == FULL_WEIGHT:
        return ALL_BUT_NONE[1], ALL_BUT_NONE[0]
    if plan.version_header and plan.candidate is None:
        return ALL_BUT_NONE
    return FULL_WEIGHT - weight, weight


def backend(spec: Spec, plan: RoutePlan, version: str, weight: int, protocol: Protocol) -> dict[str, Any]:
    port = spec.serving.grpc_port if protocol == "GRPC" else spec.serving.port
    service = spec.serving.service_of(version)
    ref = {"group": "", "kind": "Service", "name": service, "port": port, "weight": weight}
    return ref | {"filters": [naming(version)]} if plan.version_header else ref


def naming(version: str) -> dict[str, Any]:
    """The filter that makes every answer of a backend say its version."""
    header = {"name": VERSION_HEADER, "value": version}
    return {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [header]}}


def _with_copies(spec: Spec, plan: RoutePlan, protocol: Protocol, rule: dict[str, Any]) -> dict[str, Any]:
    """The split's requests of HTTP go to the candidate too, in copies, where the plan says so."""
    if rule["name"] != SPLIT or protocol != "HTTP" or not plan.mirror or not plan.candidate:
        return rule
    copy_of_it = copies(spec.serving.service_of(plan.candidate), spec.serving.port, plan.mirror)
    return rule | {"filters": [*rule.get("filters", []), copy_of_it]}


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
