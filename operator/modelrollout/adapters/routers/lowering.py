"""Lowering a candidate is one JSON Patch that tests who stands where, never how much they have."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from modelrollout.adapters.kubernetes.lease_record import order_of
from modelrollout.adapters.routers.httproute import EPOCH, RESOURCE, SPLIT, STABLE, split_index
from modelrollout.adapters.routers.mirror import without_copies
from modelrollout.adapters.routers.reading import ObservedHTTPRoute, is_testers, notes_of, read, services_of, weight_of
from modelrollout.api.borders.cleaning import mapping, mappings
from modelrollout.core.observation import FULL_WEIGHT

if TYPE_CHECKING:
    from modelrollout.core.observation import ObservedRoute, RoutePlan


class NotTheSameRoute(Exception):  # noqa: N818 - a finding about the world, not a fault of the program
    """The route no longer is what the decision to lower was made on."""


def lowering(route: dict[str, Any], observed: ObservedRoute, plan: RoutePlan, epoch: str) -> list[dict[str, Any]]:
    """JSON Patch giving plan.stable all but min(plan.weight, what the candidate has); [] when it has that.

    Tests which backend stands where and which version is stable; never weights, never resourceVersion. The
    `epoch` is written along unless it is "". Raises NotTheSameRoute when plan.stable cannot be found, or the mark.
    """
    now = read(route)
    if now.foreign:
        raise NotTheSameRoute(f"the route is somebody else's by now: {now.foreign}")
    rules = mappings(mapping(route.get("spec")).get("rules"))
    split = split_index(rules)
    if split is None:
        raise NotTheSameRoute("the route has no rule named split")
    if now.stable not in (None, observed.stable):
        raise NotTheSameRoute(f"the route now says that version {now.stable} is stable, not {observed.stable}")
    refs = mappings(rules[split].get("backendRefs"))
    known = {backend.service: backend.version for backend in observed.backends if backend.version}
    versions = [known.get(str(ref.get("name"))) for ref in refs]
    weights = _lowered(refs, versions, plan)
    change = _replace_refs(route, split, refs, weights, plan)
    if now.mirror > plan.mirror:
        change += without_copies(rules[split], split, _services(route, refs))
    stable_services = {service for service, version in known.items() if version == plan.stable}
    change += _drop_rules(rules, split, stable_services, keep_testers=plan.testers)
    if not change:
        return []
    return _tests(route, split, refs) + change + epoch_patch(route, epoch)


def _lowered(refs: list[dict[str, Any]], versions: list[str | None], plan: RoutePlan) -> list[int]:
    """The weights to write, in the order of `refs`, totalling 100; all 0 where plan.stable is absent."""
    current = [weight_of(ref) for ref in refs]
    total = sum(current) or 1
    has = sum(w for w, v in zip(current, versions, strict=True) if v == plan.candidate) * FULL_WEIGHT // total
    candidate = min(plan.weight, has) if plan.candidate in versions else 0
    lowered = [0] * len(refs)
    if plan.stable not in versions:
        return lowered
    if candidate:
        lowered[versions.index(plan.candidate)] = candidate
    mine = [index for index, version in enumerate(versions) if version == plan.stable]
    lowered[max(mine, key=lambda index: current[index])] = FULL_WEIGHT - candidate  # it may keep a place without weight
    return lowered


def _replace_refs(
    route: dict[str, Any], split: int, refs: list[dict[str, Any]], weights: list[int], plan: RoutePlan
) -> list[dict[str, Any]]:
    at = f"/spec/rules/{split}/backendRefs"
    if sum(weights) == FULL_WEIGHT:  # less where stable is not among them
        return [
            {"op": "add", "path": f"{at}/{index}/weight", "value": weight}
            for index, (ref, weight) in enumerate(zip(refs, weights, strict=True))
            if ref.get("weight") != weight
        ]
    # Someone took stable out of the split: the annotation still knows its Service.
    known = services_of(notes_of(route)).get(plan.stable)
    if known is None:
        raise NotTheSameRoute(f"no backend of the route's split serves version {plan.stable}")
    only = {"group": "", "kind": "Service", "name": known[0], "port": known[1], "weight": FULL_WEIGHT}
    return [{"op": "add", "path": at, "value": [only]}]


def _services(route: dict[str, Any], refs: list[dict[str, Any]]) -> set[str]:
    known = {service for service, _ in services_of(notes_of(route)).values()}
    return known | {str(ref.get("name")) for ref in refs}


def _drop_rules(
    rules: list[dict[str, Any]], split: int, stable_services: set[str], *, keep_testers: bool
) -> list[dict[str, Any]]:
    """Remove every other rule that leads elsewhere than to stable; the last first, so that indices hold."""
    patch: list[dict[str, Any]] = []
    for index in reversed(range(len(rules))):
        rule = rules[index]
        if index == split or (keep_testers and is_testers(rule)):
            continue
        names = [str(ref.get("name")) for ref in mappings(rule.get("backendRefs"))]
        if set(names) <= stable_services:
            continue
        at = f"/spec/rules/{index}"
        patch += [
            {"op": "test", "path": f"{at}/backendRefs/{place}/name", "value": name} for place, name in enumerate(names)
        ]
        patch.append({"op": "remove", "path": at})
    return patch


def _tests(route: dict[str, Any], split: int, refs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    at = f"/spec/rules/{split}"
    tests = [
        {"op": "test", "path": f"{at}/backendRefs/{index}/name", "value": ref.get("name")}
        for index, ref in enumerate(refs)
    ]
    if route["spec"]["rules"][split].get("name"):
        tests.insert(0, {"op": "test", "path": f"{at}/name", "value": SPLIT})
    notes = mapping(route["metadata"].get("annotations"))
    tests += [
        {"op": "test", "path": f"/metadata/annotations/{pointer(key)}", "value": notes[key]}
        for key in (STABLE, RESOURCE)
        if notes.get(key) is not None
    ]
    uid = route["metadata"].get("uid")
    return [*tests, {"op": "test", "path": "/metadata/uid", "value": uid}] if uid else tests


def with_every_backend_named(observed: ObservedRoute) -> ObservedRoute:
    """The route with the Service's name for a version wherever the annotations name none."""
    backends = tuple(b if b.version else replace(b, version=b.service) for b in observed.backends)
    return replace(observed, backends=backends)


def stable_at_release(observed: ObservedRoute) -> str:
    """The version to leave the traffic with: stable's, the annotated one's, or else what stands in stable's place."""
    notes = notes_of(observed.raw) if isinstance(observed, ObservedHTTPRoute) else {}
    annotated = notes.get(STABLE)
    if observed.stable or annotated in services_of(notes):
        return str(observed.stable or annotated)
    return observed.backends[min(observed.place, len(observed.backends) - 1)].version if observed.backends else ""


def epoch_patch(route: dict[str, Any], epoch: str) -> list[dict[str, Any]]:
    """The operations that write `epoch`; none where it stands already or is ""."""
    notes = mapping(mapping(route.get("metadata")).get("annotations"))
    if not epoch or notes.get(EPOCH) == epoch:
        return []
    if not notes:
        return [{"op": "add", "path": "/metadata/annotations", "value": {EPOCH: epoch}}]
    return [{"op": "add", "path": f"/metadata/annotations/{pointer(EPOCH)}", "value": epoch}]


def pointer(key: str) -> str:
    """`key` as one part of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def is_newer(theirs: str | None, mine: str) -> bool:
    """Whether the epoch on a route belongs to a later leader; anything unreadable does not."""
    return order_of(theirs or "") > order_of(mine)
