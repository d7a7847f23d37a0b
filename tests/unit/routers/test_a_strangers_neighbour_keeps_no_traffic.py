"""Somebody else's object beside our route, under a name that is ours: what must lower lowers, and theirs stays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from modelrollout.adapters.kubernetes.store import FINALIZER
from modelrollout.api.traffic.protocols import h2c_route_name
from modelrollout.runtime.claiming.population import Population
from tests.unit.borders.cluster import ROLLOUT, ROUTE, Rollout, at_25_percent
from tests.unit.borders.test_whatever_comes_in_traffic_is_lowered import ENDS, TRIGGERS
from tests.unit.runtime.in_memory import copied

CALLS = ROUTE.replace("httproutes", "grpcroutes")
PLAIN_CALLS = f"{ROUTE.rpartition('/')[0]}/{h2c_route_name('vision', 'digits')}"
SNAPSHOT = "/apis/modelrollout.dev/v1alpha1/namespaces/vision/modelrolloutsnapshots/digits-snapshot-{}"
THEIRS: dict[str, dict[str, Any]] = {
    "has no mark": {},
    "is another resource's": {"modelrollout.dev/resource": "vision/payments", "modelrollout.dev/stable": "1"},
    "is another namespace's": {"modelrollout.dev/resource": "payments/digits", "modelrollout.dev/stable": "2"},
}


def beside(notes: dict[str, str]) -> tuple[Rollout, dict[str, dict[str, Any]]]:
    """Our rollout at 25 %, which asks for gRPC too, and what others have under each name of ours but one."""
    rollout = at_25_percent()
    spec = rollout.api.objects[ROLLOUT]["spec"]
    calls = {"protocols": ["HTTP", "GRPC"], "grpc": {"hostnames": ["calls.example.com"]}}
    rollout.change(ROLLOUT, spec=spec | {"traffic": spec["traffic"] | calls, "serving": spec["serving"] | GRPC})
    theirs = copied(rollout.api.objects[ROUTE])
    theirs["metadata"] |= {"uid": "theirs", "annotations": notes}
    found = {path: {**copied(theirs), "kind": kind} for path, kind in KINDS.items()}
    for path, obj in found.items():
        obj["metadata"]["name"] = path.rpartition("/")[2]
    found |= {SNAPSHOT.format(number): {"metadata": {"name": "x", "uid": "theirs"}} for number in range(3)}
    rollout.api.objects |= copied(found)
    return rollout, found


GRPC = {"grpcPort": 8001}
KINDS = {CALLS: "GRPCRoute", PLAIN_CALLS: "HTTPRoute"}


def untouched(rollout: Rollout, theirs: dict[str, dict[str, Any]]) -> Iterator[bool]:
    yield not {path for _, path in rollout.api.writes} & theirs.keys()
    yield all(rollout.api.objects[path] == obj for path, obj in theirs.items())


@pytest.mark.parametrize("notes", THEIRS)
@pytest.mark.parametrize("trigger", TRIGGERS)
async def test_what_must_lower_lowers_ours_alone(trigger: str, notes: str):
    rollout, theirs = beside(THEIRS[notes])
    TRIGGERS[trigger](rollout, "text")
    await rollout.run()
    assert rollout.weight == 0
    assert rollout.api.writes[0] == ("PATCH", ROUTE)
    assert rollout.status["phase"] == ENDS[trigger]
    assert all(untouched(rollout, theirs))


@pytest.mark.parametrize("notes", THEIRS)
async def test_a_deletion_and_an_uninstall_lower_ours_alone(notes: str):
    for deleted in (True, False):
        rollout, theirs = beside(THEIRS[notes])
        meta = rollout.api.objects[ROLLOUT]["metadata"]
        if deleted:
            rollout.change(ROLLOUT, metadata=meta | {"deletionTimestamp": "2026-01-01T00:00:00Z"})
            await rollout.run()
            assert FINALIZER not in rollout.api.objects[ROLLOUT]["metadata"].get("finalizers", [])
        else:
            await rollout.reconciler.routers.release("vision", "digits")
        assert rollout.weight == 0
        assert all(untouched(rollout, theirs))


async def test_what_a_pass_looks_at_besides_may_fail_too(monkeypatch: pytest.MonkeyPatch):
    rollout, theirs = beside({})
    monkeypatch.setattr(Population, "older_than", lambda *_: 1 / 0)
    TRIGGERS["breach"](rollout, "text")
    await rollout.run()
    assert rollout.weight == 0
    assert all(untouched(rollout, theirs))
