"""One list of names and versions says of all copies at once whether they are still what is stored."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from modelrollout.adapters.kubernetes.client import Api, path_of
from modelrollout.api.base import GROUP_VERSION, PLURAL
from modelrollout.api.borders.cleaning import mapping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelrollout.adapters.kubernetes.copies.known import Known

log = logging.getLogger(__name__)
ROUTES = ("gateway.networking.k8s.io/v1", "httproutes")
PAGE, MOST = 500, 5000
"""Objects of one kind in a page, and those that are listed: where there are more, each of ours is read by itself."""
FEW = 4
"""Namespaces that are listed by themselves; with more all are, where this process may."""
NAMES_ALONE = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
Versions = list[tuple[str, str, str]]


class Confirming:
    """Lists what Known follows. `namespaces`: those that the process may list; none for all."""

    def __init__(self, api: Api, known: Known, namespaces: Sequence[str]) -> None:
        self._api, self._known, self._namespaces = api, known, frozenset(namespaces)

    async def resources(self) -> Versions:
        """(namespace, name, resourceVersion) of the resources that are followed. Raises Unreachable."""
        return await self._confirmed(GROUP_VERSION, PLURAL)

    async def routes(self) -> Versions:
        """The same of HTTPRoutes that are called as they are. A GRPCRoute has no such list: its copies grow old."""
        return await self._confirmed(*ROUTES)

    async def _confirmed(self, group_version: str, plural: str) -> Versions:
        wanted = self._known.namespaces
        if not wanted:
            return []
        at, found = self._known.now(), Versions()
        for namespace in sorted(wanted) if self._namespaces or len(wanted) <= FEW else (None,):
            here = await self._listed(path_of(group_version, plural, namespace))
            if here is None:
                return []
            found += here
        followed = [one for one in found if self._known.follows(*one[:2])]
        self._known.listed(followed, partial(path_of, group_version, plural), at, wanted)
        return followed

    async def _listed(self, path: str) -> Versions | None:
        """None where there are too many."""
        found, query = Versions(), {"limit": str(PAGE)}
        while True:
            page = await self._api.request("GET", path, query=query, accept=NAMES_ALONE)
            for each in page.get("items") or []:
                meta = mapping(mapping(each).get("metadata"))
                found.append(tuple(str(meta.get(key)) for key in ("namespace", "name", "resourceVersion")))  # type: ignore[arg-type] # three of them
            token = mapping(page.get("metadata")).get("continue")
            if not token:
                return found
            if len(found) >= MOST:
                log.info("there are more than %d objects at %s: each of ours is read by itself", MOST, path)
                return None
            query = {"limit": str(PAGE), "continue": str(token)}
