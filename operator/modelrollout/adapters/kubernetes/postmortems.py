"""Post-mortems are ConfigMaps owned by their ModelRollout: they go when it goes."""

from __future__ import annotations

from typing import Any

from modelrollout.adapters.kubernetes.client import Api, path_of
from modelrollout.api.base import GROUP_VERSION, KIND
from modelrollout.ports import Conflict


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
        except Conflict:  # an older snapshot stands in this place
            await self._api.patch(path_of("v1", "configmaps", namespace, name), {"metadata": meta, "data": data})
