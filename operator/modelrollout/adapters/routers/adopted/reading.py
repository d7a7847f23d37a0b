"""What a route of Git's says of a rollout: its mark names stable, its weights say what everybody has."""

from __future__ import annotations

from typing import Any

from modelrollout.adapters.kubernetes.managed_fields import manager_of
from modelrollout.adapters.routers.adopted.mark import MARK, Adoption, Mark, read_mark
from modelrollout.adapters.routers.adopted.rule import Rule, rules_of, split_of, wrong_with
from modelrollout.adapters.routers.httproute import EPOCH, RESOURCE, STABLE
from modelrollout.adapters.routers.reading import ObservedHTTPRoute, acceptance_of, notes_of
from modelrollout.api.borders.cleaning import LONGEST_SAID, clean, mapping, mappings
from modelrollout.core.git_rule import GitRule
from modelrollout.core.observation import Backend

STRUCTURE = "Git's"
"""Of every plan and every such route: all but the weights is nobody's business here."""


def read_adopted(route: dict[str, Any], adoption: Adoption) -> ObservedHTTPRoute:
    """The route as this adoption sees it."""
    meta, notes = mapping(route.get("metadata")), notes_of(route)
    mark = mark_on(route, adoption)
    split, why = split_of(route, adoption)
    parents = _parents(route, adoption)
    backends = _backends(split or _worst(rules_of(route, adoption), mark))
    stable, doubt = _stable(mark, backends)
    acceptance, reason = acceptance_of(parents or route)
    return ObservedHTTPRoute(
        stable=stable,
        backends=tuple(sorted(backends, key=lambda backend: backend.version != stable)),
        resource_version=clean(meta.get("resourceVersion"), LONGEST_SAID),
        epoch=notes.get(EPOCH),
        acceptance=acceptance,
        acceptance_reason=reason,
        manager=manager_of(meta, "f:spec", "f:rules"),
        doubt=doubt,
        foreign=_foreign(notes, adoption),
        version_header=bool(split and split.filtered),
        structure=STRUCTURE,
        raw=route,
        adopted=adoption.title,
        unfit=why or (wrong_with(split, adoption) if split else "") or ("" if parents else _no_parent(adoption)),
        serving=_serving(backends),
        git=_found(adoption, split),
    )


def mark_on(route: dict[str, Any], adoption: Adoption) -> Mark | None:
    """The mark of this resource on the route."""
    mark = read_mark(notes_of(route).get(MARK))
    return mark if mark is not None and mark.resource == adoption.resource else None


def _foreign(notes: dict[str, str], adoption: Adoption) -> str:
    """Why the route is another resource's: it carries another adoption's mark, or that of a route of its own."""
    mark = read_mark(notes.get(MARK))
    other = mark.resource if mark is not None and mark.resource != adoption.resource else ""
    if other:
        return f"{adoption.title} is adopted by ModelRollout {other} already (its annotation {MARK})"
    owner = notes.get(RESOURCE)
    if owner not in (None, adoption.resource) and STABLE in notes:
        text = f"{adoption.title} is the own route of ModelRollout {clean(owner, LONGEST_SAID)}"
        return f"{text} (its annotation {RESOURCE}), not one of Git's"
    return ""


def _stable(mark: Mark | None, backends: list[Backend]) -> tuple[str | None, str]:
    if mark is None:
        return None, "the route has no mark that names the version that serves"
    if mark.stable not in {backend.version for backend in backends}:
        return None, f"the route's mark names version {mark.stable}, but no backend of its rule serves it"
    return mark.stable, ""


def _serving(backends: list[Backend]) -> str | None:
    """The one version that has all the weight."""
    weighty = {backend.version for backend in backends if backend.weight}
    return weighty.pop() if len(weighty) == 1 else None


def _backends(rule: Rule | None) -> list[Backend]:
    return [Backend(ref.version, ref.service, ref.port, ref.weight) for ref in (rule.refs if rule else ())]


def _worst(rules: list[Rule], mark: Mark | None) -> Rule | None:
    """Where the named rule is gone: of those that stable is in, the one that gives others most."""
    if mark is None:
        return None
    beside = [rule for rule in rules if mark.stable in rule.versions]
    return max(beside, key=lambda rule: _share_of_others(rule, mark.stable), default=None)


def _share_of_others(rule: Rule, stable: str) -> float:
    total = sum(ref.weight for ref in rule.refs)
    return 0.0 if not total else 1 - rule.weight_of(stable) / total


def _parents(route: dict[str, Any], adoption: Adoption) -> dict[str, Any] | None:
    """The route with the parents alone that the spec names; None where it has none of them."""
    if adoption.gateway is None:
        return route
    space, name, section = adoption.gateway
    own = mapping(route.get("metadata")).get("namespace")
    refs = mappings(mapping(route.get("spec")).get("parentRefs"))
    mine = [
        ref
        for ref in refs
        if (ref.get("namespace") or own, ref.get("name")) == (space, name) and section in (None, ref.get("sectionName"))
    ]
    return route | {"spec": mapping(route.get("spec")) | {"parentRefs": mine}} if mine else None


def _no_parent(adoption: Adoption) -> str:
    space, name, section = adoption.gateway or ("", "", None)
    listener = f" (listener {section})" if section else ""
    return f"it is not attached to Gateway {space}/{name}{listener}: put spec.traffic.gateway right"


def _found(adoption: Adoption, split: Rule | None) -> GitRule | None:
    if split is None:
        return None
    return GitRule(adoption.route, split.index, tuple((ref.version, ref.index) for ref in split.refs), split.filtered)
