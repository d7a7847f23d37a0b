"""Which rule of Git's route splits the traffic, and what keeps it from being split there: found, never guessed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelrollout.adapters.routers.reading import weight_of
from modelrollout.api.borders.cleaning import LONGEST_SAID, clean, mapping, mappings

if TYPE_CHECKING:
    from modelrollout.adapters.routers.adopted.mark import Adoption

MOST_NAMED = 4
"""Rules or backends that one sentence names."""


@dataclass(frozen=True)
class Ref:
    """One backend of a rule that a version is served by."""

    index: int
    version: str
    service: str
    port: int
    weight: int


@dataclass(frozen=True)
class Rule:
    """One rule that leads to at least one version."""

    index: int
    name: str
    refs: tuple[Ref, ...]
    others: tuple[tuple[str, int], ...]
    """(name, weight) of what else the rule leads to, where that has weight."""
    filtered: bool

    def weight_of(self, version: str) -> int:
        """Of the whole rule, as it is written."""
        return sum(ref.weight for ref in self.refs if ref.version == version)

    @property
    def versions(self) -> set[str]:
        return {ref.version for ref in self.refs}


def rules_of(route: dict[str, Any], adoption: Adoption) -> list[Rule]:
    """Every rule that leads to a version of the model, in the route's order."""
    namespace = mapping(route.get("metadata")).get("namespace")
    found = enumerate(mappings(mapping(route.get("spec")).get("rules")))
    rules = [_rule(index, rule, adoption, namespace) for index, rule in found]
    return [rule for rule in rules if rule.refs]


def _rule(index: int, rule: dict[str, Any], adoption: Adoption, namespace: Any) -> Rule:
    refs: list[Ref] = []
    others: list[tuple[str, int]] = []
    backends = mappings(rule.get("backendRefs"))
    for place, ref in enumerate(backends):
        name, port = clean(ref.get("name"), LONGEST_SAID), ref.get("port")
        here = ref.get("namespace") in (None, namespace) and ref.get("kind") in (None, "Service")
        version = adoption.version_of(name) if here and not ref.get("group") else ""
        weight = weight_of(ref)
        if version:
            refs.append(Ref(place, version, name, port if isinstance(port, int) else 0, weight))
        elif weight:
            others.append((name, weight))
    filtered = bool(backends) and all(mappings(ref.get("filters")) for ref in backends)
    return Rule(index, clean(rule.get("name"), LONGEST_SAID), tuple(refs), tuple(others), filtered)


def split_of(route: dict[str, Any], adoption: Adoption) -> tuple[Rule | None, str]:
    """(the rule that splits the traffic, "") or (None, why there is no such rule)."""
    rules = rules_of(route, adoption)
    if not adoption.rule:
        return (rules[0], "") if len(rules) == 1 else (None, _not_one(rules, adoption))
    named = [rule for rule in rules if rule.name == adoption.rule]
    if len(named) == 1:
        return named[0], ""
    every = [clean(one.get("name"), LONGEST_SAID) for one in mappings(mapping(route.get("spec")).get("rules"))]
    if adoption.rule in every:
        text = f"its rule {adoption.rule} leads to no Service like {adoption.service}"
        return None, f"{text}: add the versions' backends to it in Git, or put spec.serving.service right"
    known = _listed([name or "one without a name" for name in every]) or "none"
    return None, f"it has no rule named {adoption.rule} (its rules: {known}): put spec.traffic.adopt.rule right"


def _not_one(rules: list[Rule], adoption: Adoption) -> str:
    if not rules:
        text = f"no rule of it leads to a Service like {adoption.service}"
        return f"{text}: add the versions' backends to one in Git, or put spec.serving.service right"
    names = _listed([rule.name or f"rules[{rule.index}]" for rule in rules])
    return f"several of its rules lead to the model ({names}): name one of them in spec.traffic.adopt.rule"


def wrong_with(rule: Rule, adoption: Adoption) -> str:
    """What keeps this rule from being split by percent; "" where nothing does."""
    name = f"its rule {rule.name}" if rule.name else f"its rules[{rule.index}]"
    if len(rule.versions) < len(rule.refs):
        return f"{name} has the same Service twice: keep one backend for each version"
    if rule.others:
        also = _listed([f"{service} (weight {weight})" for service, weight in rule.others])
        return f"{name} also leads to {also}: give it weight 0 or a rule of its own, or percents mean nothing"
    ports = [f"{ref.service}:{ref.port}" for ref in rule.refs if ref.port != adoption.port]
    if ports:
        return f"{name} leads to {_listed(ports)}, and spec.serving.port is {adoption.port}: make them the same"
    return ""


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
