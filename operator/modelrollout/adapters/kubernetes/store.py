"""The ModelRollout objects: every write is fenced by what was read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelrollout.adapters.kubernetes.client import Api, path_of
from modelrollout.adapters.kubernetes.command_annotation import COMMAND, command_text
from modelrollout.api.base import GROUP, GROUP_VERSION, KIND, PLURAL
from modelrollout.api.borders.cleaning import mapping
from modelrollout.ports import Conflict, NotFound, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterable

FINALIZER = f"{GROUP}/traffic"
PAGE = "500"
TRIES = 3
_NAMES_ALONE = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
"""Without spec and status; a server that cannot leave them out sends all."""


class KubernetesStore:
    """The ObjectStore of ports.py."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def get(self, namespace: str, name: str) -> dict[str, Any] | None:
        """The object as stored now; None when it is gone."""
        return await self._api.get(_path(namespace, name))

    async def list_all(self, namespace: str | None = None) -> list[dict[str, Any]]:
        """Every ModelRollout, of one namespace or of all, read in pages."""
        return await self._listed(namespace, "application/json")

    async def versions(self, namespaces: Iterable[str]) -> list[tuple[str, str, str]]:
        """(namespace, name, resourceVersion) of every ModelRollout in these namespaces, in all where there are none."""
        listed = [await self._listed(one, _NAMES_ALONE) for one in tuple(namespaces) or (None,)]
        metas = [mapping(mapping(each).get("metadata")) for items in listed for each in items]
        keys = ("namespace", "name", "resourceVersion")
        return [
            (str(meta[keys[0]]), str(meta[keys[1]]), str(meta[keys[2]])) for meta in metas if meta.keys() >= {*keys}
        ]

    async def _listed(self, namespace: str | None, accept: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        query = {"limit": PAGE}
        while True:
            page = await self._api.request("GET", _path(namespace), query=query, accept=accept)
            found += page.get("items") or []
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return found
            query = {"limit": PAGE, "continue": token}

    async def write_status(self, obj: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
        """Replace the status of `obj` and return the object as stored; the same again writes nothing.

        Fenced by resourceVersion and uid: Conflict when either differs or the object is gone.
        """
        if (obj.get("status") or {}) == status:
            return obj
        kept = ("name", "namespace", "uid", "resourceVersion")
        meta = {key: obj["metadata"][key] for key in kept}
        body = {"apiVersion": GROUP_VERSION, "kind": KIND, "metadata": meta, "status": status}
        try:
            return await self._api.put(_path_of(obj) + "/status", body)
        except NotFound as error:  # gone, or created again with another uid: old API servers say 409, newer ones 404
            raise Conflict(str(error)) from None

    async def consume_command(self, obj: dict[str, Any]) -> None:
        """Remove the command that `obj` was read with; a newer one stays, one already gone is no error."""
        text = command_text(obj)
        if text is None:
            return
        at = f"/metadata/annotations/{COMMAND.replace('/', '~1')}"
        test = {"op": "test", "path": at, "value": text}
        try:
            await self._api.patch(_path_of(obj), [_same(obj), test, {"op": "remove", "path": at}])
        except NotFound:
            return
        except Unreachable as error:
            if error.reason != "ApiInvalid":
                raise
            # A failed test and a refused object look the same (422): only reading the object shows which.
            now = await self._api.get(_path_of(obj))
            if now is not None and _uid(now) == _uid(obj) and command_text(now) == text:
                raise

    async def add_finalizer(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Put our finalizer on; raises Conflict when `obj` is stale or gone. Returns the object as stored."""
        finalizers = obj["metadata"].get("finalizers") or []
        if FINALIZER in finalizers:
            return obj
        meta = {"resourceVersion": obj["metadata"]["resourceVersion"], "finalizers": [*finalizers, FINALIZER]}
        try:
            return await self._api.patch(_path_of(obj), {"metadata": meta})
        except NotFound as error:
            raise Conflict(str(error)) from None

    async def drop_finalizer(self, obj: dict[str, Any]) -> None:
        """Release the object; other changes at the same time stay, and an object that is gone is no error."""
        now: dict[str, Any] | None = obj
        for attempt in range(1, TRIES + 1):
            if now is None or _uid(now) != _uid(obj):
                return
            finalizers = now["metadata"].get("finalizers") or []
            if FINALIZER not in finalizers:
                return
            at = f"/metadata/finalizers/{finalizers.index(FINALIZER)}"
            test = {"op": "test", "path": at, "value": FINALIZER}
            try:
                await self._api.patch(_path_of(obj), [_same(obj), test, {"op": "remove", "path": at}])
            except NotFound:
                return
            except (Conflict, Unreachable) as error:
                passing = isinstance(error, Conflict) or error.reason == "ApiInvalid"
                if attempt == TRIES or not passing:
                    raise
                now = await self._api.get(_path_of(obj))
            else:
                return


def _path(namespace: str | None = None, name: str | None = None) -> str:
    return path_of(GROUP_VERSION, PLURAL, namespace, name)


def _path_of(obj: dict[str, Any]) -> str:
    return _path(obj["metadata"]["namespace"], obj["metadata"]["name"])


def _uid(obj: dict[str, Any]) -> str:
    return str(obj["metadata"].get("uid", ""))


def _same(obj: dict[str, Any]) -> dict[str, Any]:
    """The operation that fails on another object of the same name."""
    return {"op": "test", "path": "/metadata/uid", "value": _uid(obj)}
