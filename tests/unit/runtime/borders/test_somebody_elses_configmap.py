"""A post-mortem takes the place of an older one of the same resource, never of somebody else's ConfigMap."""

from __future__ import annotations

from typing import Any

import pytest

from modelrollout.adapters.kubernetes.postmortems import KubernetesPostmortems
from modelrollout.ports import Conflict

OBJ: dict[str, Any] = {"metadata": {"name": "digits", "namespace": "vision", "uid": "u-2"}}
NAME = "digits-snapshot-0"


def owner(**changes: str) -> dict[str, str]:
    mine = {"apiVersion": "modelrollout.dev/v1alpha1", "kind": "ModelRollout", "name": "digits", "uid": "u-2"}
    return mine | changes


class Occupied:
    """An API with one ConfigMap in the place; `written` is what it was patched with."""

    def __init__(self, owners: list[dict[str, str]] | None) -> None:
        meta: dict[str, Any] = {"name": NAME, "namespace": "vision", "resourceVersion": "7"}
        self.held = {"metadata": meta | ({"ownerReferences": owners} if owners is not None else {})}
        self.written: Any = None

    async def post(self, *_: Any) -> None:
        raise Conflict("it exists")

    async def request(self, _method: str, _path: str) -> dict[str, Any]:
        return self.held

    async def patch(self, _path: str, body: Any) -> None:
        self.written = body


FOREIGN = {
    "nobody owns it": None,
    "no owner": [],
    "another resource owns it": [owner(name="faces")],
    "another kind owns it": [owner(kind="Deployment")],
    "another group owns it": [owner(apiVersion="other.dev/v1")],
}
OWN = {
    "this resource owns it": [owner()],
    "its predecessor of the same name owns it": [owner(uid="u-1")],
    "an older version of the API owns it": [owner(apiVersion="modelrollout.dev/v1")],
    "somebody else owns it too": [owner(name="faces"), owner()],
}


@pytest.mark.parametrize("owners", FOREIGN.values(), ids=FOREIGN)
async def test_somebody_elses_is_left_as_it_is(owners: list[dict[str, str]] | None):
    api: Any = Occupied(owners)
    with pytest.raises(Conflict, match="vision/digits-snapshot-0 is somebody else's"):
        await KubernetesPostmortems(api).save(OBJ, NAME, {"snapshot.json": "{}"})
    assert api.written is None


@pytest.mark.parametrize("owners", OWN.values(), ids=OWN)
async def test_an_older_one_is_replaced_only_as_it_was_read(owners: list[dict[str, str]]):
    api: Any = Occupied(owners)
    await KubernetesPostmortems(api).save(OBJ, NAME, {"snapshot.json": "{}"})
    assert api.written["data"] == {"snapshot.json": "{}"}
    assert api.written["metadata"] == {"resourceVersion": "7", "ownerReferences": [owner()]}
