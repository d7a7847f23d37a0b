"""A post-mortem takes the place of an older one of the same resource, never of somebody else's snapshot."""

from __future__ import annotations

import re
from typing import Any

import pytest

from modelrollout.adapters.kubernetes.postmortems import KubernetesPostmortems
from modelrollout.api.changes import with_snapshot
from modelrollout.api.status import HistoryEntry, Status
from modelrollout.core.analysis.metrics.postmortem import SLOTS, SPARE, slots_for
from modelrollout.ports import Conflict, NotOurs
from tests.unit.runtime.test_post_mortems_cost_nothing import NOW, REQUEST, made

OBJ: dict[str, Any] = {"metadata": {"name": "digits", "namespace": "vision", "uid": "u-2"}}
NAME = "digits-snapshot-0"
FOLDER = "/apis/modelrollout.dev/v1alpha1/namespaces/vision/modelrolloutsnapshots"


def owner(**changes: str) -> dict[str, str]:
    mine = {"apiVersion": "modelrollout.dev/v1alpha1", "kind": "ModelRollout", "name": "digits", "uid": "u-2"}
    return mine | changes


class Occupied:
    """An API with one snapshot in the place; `written` is what it was patched with, `uid` whose resource there is."""

    def __init__(self, owners: list[dict[str, str]] | None, uid: str = "u-2") -> None:
        self.uid = uid
        meta: dict[str, Any] = {"name": NAME, "namespace": "vision", "resourceVersion": "7"}
        self.held = {"metadata": meta | ({"ownerReferences": owners} if owners is not None else {})}
        self.written: Any = None

    async def post(self, path: str, body: dict[str, Any]) -> None:
        assert (path, body["kind"]) == (FOLDER, "ModelRolloutSnapshot")
        raise Conflict("it exists")

    async def request(self, _method: str, path: str) -> dict[str, Any]:
        if path == "/apis/modelrollout.dev/v1alpha1/namespaces/vision/modelrollouts/digits":
            return {"metadata": {"uid": self.uid}}
        assert path == f"{FOLDER}/{NAME}"
        return self.held

    async def patch(self, path: str, body: Any) -> None:
        assert path == f"{FOLDER}/{NAME}"
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
    with pytest.raises(NotOurs, match="vision/digits-snapshot-0 is somebody else's"):
        await KubernetesPostmortems(api).save(OBJ, NAME, {"snapshot.json": "{}"})
    assert api.written is None


@pytest.mark.parametrize("owners", OWN.values(), ids=OWN)
async def test_an_older_one_is_replaced_only_as_it_was_read(owners: list[dict[str, str]]):
    api: Any = Occupied(owners)
    await KubernetesPostmortems(api).save(OBJ, NAME, {"snapshot.json": "{}"})
    assert api.written["data"] == {"snapshot.json": "{}"}
    assert api.written["metadata"] == {"resourceVersion": "7", "ownerReferences": [owner()]}


async def test_a_late_snapshot_of_a_deleted_resource_takes_no_place_of_its_successor():
    api: Any = Occupied([owner(uid="u-3")], uid="u-3")
    with pytest.raises(Conflict, match="another ModelRollout by now"):
        await KubernetesPostmortems(api).save(OBJ, NAME, {"snapshot.json": "{}"})
    assert api.written is None


@pytest.mark.parametrize("cut", range(196, 204))
def test_whatever_a_name_is_cut_at_its_snapshots_have_names_that_kubernetes_takes(cut: int):
    subdomain = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
    for end in (".", "-", "--"):
        name = "a" * cut + end + "b" * 40
        for one in slots_for(name, []):
            assert len(one) <= 253
            assert re.fullmatch(subdomain, one), one


def test_a_snapshot_that_took_the_place_of_an_earlier_one_is_linked_once():
    """A rollout ends while the snapshot of the one before is still being written: both chose the same place."""
    first, last = entry(NAME), entry(None).model_copy(update={"ended_at": 7_000.0})
    history = with_snapshot(Status(phase="Serving", stable="1", history=[first, last]), NAME, 7_000.0).history
    assert [one.snapshot for one in history] == [None, NAME]


def test_what_belongs_to_no_entry_takes_no_link_from_another():
    status = Status(phase="Serving", stable="1", history=[entry(NAME)])
    assert with_snapshot(status, NAME, 9_000.0) == status


class Shared:
    """A namespace where somebody else's snapshots have some of the names."""

    def __init__(self, *foreign: str) -> None:
        self.foreign = set(foreign)
        self.saved: set[str] = set()

    async def save(self, _obj: Any, name: str, _data: Any) -> None:
        if name in self.foreign:
            raise NotOurs(f"the ModelRolloutSnapshot vision/{name} is somebody else's")
        self.saved.add(name)


def entry(snapshot: str | None) -> HistoryEntry:
    facts = {"stable": "1", "candidate": "2", "result": "Promoted", "reason": "Promoted"}
    times = {"startedAt": "2026-01-01T00:00:00Z", "endedAt": "2026-01-01T01:00:00Z"}
    return HistoryEntry.model_validate({**facts, **times, "snapshot": snapshot})


@pytest.mark.slow
@pytest.mark.alike(2)
@pytest.mark.parametrize("foreign", [[], [0], [0, 1, 2], [3], [9], range(SLOTS)])
async def test_every_rollout_has_its_snapshot_whatever_else_has_the_name(foreign: list[int], caplog: Any):
    store = Shared(*(f"digits-snapshot-{number}" for number in foreign))
    keeper = made(store=store)  # type: ignore[arg-type]  # a Store of this test
    history: list[HistoryEntry] = []
    for _ in range(3 * SLOTS):
        kept: list[str] = []
        keeper.begin({}, slots_for("digits", history), REQUEST, NOW, kept.append)
        await keeper.wait()
        assert len(kept) == 1, "the rollout has no snapshot"
        assert kept[0] not in {one.snapshot for one in history[-SLOTS + 1 :]}, "a snapshot that is linked is gone"
        history.append(entry(kept[0]))
    assert len(store.saved) == SLOTS
    assert not store.saved & store.foreign
    said = [record.message for record in caplog.records if "somebody else's" in record.message]
    assert len(said) == len(set(said)) == len(store.foreign)


async def test_where_no_name_is_left_it_is_a_line_in_the_log(caplog: Any):
    names = [f"digits-snapshot-{number}" for number in range(SLOTS + SPARE)]
    keeper = made(store=Shared(*names))  # type: ignore[arg-type]  # a Store of this test
    keeper.begin({}, names, REQUEST, NOW, lambda _: None)
    await keeper.wait()
    assert "no snapshot was kept: somebody else's snapshot stands in every place" in caplog.records[-1].message
