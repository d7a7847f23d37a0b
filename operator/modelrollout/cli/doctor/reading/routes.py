"""Every other route that may take requests of ours, as far as this person may list them."""

from __future__ import annotations

from typing import Any

from modelrollout.adapters.kubernetes.client import Api, path_of
from modelrollout.adapters.routers.forms.form import GROUP_VERSION, GRPC, H2C, HTTP
from modelrollout.api.borders.cleaning import clean, mapping, mappings
from modelrollout.ports import Conflict, Unreachable

_KINDS = {"HTTPRoute": "httproutes", "GRPCRoute": "grpcroutes"}
_PAGE, _MOST_PAGES = "200", 25


async def other_routes(api: Api, namespace: str, name: str) -> tuple[tuple[dict[str, Any], ...], str]:
    """(the routes but for those of the resource `name`, which ones are not among them and why)."""
    found: list[dict[str, Any]] = []
    unlisted = ""
    for kind, plural in _KINDS.items():
        try:
            routes, missing = await _listed(api, plural, namespace)
        except (Conflict, Unreachable) as error:
            if getattr(error, "reason", "") == "KindMissing":
                continue  # this cluster has no such routes
            routes, missing = [], f"{kind}s: {error}"
        found += [one | {"kind": kind} for one in routes]
        unlisted = unlisted or missing
    return tuple(one for one in found if not _is(one, namespace, name)), unlisted


def _is(route: dict[str, Any], namespace: str, name: str) -> bool:
    meta = mapping(route.get("metadata"))
    here = (route["kind"], meta.get("namespace"), meta.get("name"))
    return any(here == (form.kind, namespace, form.named(namespace, name)) for form in (HTTP, GRPC, H2C))


async def _listed(api: Api, plural: str, namespace: str) -> tuple[list[dict[str, Any]], str]:
    """Of the whole cluster; of the namespace alone, with a sentence, where no more may be listed."""
    try:
        return await _pages(api, path_of(GROUP_VERSION, plural))
    except Unreachable as error:
        if error.reason != "ApiForbidden":
            raise
        found, cut = await _pages(api, path_of(GROUP_VERSION, plural, namespace))
        return found, cut or f"you may list {plural} of namespace {namespace} alone"


async def _pages(api: Api, path: str) -> tuple[list[dict[str, Any]], str]:
    found: list[dict[str, Any]] = []
    query = {"limit": _PAGE}
    for _ in range(_MOST_PAGES):
        answer = await api.request("GET", path, query=query)
        found += mappings(answer.get("items"))
        after = clean(mapping(answer.get("metadata")).get("continue"), 4096)
        if not after:
            return found, ""
        query = {"limit": _PAGE, "continue": after}
    return found, f"there are more than {len(found)}"
