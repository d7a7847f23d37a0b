"""What a route says alone, without a spec; what contradicts itself is a doubt, never a guess."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from modelrollout.adapters.kubernetes.managed_fields import manager_of
from modelrollout.adapters.routers.forms.httproute import split_index
from modelrollout.adapters.routers.forms.marks import CANDIDATE, EPOCH, MODEL, PLACE, PROBED, RESOURCE, SERVICES, STABLE
from modelrollout.adapters.routers.forms.rules import TESTERS, VERSION_HEADER
from modelrollout.adapters.routers.forms.structure import structure
from modelrollout.adapters.routers.mirror import copied
from modelrollout.api.borders.cleaning import LONGEST_SAID, clean, mapping, mappings, texts, whole_number
from modelrollout.api.spec import VERSION
from modelrollout.api.traffic.protocols import h2c_route_name
from modelrollout.core.observation import FIELD_MANAGER, Acceptance, Backend, ObservedRoute

LONGEST_NOTE = 16_384
"""Characters of an annotation that is read."""
HEAVIEST, LAST_PORT, LATEST = 1_000_000, 65_535, 2**63
MOST_SERVICES = 8
UNREADABLE = "unreadable"


@dataclass(frozen=True)
class ObservedHTTPRoute(ObservedRoute):
    """ObservedRoute with the object it was read from, so that lowering needs no second read."""

    raw: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


def read(route: dict[str, Any], resource: str | None = None) -> ObservedHTTPRoute:
    """What the route says alone, without any spec; `resource` is NAMESPACE/NAME where its own name is another."""
    meta, spec = mapping(route.get("metadata")), mapping(route.get("spec"))
    notes = notes_of(route)
    rules = mappings(spec.get("rules"))
    split = split_index(rules)
    backends = _backends(rules[split] if split is not None else {}, notes)
    stable, doubt = _stable(notes, backends)
    acceptance, reason = acceptance_of(route)
    return ObservedHTTPRoute(
        stable=stable,
        backends=tuple(sorted(backends, key=lambda backend: backend.version != stable)),
        resource_version=clean(meta.get("resourceVersion"), LONGEST_SAID),
        model=None if MODEL not in notes else clean(notes[MODEL], LONGEST_SAID),
        testers=any(is_testers(rule) for index, rule in enumerate(rules) if index != split),
        epoch=notes.get(EPOCH),
        acceptance=acceptance,
        acceptance_reason=reason,
        manager=manager_of(meta, "f:spec", "f:rules"),
        doubt=doubt,
        foreign=_foreign(meta, notes, resource),
        version_header=_says_versions(rules[split] if split is not None else {}),
        mirror=copied(rules[split] if split is not None else {}, _services(notes, backends)),
        place=_place(notes),
        gateways=_gateways(clean(meta.get("namespace"), LONGEST_SAID), spec),
        hostnames=frozenset(host for host in _list(spec.get("hostnames")) if isinstance(host, str)),
        structure=_structure(route, notes, spec),
        raw=route,
    )


def notes_of(route: dict[str, Any]) -> dict[str, str]:
    """The route's annotations, but for what is longer than any of ours."""
    return texts(mapping(route.get("metadata")).get("annotations"), LONGEST_NOTE)


def weight_of(ref: dict[str, Any]) -> int:
    """A backend's share as the Gateway API has it: 1 where nothing is said."""
    weight = ref.get("weight")
    return 1 if weight is None else whole_number(weight, 0, HEAVIEST, 0)


def services_of(notes: dict[str, str]) -> dict[str, tuple[str, int]]:
    """Version -> (service, port) as annotated; an annotation that is malformed or interchanges two says nothing."""
    try:
        found = json.loads(notes.get(SERVICES) or "{}")
        pairs = {str(version): str(value).rpartition(":") for version, value in found.items()}
        named = {v: (service, int(port)) for v, (service, _, port) in pairs.items() if re.fullmatch(VERSION, v)}
    except (ValueError, TypeError, AttributeError, RecursionError):
        return {}
    return {} if any(_interchanged(*pair) for pair in combinations(_by_version(named), 2)) else named


def _by_version(named: dict[str, tuple[str, int]]) -> list[tuple[str, str]]:
    """As many as a route of ours can have; an annotation with more is looked at no further."""
    return [(version, service) for version, (service, _) in named.items()][:MOST_SERVICES]


