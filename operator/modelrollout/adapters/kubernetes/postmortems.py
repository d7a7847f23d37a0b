"""Post-mortems are ModelRolloutSnapshots: they go when their ModelRollout goes; nobody else's is written.

A kind of our own, with the data of a ConfigMap: where everybody's ConfigMaps are, a right to write them would be one to
change other people's programs.
"""

from __future__ import annotations

from typing import Any

from modelrollout.adapters.kubernetes.client import Api, path_of
from modelrollout.adapters.kubernetes.snapshot_kind import SNAPSHOT_KIND, SNAPSHOT_PLURAL
from modelrollout.api.base import GROUP, GROUP_VERSION, KIND, PLURAL
from modelrollout.ports import Conflict, NotOurs


class KubernetesPostmortems:
    """The PostmortemStore of ports.py."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def save(self, obj: dict[str, Any], name: str, data: dict[str, str]) -> None:
        """Write a snapshot beside the resource; it goes when the resource goes."""
        namespace = obj["metadata"]["namespace"]
        owner = {
            "apiVersion": GROUP_VERSION,
            "kind": KIND,
            "name": obj["metadata"]["name"],
            "uid": str(obj["metadata"].get("uid", "")),
        }
        meta = {"name": name, "namespace": namespace, "ownerReferences": [owner]}
        body = {"apiVersion": GROUP_VERSION, "kind": SNAPSHOT_KIND, "metadata": meta, "data": data}
        try:
            await self._api.post(path_of(GROUP_VERSION, SNAPSHOT_PLURAL, namespace), body)
        except Conflict:
            await self._replace(namespace, name, owner, data)

    async def _replace(self, namespace: str, name: str, owner: dict[str, str], data: dict[str, str]) -> None:
        """An older snapshot may stand in this place: it is ours where a resource of this kind and name owns it."""
        path = path_of(GROUP_VERSION, SNAPSHOT_PLURAL, namespace, name)
        now = await self._api.request("GET", path)
        ours = [one for one in now["metadata"].get("ownerReferences") or [] if _same(one, owner)]
        if not ours:
            raise NotOurs(f"the {SNAPSHOT_KIND} {namespace}/{name} is somebody else's and was left as it is; rename it")
        if all(one.get("uid") != owner["uid"] for one in ours):
            await self._refuse_the_dead(namespace, owner)
        meta = {"resourceVersion": now["metadata"]["resourceVersion"], "ownerReferences": [owner]}
        await self._api.patch(path, {"metadata": meta, "data": data})

    async def _refuse_the_dead(self, namespace: str, owner: dict[str, str]) -> None:
        """Of two resources of one name the one that exists now has the place: a late snapshot goes nowhere."""
        found = await self._api.request("GET", path_of(GROUP_VERSION, PLURAL, namespace, owner["name"]))
        if found["metadata"].get("uid") != owner["uid"]:
            raise Conflict(f"{namespace}/{owner['name']} is another ModelRollout by now, whose snapshots are its own")


def _same(one: dict[str, Any], owner: dict[str, str]) -> bool:
    group, kind = str(one.get("apiVersion", "")).partition("/")[0], one.get("kind")
    return (group, kind, one.get("name")) == (GROUP, KIND, owner["name"])
