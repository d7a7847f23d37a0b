"""The HTTPRoute that should be: a pure function of spec and plan, with a digest of all but the weights."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import TYPE_CHECKING, Any

from modelrollout.adapters.routers.mirror import copies
from modelrollout.core.observation import FULL_WEIGHT

if TYPE_CHECKING:
    from modelrollout.api.spec import Spec
    from modelrollout.core.observation import RoutePlan

GROUP_VERSION = "gateway.networking.k8s.io/v1"
SPLIT, TESTERS = "split", "testers"
VERSION_HEADER = "x-model-version"
ALL_BUT_NONE = (999_999, 1)
"""Weights of what has everything and what has nothing, where the gateway goes by places. It would take a backend away a
little before the route that leads there, and bring it a little after, and answer the requests in between with an error:
so both places always have some weight."""
PREFIX = "modelrollout.dev/"
STABLE, CANDIDATE, PLACE, MODEL, RESOURCE, SERVICES, EPOCH = (
    PREFIX + part for part in ("stable", "candidate", "place", "model", "resource", "services", "epoch")
)
OURS = (STABLE, CANDIDATE, PLACE, MODEL, RESOURCE, SERVICES)
"""Annotations that describe the route completely; the epoch is apart, it changes with the leader alone."""


def annotations_for(namespace: str, name: str, spec: Spec, plan: RoutePlan) -> dict[str, str | None]:
    """Our annotations under `plan`; None stands for one that must be absent."""
    versions = [plan.stable] + ([plan.candidate] if plan.candidate else [])
    services = {v: f"{spec.serving.service_of(v)}:{spec.serving.port}" for v in versions}
    return {
        STABLE: plan.stable,
        CANDIDATE: plan.candidate,
        PLACE: str(plan.place) if plan.place else None,
        MODEL: spec.model.name,
        RESOURCE: f"{namespace}/{name}",
        SERVICES: json.dumps(services, separators=(",", ":")),
    }


def route_spec(namespace: str, spec: Spec, plan: RoutePlan) -> dict[str, Any]:
    """The route's whole spec under `plan`. Metric labels carry a backend's place: see _backends."""
    gateway = spec.traffic.gateway
    parent = {
        "group": "gateway.networking.k8s.io",
        "kind": "Gateway",
        "namespace": gateway.namespace or namespace,
        "name": gateway.name,
    }
    if gateway.section_name:
        parent["sectionName"] = gateway.section_name
    path = {"type": "PathPrefix", "value": f"/v2/models/{spec.model.name}"}
    rules: list[dict[str, Any]] = [{"name": SPLIT, "matches": [{"path": path}], "backendRefs": _backends(spec, plan)}]
    if plan.mirror and plan.candidate:
        rules[0]["filters"] = [copies(spec.serving.service_of(plan.candidate), spec.serving.port, plan.mirror)]
    header = spec.traffic.tester_header
    if plan.testers and plan.candidate and header:
        chosen = {"path": dict(path), "headers": [{"type": "Exact", "name": header, "value": "always"}]}
        rules.append({"name": TESTERS, "matches": [chosen], "backendRefs": [_ref(spec, plan, plan.candidate, 1)]})
    return {"parentRefs": [parent], "hostnames": list(gateway.hostnames), "rules": rules}


def _backends(spec: Spec, plan: RoutePlan) -> list[dict[str, Any]]:
    """Stable first, unless it has the second place. Where places count, stable has the candidate's too without one."""
    mine, others = weights_of(plan)
    refs = [_ref(spec, plan, plan.stable, mine)]
    if plan.candidate:
        refs.append(_ref(spec, plan, plan.candidate, others))
    elif plan.version_header:
        refs.append(_ref(spec, plan, plan.stable, others))
    return refs[::-1] if plan.place else refs


def weights_of(plan: RoutePlan) -> tuple[int, int]:
    """The weight of stable's place and that of the other one, as they stand in the route."""
    weight = plan.weight if plan.candidate else 0
    if plan.version_header and weight == FULL_WEIGHT:
        return ALL_BUT_NONE[1], ALL_BUT_NONE[0]
    if plan.version_header and plan.candidate is None:
        return ALL_BUT_NONE
    return FULL_WEIGHT - weight, weight


def _ref(spec: Spec, plan: RoutePlan, version: str, weight: int) -> dict[str, Any]:
    service = spec.serving.service_of(version)
    ref = {"group": "", "kind": "Service", "name": service, "port": spec.serving.port, "weight": weight}
    return ref | {"filters": [naming(version)]} if plan.version_header else ref


def naming(version: str) -> dict[str, Any]:
    """The filter that makes every answer of a backend say its version."""
    header = {"name": VERSION_HEADER, "value": version}
    return {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [header]}}


def structure(namespace: str, annotations: dict[str, Any], spec: dict[str, Any]) -> str:
    """Digest of everything but the split's weights; the API server's defaults do not change it."""
    body = {key: copy.deepcopy(spec.get(key) or []) for key in ("parentRefs", "hostnames", "rules")}
    for parent in body["parentRefs"]:
        _default(parent, group="gateway.networking.k8s.io", kind="Gateway", namespace=namespace)
    split = split_index(body["rules"])
    for index, rule in enumerate(body["rules"]):
        rule.pop("name", None)  # pruned by older CRDs
        _default(rule, matches=[{}])
        for match in rule["matches"]:
            _default(match, path={})
            _default(match["path"], type="PathPrefix", value="/")
            for header in match.get("headers") or []:
                _default(header, type="Exact")
        for ref in rule.get("backendRefs") or []:
            _default(ref, group="", kind="Service", weight=1)
            if index == split:
                ref.pop("weight")
    body["annotations"] = {key: annotations.get(key) for key in OURS}
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]


def _default(target: dict[str, Any], **values: Any) -> None:
    for key, value in values.items():
        target.setdefault(key, value)


def split_index(rules: list[dict[str, Any]]) -> int | None:
    """Where the split is: the rule of that name, or the first one where the CRD is too old to keep names."""
    for index, rule in enumerate(rules):
        if rule.get("name") == SPLIT:
            return index
    return 0 if rules and not any(rule.get("name") for rule in rules) else None
