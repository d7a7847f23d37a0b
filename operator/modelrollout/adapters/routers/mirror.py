"""Copies of requests are a filter of the rule that splits the traffic: made, read, and taken off with any lowering."""

from __future__ import annotations

from typing import Any

from modelrollout.api.borders.cleaning import mapping, mappings, whole_number

MIRROR = "RequestMirror"
ALL = 100


def copies(service: str, port: int, percent: int) -> dict[str, Any]:
    """The filter that sends `service` a copy of `percent` of the requests; the answers to copies go nowhere."""
    ref = {"group": "", "kind": "Service", "name": service, "port": port}
    mirror: dict[str, Any] = {"backendRef": ref} | ({"percent": percent} if percent < ALL else {})
    return {"type": MIRROR, "requestMirror": mirror}


def copied(rule: dict[str, Any], services: set[str]) -> int:
    """Percent of the rule's requests of which one of the `services` gets a copy: the most of any filter."""
    shares = [_share(each) for each in mappings(rule.get("filters")) if _to(each) in services]
    return max(shares, default=0)


def without_copies(rule: dict[str, Any], index: int, services: set[str]) -> list[dict[str, Any]]:
    """JSON Patch that takes every copy to one of the `services` off; each is tested, the last comes first."""
    patch: list[dict[str, Any]] = []
    filters = rule.get("filters")
    for place, each in reversed(list(enumerate(filters if isinstance(filters, list) else []))):
        if isinstance(each, dict) and _to(each) in services:
            at = f"/spec/rules/{index}/filters/{place}"
            patch += [
                {"op": "test", "path": f"{at}/requestMirror/backendRef/name", "value": _to(each)},
                {"op": "remove", "path": at},
            ]
    return patch


def _to(each: dict[str, Any]) -> str:
    """The Service that gets the copies; "" where it is another filter."""
    return str(mapping(mapping(each.get("requestMirror")).get("backendRef")).get("name") or "")


def _share(each: dict[str, Any]) -> int:
    mirror = mapping(each.get("requestMirror"))
    if "percent" in mirror:
        return whole_number(mirror["percent"], 0, ALL, ALL)
    return ALL
