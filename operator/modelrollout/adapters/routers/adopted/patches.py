"""The JSON Patches on a route of Git's: they test what was read, and write weights of named backends and the mark.

A lowering tests which backend stands where and never how much it has. Everything else is fenced by resourceVersion too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelrollout.adapters.routers.adopted.mark import MARK
from modelrollout.adapters.routers.adopted.reading import mark_on
from modelrollout.adapters.routers.adopted.rule import Rule, rules_of, split_of
from modelrollout.adapters.routers.httproute import EPOCH, OURS, RESOURCE
from modelrollout.adapters.routers.lowering import NotTheSameRoute, epoch_patch, pointer
from modelrollout.api.borders.cleaning import mapping
from modelrollout.core.observation import FULL_WEIGHT, RoutePlan

if TYPE_CHECKING:
    from modelrollout.adapters.routers.adopted.mark import Adoption, Mark

Patch = list[dict[str, Any]]


def lowering(route: dict[str, Any], adoption: Adoption, plan: RoutePlan, was: str | None, epoch: str) -> Patch:
    """Gives plan.stable all but min(plan.weight, what the candidate has); [] when it has that.

    Where the rule is gone, every rule in which stable stands beside another version loses the other. Raises
    NotTheSameRoute where the mark names another version as stable than it did, which `was`.
    """
    mark = mark_on(route, adoption)
    if mark is not None and mark.stable != was:
        raise NotTheSameRoute(f"the route now says that version {mark.stable} is stable, not {was}")
    split, _ = split_of(route, adoption)
    rules = [split] if split else rules_of(route, adoption)
    changes: Patch = []
    for rule in rules:
        if plan.stable in rule.versions:
            changes += _with_tests(rule, _weights(rule, _capped(rule, plan if split else RoutePlan(plan.stable))))
    return [*_same(route), *_marked(route), *changes, *epoch_patch(route, epoch)] if changes else []


def weighing(route: dict[str, Any], adoption: Adoption, plan: RoutePlan) -> Patch:
    """The weights of `plan`, with a test of every weight that was read; [] where they stand in that proportion."""
    split, _ = split_of(route, adoption)
    if split is None or not {plan.stable, plan.candidate or plan.stable} <= split.versions:
        return []
    wanted = {plan.stable: FULL_WEIGHT - _percent(plan)} | ({plan.candidate: _percent(plan)} if plan.candidate else {})
    total = sum(ref.weight for ref in split.refs)
    if total and all(ref.weight * FULL_WEIGHT == wanted.get(ref.version, 0) * total for ref in split.refs):
        return []
    weights = {ref.index: wanted.get(ref.version, 0) for ref in split.refs}
    return _with_tests(split, _weights(split, weights), _read_weights(route, split))


def marking(route: dict[str, Any], mark: Mark, epoch: str) -> Patch:
    """Writes mark and epoch where other ones stand, or none."""
    notes = mapping(mapping(route.get("metadata")).get("annotations"))
    if notes.get(MARK) == mark.written():
        return epoch_patch(route, epoch)
    both = {MARK: mark.written()} | ({EPOCH: epoch} if epoch else {})
    if not notes:
        return [{"op": "add", "path": "/metadata/annotations", "value": both}]
    return [{"op": "add", "path": f"/metadata/annotations/{pointer(key)}", "value": both[key]} for key in both]


def unmarking(route: dict[str, Any], adoption: Adoption) -> Patch:
    """Takes our mark and epoch off, each tested, and what is left of a route of the operator's own."""
    notes = mapping(mapping(route.get("metadata")).get("annotations"))
    before = OURS if notes.get(RESOURCE) == adoption.resource else ()
    patch: Patch = []
    for key in (MARK, EPOCH, *before):
        if key in notes:
            at = f"/metadata/annotations/{pointer(key)}"
            patch += [{"op": "test", "path": at, "value": notes[key]}, {"op": "remove", "path": at}]
    return patch


def fenced(route: dict[str, Any], changes: Patch) -> Patch:
    """`changes`, only while the route is the version that was read: anything else is a 409."""
    version = mapping(route.get("metadata")).get("resourceVersion")
    return [{"op": "replace", "path": "/metadata/resourceVersion", "value": version}, *_same(route), *changes]


def _percent(plan: RoutePlan) -> int:
    return plan.weight if plan.candidate else 0


def _capped(rule: Rule, plan: RoutePlan) -> dict[int, int]:
    """The lowered weight of each backend by its place, totalling 100; as before beside a backend that is no version."""
    total = sum(ref.weight for ref in rule.refs)
    full = total if rule.others else FULL_WEIGHT
    has = rule.weight_of(plan.candidate) * full // (total or 1) if plan.candidate else 0
    left = min(_percent(plan) * full // FULL_WEIGHT, has)
    named = {plan.stable: full - left} | ({plan.candidate: left} if plan.candidate else {})
    seen: set[str] = set()
    weights = {}
    for ref in rule.refs:  # a Service that stands there twice counts once
        weights[ref.index] = 0 if ref.version in seen else named.get(ref.version, 0)
        seen.add(ref.version)
    return weights


def _weights(rule: Rule, weights: dict[int, int]) -> Patch:
    lowered = [ref for ref in rule.refs if ref.weight != weights[ref.index]]
    total, full = sum(ref.weight for ref in rule.refs), sum(weights.values())
    if total and all(ref.weight * full == weights[ref.index] * total for ref in rule.refs):
        return []  # the same percents in other numbers, such as 1 and 0
    at = f"/spec/rules/{rule.index}/backendRefs"
    return [{"op": "add", "path": f"{at}/{ref.index}/weight", "value": weights[ref.index]} for ref in lowered]


def _with_tests(rule: Rule, changes: Patch, also: Patch | None = None) -> Patch:
    if not changes:
        return []
    at = f"/spec/rules/{rule.index}"
    tests = [{"op": "test", "path": f"{at}/backendRefs/{ref.index}/name", "value": ref.service} for ref in rule.refs]
    if rule.name:
        tests.insert(0, {"op": "test", "path": f"{at}/name", "value": rule.name})
    return [*tests, *(also or []), *changes]


def _read_weights(route: dict[str, Any], rule: Rule) -> Patch:
    refs = route["spec"]["rules"][rule.index]["backendRefs"]
    at = f"/spec/rules/{rule.index}/backendRefs"
    return [
        {"op": "test", "path": f"{at}/{ref.index}/weight", "value": refs[ref.index]["weight"]}
        for ref in rule.refs
        if "weight" in refs[ref.index]
    ]


def _marked(route: dict[str, Any]) -> Patch:
    """The mark says which version is stable, so it must be the one that was read."""
    notes = mapping(mapping(route.get("metadata")).get("annotations"))
    return (
        [{"op": "test", "path": f"/metadata/annotations/{pointer(MARK)}", "value": notes[MARK]}]
        if MARK in notes
        else []
    )


def _same(route: dict[str, Any]) -> Patch:
    uid = mapping(route.get("metadata")).get("uid")
    return [{"op": "test", "path": "/metadata/uid", "value": uid}] if uid else []
