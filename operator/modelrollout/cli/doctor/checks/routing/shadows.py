"""Which other routes of the same Gateway take requests of ours: by host name, then path, then headers, then age."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from modelrollout.api.borders.cleaning import clean, mapping, mappings
from modelrollout.api.traffic.protocols import SPLIT_PATHS
from modelrollout.cli.doctor.checks.routing.hosts import ANY, meet, precedence

Take = Literal["all", "infer", "part", "none"]
"""All requests of ours, all that infer, some of them; or none, since ours is served first."""
_LONGEST = 253
_MOST = 200
"""Names and matches of one route that are looked at."""


@dataclass(frozen=True)
class Shadow:
    """One route that takes requests: `what` it asks for, and of which `host`."""

    kind: str
    namespace: str
    name: str
    take: Take
    host: str
    what: str


def shadows(ours: dict[str, Any], prefix: str, gateway: tuple[str, str], others: Iterable[Any]) -> Iterator[Shadow]:
    """The routes among `others` that share hosts with `ours` on `gateway` (namespace, name) and take `prefix`."""
    for other in others:
        if not _attached(other, gateway, _sections(ours, gateway)) or _rejected(other, gateway):
            continue
        found = [one for host in hosts_of(ours) for one in _of_host(ours, other, host, prefix)]
        order: tuple[Take, ...] = ("all", "infer", "part", "none")
        if found:
            yield min(found, key=lambda one: order.index(one.take))


def hosts_of(route: dict[str, Any]) -> list[str]:
    """The host names that a route asks for."""
    names = mapping(route.get("spec")).get("hostnames")
    found = [clean(name, _LONGEST) for name in names[:_MOST]] if isinstance(names, list) else []
    return found or [ANY]


def _of_host(ours: dict[str, Any], other: dict[str, Any], host: str, prefix: str) -> Iterator[Shadow]:
    for theirs in hosts_of(other):
        if not meet(host, theirs) or precedence(theirs) < precedence(host):
            continue
        if other.get("kind") == "GRPCRoute":
            yield _shadow(other, "part", theirs, "the same host name for gRPC: one listener accepts one of the two")
            continue
        for match in _matches(other):
            take, what = _taken(match, prefix, exact_alone=host == theirs)
            if take in ("all", "infer") and host != theirs:
                take = "part"
            if take == "infer" and _age(ours) <= _age(other):
                take = "none"
            if what:
                yield _shadow(other, take, theirs, what)


def _shadow(other: dict[str, Any], take: Take, host: str, what: str) -> Shadow:
    namespace, name = _names(other)
    return Shadow(clean(other.get("kind"), 32) or "HTTPRoute", namespace, name, take, host, what)


def _taken(match: dict[str, Any], prefix: str, *, exact_alone: bool) -> tuple[Take, str]:
    """What of our paths below `prefix` such a match takes; "" where it takes nothing or is served after ours.

    Ours are whole paths, which go before every prefix of the same host: there it takes nothing (`exact_alone`).
    """
    path = mapping(match.get("path"))
    kind, value = path.get("type") or "PathPrefix", clean(path.get("value") or "/", 1024)
    base = value.rstrip("/") if kind == "PathPrefix" else value
    if kind == "Exact":
        taken = [end for end in SPLIT_PATHS if prefix + end == value]
    else:
        wider = kind == "PathPrefix" and not exact_alone
        taken = [end for end in SPLIT_PATHS if wider and f"{prefix}{end}/".startswith(f"{base}/")]
    if not taken:
        return "none", ""
    if any(match.get(key) for key in ("headers", "queryParams", "method")):
        return "part", f"{value} with certain headers, parameters or methods"
    if len(taken) == len(SPLIT_PATHS):
        return "all", value
    return ("infer" if "/infer" in taken else "part"), value


def _matches(route: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for rule in mappings(mapping(route.get("spec")).get("rules"))[:_MOST]:
        yield from (mappings(rule.get("matches")) or [{}])[:_MOST]


def _age(route: dict[str, Any]) -> tuple[str, str]:
    """The older, and of the same second the first by its name, is served first."""
    meta = mapping(route.get("metadata"))
    return clean(meta.get("creationTimestamp"), 64), "/".join(_names(route))


def _names(route: dict[str, Any]) -> tuple[str, str]:
    meta = mapping(route.get("metadata"))
    return clean(meta.get("namespace"), _LONGEST), clean(meta.get("name"), _LONGEST)


def _parents(route: dict[str, Any], gateway: tuple[str, str], refs: Any) -> list[dict[str, Any]]:
    """Those of `refs` that mean the Gateway."""
    own, _ = _names(route)
    return [
        ref
        for ref in mappings(refs)
        if (ref.get("kind") or "Gateway") == "Gateway" and (ref.get("namespace") or own, ref.get("name")) == gateway
    ]


def _sections(route: dict[str, Any], gateway: tuple[str, str]) -> set[str]:
    """The listeners that it names; empty where it means all."""
    refs = _parents(route, gateway, mapping(route.get("spec")).get("parentRefs"))
    named = {clean(ref.get("sectionName"), _LONGEST) for ref in refs}
    return set() if "" in named else named


def _attached(route: dict[str, Any], gateway: tuple[str, str], sections: set[str]) -> bool:
    if not _parents(route, gateway, mapping(route.get("spec")).get("parentRefs")):
        return False
    theirs = _sections(route, gateway)
    return not sections or not theirs or bool(sections & theirs)


def _rejected(route: dict[str, Any], gateway: tuple[str, str]) -> bool:
    """Whether every listener that it means has refused it: then it takes nothing."""
    answers = statuses(route, gateway)
    return bool(answers) and all(condition(one, "Accepted").get("status") == "False" for one in answers)


def statuses(route: dict[str, Any], gateway: tuple[str, str]) -> list[dict[str, Any]]:
    """What controllers say of the route at this Gateway."""
    own, _ = _names(route)
    found = mappings(mapping(route.get("status")).get("parents"))
    refs = ((one, mapping(one.get("parentRef"))) for one in found)
    return [one for one, ref in refs if (ref.get("namespace") or own, ref.get("name")) == gateway]


def condition(of: dict[str, Any], kind: str) -> dict[str, Any]:
    """The condition of that type, or an empty one."""
    return next((one for one in mappings(of.get("conditions")) if one.get("type") == kind), {})
