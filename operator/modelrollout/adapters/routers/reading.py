"""What an HTTPRoute says alone, without a spec; what contradicts itself is a doubt, never a guess."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from modelrollout.adapters.kubernetes.managed_fields import manager_of
from modelrollout.adapters.routers.httproute import (
    CANDIDATE,
    EPOCH,
    MODEL,
    RESOURCE,
    SERVICES,
    STABLE,
    TESTERS,
    split_index,
    structure,
)
from modelrollout.api.spec import VERSION
from modelrollout.core.observation import FIELD_MANAGER, Acceptance, Backend, ObservedRoute


@dataclass(frozen=True)
class ObservedHTTPRoute(ObservedRoute):
    """ObservedRoute with the object it was read from, so that lowering needs no second read."""

    raw: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


def read(route: dict[str, Any]) -> ObservedHTTPRoute:
    """What the route says alone, without any spec."""
    meta, spec = route.get("metadata") or {}, route.get("spec") or {}
    notes = meta.get("annotations") or {}
    rules = spec.get("rules") or []
    split = split_index(rules)
    backends = _backends(rules[split] if split is not None else {}, notes)
    stable, doubt = _stable(notes, backends)
    acceptance, reason = _acceptance(route)
    return ObservedHTTPRoute(
        stable=stable,
        backends=tuple(sorted(backends, key=lambda backend: backend.version != stable)),
        resource_version=str(meta.get("resourceVersion", "")),
        model=notes.get(MODEL),
        testers=any(is_testers(rule) for index, rule in enumerate(rules) if index != split),
        epoch=notes.get(EPOCH),
        acceptance=acceptance,
        acceptance_reason=reason,
        manager=manager_of(meta, "f:spec", "f:rules"),
        doubt=doubt,
        foreign=_foreign(meta, notes),
        structure=structure(str(meta.get("namespace", "")), notes, spec),
        raw=route,
    )


def services_of(notes: dict[str, Any]) -> dict[str, tuple[str, int]]:
    """Version -> (service, port) as annotated; a malformed annotation says nothing."""
    try:
        found = json.loads(notes.get(SERVICES) or "{}")
        pairs = {str(version): str(value).rpartition(":") for version, value in found.items()}
        return {v: (service, int(port)) for v, (service, _, port) in pairs.items() if re.match(VERSION, v)}
    except (ValueError, TypeError, AttributeError):
        return {}


def _foreign(meta: dict[str, Any], notes: dict[str, Any]) -> str:
    """Why the route is not this resource's; "" where it carries the mark, or its last parentRefs are our own.

    The mark is the annotation of the resource, or that of stable where nothing names another resource: that is how
    people hand a route over. The epoch is no mark: earlier versions left it on routes that were never ours.
    """
    mine, named = f"{meta.get('namespace', '')}/{meta.get('name', '')}", notes.get(RESOURCE)
    if named == mine or manager_of(meta, "f:spec", "f:parentRefs") == FIELD_MANAGER:
        return ""
    if named:
        return f"its annotation {RESOURCE} names {str(named)[:128]}, not {mine}"
    return "" if notes.get(STABLE) else f"it has neither the annotation {RESOURCE} nor {STABLE}"


def _backends(rule: dict[str, Any], notes: dict[str, Any]) -> list[Backend]:
    versions = {service: version for version, (service, _) in services_of(notes).items()}
    found = []
    for ref in rule.get("backendRefs") or []:
        service, weight = str(ref.get("name", "")), ref.get("weight")
        weight = 1 if weight is None else int(weight)  # the Gateway API's default
        found.append(Backend(versions.get(service, ""), service, int(ref.get("port") or 0), weight))
    return found


def _stable(notes: dict[str, Any], backends: list[Backend]) -> tuple[str | None, str]:
    named = notes.get(STABLE)
    if not named:
        return None, f"the route has no annotation {STABLE}, so nothing says which version serves"
    if not re.match(VERSION, named):
        return None, f"the route's annotation {STABLE} is {named[:64]!r}, which is not a version"
    if named not in {backend.version for backend in backends}:
        return None, f"the route's annotation {STABLE} names version {named}, but no backend serves it"
    if notes.get(CANDIDATE) == named:
        return None, f"the route's annotations name version {named} both as stable and as the candidate"
    first = backends[0]
    mine = next(backend for backend in backends if backend.version == named)
    if mine.weight < first.weight:  # in a bake stable has less too, but then it stands first
        text = f"names version {named}, which has {mine.weight} of the weight while {first.service}, first, has"
        return None, f"the route's annotation {STABLE} {text} {first.weight}"
    return named, ""


def is_testers(rule: dict[str, Any]) -> bool:
    return rule.get("name") == TESTERS or any(match.get("headers") for match in rule.get("matches") or [])


def _acceptance(route: dict[str, Any]) -> tuple[Acceptance, str]:
    generation = int((route.get("metadata") or {}).get("generation") or 0)
    wanted = (route.get("spec") or {}).get("parentRefs") or [{}]
    keys = ("name", "namespace", "sectionName")
    namespace = (route.get("metadata") or {}).get("namespace")
    mine = [(wanted[0] | {"namespace": wanted[0].get("namespace") or namespace}).get(key) for key in keys]
    gateway = f"{mine[1]}/{mine[0]}"
    pending = f"no controller has accepted the route for Gateway {gateway} yet"
    for parent in (route.get("status") or {}).get("parents") or []:
        ref = parent.get("parentRef") or {}
        if [(ref | {"namespace": ref.get("namespace") or namespace}).get(key) for key in keys] != mine:
            continue
        conditions = {c.get("type"): c for c in parent.get("conditions") or []}
        current = [
            c
            for c in (conditions.get("Accepted"), conditions.get("ResolvedRefs"))
            if c and int(c.get("observedGeneration") or 0) >= generation
        ]
        for condition in current:
            if condition.get("status") == "False":
                said = f"{condition.get('reason', '')}: {condition.get('message', '')}".strip(": ")
                return "REJECTED", f"Gateway {gateway} rejects the route, {condition['type']}=False: {said}"
        if len(current) == 2 and all(c.get("status") == "True" for c in current):  # noqa: PLR2004 - the two above
            return "ACCEPTED", ""
        pending = f"Gateway {gateway} has not processed generation {generation} of the route yet"
    return "PENDING", pending