def _interchanged(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether each of two (version, Service) has the Service whose name says the other's version."""
    (version, service), (second, its) = one, other
    right = _templates(version, service) & _templates(second, its)
    return not right and bool(_templates(version, its) & _templates(second, service))


def _templates(version: str, service: str) -> set[str]:
    """What spec.serving.service may be, if the Service is that of the version."""
    places = re.finditer(f"(?={version})", service)
    return {f"{service[: at.start()]}{{}}{service[at.start() + len(version) :]}" for at in places}


def _foreign(meta: dict[str, Any], notes: dict[str, str], resource: str | None) -> str:
    """Why the route is not this resource's; "" where it carries the mark, or its last parentRefs are our own.

    The mark is the annotation of the resource, or that of stable where nothing names another resource: that is how
    people hand a route over. The epoch is no mark: earlier versions left it on routes that were never ours.
    """
    mine, named = resource or f"{meta.get('namespace', '')}/{meta.get('name', '')}", notes.get(RESOURCE)
    made_here = manager_of(meta, "f:spec", "f:parentRefs") == FIELD_MANAGER
    if named == mine or (made_here and not _made_for(named, meta)):
        return ""
    if named:
        return f"its annotation {RESOURCE} names {clean(named, 128)}, not {clean(mine, LONGEST_SAID)}"
    return "" if notes.get(STABLE) else f"it has neither the annotation {RESOURCE} nor {STABLE}"


def _made_for(named: str | None, meta: dict[str, Any]) -> bool:
    """Whether the operator calls a route so that it makes for the resource `named`: then it is that one's, not ours."""
    namespace, _, name = (named or "").partition("/")
    return namespace == meta.get("namespace") and meta.get("name") in (name, h2c_route_name(namespace, name))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _gateways(namespace: str, spec: dict[str, Any]) -> frozenset[str]:
    parents = [one for one in mappings(spec.get("parentRefs")) if one.get("kind") in (None, "Gateway")]
    return frozenset(f"{one.get('namespace') or namespace}/{one.get('name')}" for one in parents)


def _backends(rule: dict[str, Any], notes: dict[str, str]) -> list[Backend]:
    """With the port at which a version is asked for readiness, where gRPC's is another."""
    versions = {service: version for version, (service, _) in services_of(notes).items()}
    probed = int(notes[PROBED]) if re.fullmatch("[0-9]{1,5}", notes.get(PROBED, "")) else None
    found = []
    for ref in mappings(rule.get("backendRefs")):
        service = clean(ref.get("name"), LONGEST_SAID)
        port = whole_number(ref.get("port") if probed is None else probed, 0, LAST_PORT, 0)
        found.append(Backend(versions.get(service, ""), service, port, weight_of(ref)))
    return found


def _services(notes: dict[str, str], backends: list[Backend]) -> set[str]:
    """Every Service that a version is known by here."""
    return {service for service, _ in services_of(notes).values()} | {backend.service for backend in backends}


def _says_versions(rule: dict[str, Any]) -> bool:
    """Whether every backend of the rule sets our header; what else its filters do is its writer's."""
    refs = mappings(rule.get("backendRefs"))
    return bool(refs) and all(
        any(
            str(header.get("name")).lower() == VERSION_HEADER
            for one in mappings(ref.get("filters"))
            for header in mappings(mapping(one.get("responseHeaderModifier")).get("set"))
        )
        for ref in refs
    )


def _structure(route: dict[str, Any], notes: dict[str, str], spec: dict[str, Any]) -> str:
    """As structure(); what cannot be digested is like no plan's, and is written over."""
    meta = mapping(route.get("metadata"))
    namespace, labels = clean(meta.get("namespace"), LONGEST_SAID), texts(meta.get("labels"), LONGEST_NOTE)
    try:
        return structure(namespace, notes, spec, labels, http=route.get("kind") != "GRPCRoute")
    except (TypeError, ValueError, AttributeError, KeyError, RecursionError):
        return UNREADABLE


def _stable(notes: dict[str, str], backends: list[Backend]) -> tuple[str | None, str]:
    named = notes.get(STABLE)
    if not named:
        return None, f"the route has no annotation {STABLE}, so nothing says which version serves"
    if not re.fullmatch(VERSION, named):
        return None, f"the route's annotation {STABLE} is {named[:64]!r}, which is not a version"
    if named not in {backend.version for backend in backends}:
        return None, f"the route's annotation {STABLE} names version {named}, but no backend serves it"
    if notes.get(CANDIDATE) == named:
        return None, f"the route's annotations name version {named} both as stable and as the candidate"
    there = backends[min(_place(notes), len(backends) - 1)]
    mine = max((backend for backend in backends if backend.version == named), key=lambda one: one.weight)
    if mine.weight < there.weight:  # in a bake stable has less too, but then it stands in its place
        text = f"names version {named}, which has {mine.weight} of the weight while {there.service}, in its place, has"
        return None, f"the route's annotation {STABLE} {text} {there.weight}"
    return named, ""


def _place(notes: dict[str, str]) -> int:
    """Where stable stands: first, unless the route says second."""
    return int(notes.get(PLACE) == "1")


def is_testers(rule: dict[str, Any]) -> bool:
    return rule.get("name") == TESTERS or any(match.get("headers") for match in mappings(rule.get("matches")))


def acceptance_of(route: dict[str, Any]) -> tuple[Acceptance, str]:
    """What the controller of the route's first parent says of it, and why."""
    meta = mapping(route.get("metadata"))
    generation = whole_number(meta.get("generation"), 0, LATEST, 0)
    wanted = mappings(mapping(route.get("spec")).get("parentRefs")) or [{}]
    keys = ("name", "namespace", "sectionName")
    namespace = meta.get("namespace")
    mine = [(wanted[0] | {"namespace": wanted[0].get("namespace") or namespace}).get(key) for key in keys]
    gateway = clean(f"{mine[1]}/{mine[0]}", LONGEST_SAID)
    pending = f"no controller has accepted the route for Gateway {gateway} yet"
    for parent in mappings(mapping(route.get("status")).get("parents")):
        ref = mapping(parent.get("parentRef"))
        if [(ref | {"namespace": ref.get("namespace") or namespace}).get(key) for key in keys] != mine:
            continue
        conditions = {str(c.get("type")): c for c in mappings(parent.get("conditions"))}
        current = [
            c
            for c in (conditions.get("Accepted"), conditions.get("ResolvedRefs"))
            if c and whole_number(c.get("observedGeneration"), 0, LATEST, 0) >= generation
        ]
        for condition in current:
            if condition.get("status") == "False":
                reason, why = (clean(condition.get(key), LONGEST_SAID) for key in ("reason", "message"))
                said = f"{reason}: {why}".strip(": ")
                return "REJECTED", f"Gateway {gateway} rejects the route, {condition['type']}=False: {said}"
        if len(current) == 2 and all(c.get("status") == "True" for c in current):  # noqa: PLR2004 - the two above
            return "ACCEPTED", ""
        pending = f"Gateway {gateway} has not processed generation {generation} of the route yet"
    return "PENDING", pending
