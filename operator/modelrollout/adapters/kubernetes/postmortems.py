"""Post-mortems are ConfigMaps owned by their ModelRollout: they go when it goes; nobody else's is written."""

from __future__ import annotations

from typing import Any

from modelrollout.adapters.kubernetes.client import Api, path_of
from modelrollout.api.base import GROUP, GROUP_VERSION, KIND
from modelrollout.ports import Conflict, NotOurs


class KubernetesPostmortems:
    """The PostmortemStore of ports.py."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def save(self, obj: dict[str, Any], name: str, data: dict[str, str]) -> None:
        """Write a ConfigMap beside the resource; it goes when the resource goes."""
        namespace = obj["metadata"]["namespace"]
        owner = {
            "apiVersion": GROUP_VERSION,
            "kind": KIND,
            "name": obj["metadata"]["name"],
            "uid": str(obj["metadata"].get("uid", "")),
        }
        meta = {"name": name, "namespace": namespace, "ownerReferences": [owner]}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}
        try:
            await self._api.post(path_of("v1", "configmaps", namespace), body)
        except Conflict:
            await self._replace(namespace, name, owner, data)

    async def _replace(self, namespace: str, name: str, owner: dict[str, str], data: dict[str, str]) -> None:
        """An older snapshot may stand in this place: it is ours where a resource of this kind and name owns it."""
        path = path_of("v1", "configmaps", namespace, name)
        now = await self._api.request("GET", path)
        if not any(_same(one, owner) for one in now["metadata"].get("ownerReferences") or []):
            raise NotOurs(f"the ConfigMap {namespace}/{name} is somebody else's and was left as it is; rename it")
        meta = {"resourceVersion": now["metadata"]["resourceVersion"], "ownerReferences": [owner]}
        await self._api.patch(path, {"metadata": meta, "data": data})


def _same(one: dict[str, Any], owner: dict[str, str]) -> bool:
    group, kind = str(one.get("apiVersion", "")).partition("/")[0], one.get("kind")
    return (group, kind, one.get("name")) == (GROUP, KIND, owner["name"])
