"""A route without this resource's mark is somebody else's: no verb of the router writes it."""

from __future__ import annotations

from typing import Any

import pytest

from modelrollout.adapters.routers.forms.marks import CANDIDATE, EPOCH, MODEL, OURS, RESOURCE, SERVICES, STABLE
from modelrollout.adapters.routers.gateway_api import GatewayApiRouter
from modelrollout.adapters.routers.lowering import NotTheSameRoute, lowering
from modelrollout.adapters.routers.reading import read
from modelrollout.api.traffic.protocols import h2c_route_name
from modelrollout.core.observation import FIELD_MANAGER, RoutePlan
from modelrollout.ports import Conflict, Unreachable
from tests.unit.routers.routes import SPEC, route

HALF = RoutePlan("1", "2", 50)
CALLS = h2c_route_name("ns", "digits")


def marked(**notes: str | None) -> dict[str, Any]:
    """A route at 50 % with these annotations alone."""
    found = route(HALF)
    found["metadata"]["annotations"] = {key: value for key, value in notes.items() if value is not None}
    return found


def written_by(manager: str, found: dict[str, Any], *fields: str) -> dict[str, Any]:
    entry = {"manager": manager, "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:spec": {f: {} for f in fields}}}
    found["metadata"]["managedFields"] = [entry]
    return found


FOREIGN: dict[str, dict[str, Any]] = {
    "no annotations": marked(),
    "only those of others": marked(owner="payments"),
    "the epoch that an earlier operator left": marked(**{EPOCH: "1.0-x"}),
    "no stable in it": marked(**{STABLE: "", MODEL: "digits", CANDIDATE: "2", SERVICES: "{}"}),
    "the mark of another name": marked(**{STABLE: "1", RESOURCE: "ns/other"}),
    "the mark of another namespace": marked(**{STABLE: "1", RESOURCE: "elsewhere/digits"}),
    "a mark that is longer": marked(**{STABLE: "1", RESOURCE: "ns/digits2"}),
    "rules that an earlier operator rewrote": written_by(FIELD_MANAGER, marked(), "f:rules"),
}
OWN: dict[str, dict[str, Any]] = {
    "as this operator writes it": route(HALF),
    "handed over by a person": marked(**{STABLE: "1"}),
    "stable's annotation lost": marked(**{RESOURCE: "ns/digits"}),
    "all annotations lost": written_by(FIELD_MANAGER, marked(), "f:parentRefs", "f:rules"),
    "the mark changed by hand": written_by(FIELD_MANAGER, marked(**{RESOURCE: "ns/other"}), "f:parentRefs"),
}


def for_calls(made_for: str, name: str = CALLS) -> dict[str, Any]:
    """An HTTPRoute that the operator made for gRPC's calls of a resource."""
    found = written_by(FIELD_MANAGER, marked(**{STABLE: "1", RESOURCE: made_for}), "f:parentRefs", "f:rules")
    found["metadata"]["name"] = name
    return found


def test_a_resource_that_is_called_like_anothers_route_for_grpc_does_not_have_it():
    assert read(for_calls("ns/digits")).foreign, "a ModelRollout of the route's name would take it"
    assert read(for_calls("ns/digits"), "ns/digits").foreign == ""


def test_a_route_of_its_own_is_not_anothers_for_grpc():
    assert read(for_calls(f"ns/{CALLS}"), "ns/digits").foreign, "digits would take the route of that name"
    assert read(for_calls(f"ns/{CALLS}")).foreign == ""


@pytest.mark.parametrize("forged", ["ns/other", "elsewhere/digits", "digits", "/", "", "ns/", "a/b/c"])
def test_a_mark_that_names_nobody_who_has_such_a_route_takes_none_from_us(forged: str):
    assert read(for_calls(forged), "ns/digits").foreign == ""


class NothingIsWritten:
    """An API that holds one object and fails the test at every write."""

    def __init__(self, obj: dict[str, Any]) -> None:
        self.obj = obj

    async def get(self, *_: Any, **__: Any) -> dict[str, Any]:
        return self.obj

    async def request(self, method: str, *_: Any, **__: Any) -> dict[str, Any]:
        assert method == "GET"
        return self.obj


@pytest.mark.parametrize("obj", FOREIGN.values(), ids=FOREIGN)
async def test_no_verb_writes_somebody_elses_route(obj: dict[str, Any]):
    api: Any = NothingIsWritten(obj)
    router = GatewayApiRouter(api, epoch="1.2-me")
    seen = await router.observe("ns", "digits")
    assert seen is not None
    assert seen.foreign
    for write in (router.claim("ns", "digits", seen), router.apply("ns", "digits", SPEC, HALF, seen)):
        with pytest.raises(Unreachable) as refused:
            await write
        assert refused.value.reason == "RouteNotOurs"
    for lower in (router.lower("ns", "digits", seen, RoutePlan("1")), router.release("ns", "digits", seen)):
        with pytest.raises(Conflict):
            await lower


@pytest.mark.parametrize("obj", FOREIGN.values(), ids=FOREIGN)
async def test_a_route_that_was_ours_when_it_was_read_is_not_lowered_when_it_is_not_any_more(obj: dict[str, Any]):
    api: Any = NothingIsWritten(obj)
    with pytest.raises(Conflict):
        await GatewayApiRouter(api).lower("ns", "digits", read(route(RoutePlan("1"))), RoutePlan("1"))
    with pytest.raises(NotTheSameRoute, match="somebody else's by now"):
        lowering(obj, read(route(HALF)), RoutePlan("1"), "")


@pytest.mark.parametrize("obj", OWN.values(), ids=OWN)
def test_what_carries_the_mark_is_ours_whatever_else_was_lost(obj: dict[str, Any]):
    assert read(obj).foreign == ""


@pytest.mark.parametrize("lost", OURS)
def test_no_single_annotation_is_needed_on_a_route_that_the_operator_made(lost: str):
    obj = route(HALF)
    obj["metadata"]["annotations"].pop(lost, None)  # not every one is on every route
    assert read(obj).foreign == ""


def test_a_lowering_tests_that_the_object_and_its_mark_are_the_ones_that_were_read():
    obj = route(HALF, uid="u-1")
    tests = {op["path"]: op["value"] for op in lowering(obj, read(obj), RoutePlan("1"), "") if op["op"] == "test"}
    assert tests["/metadata/uid"] == "u-1"
    assert tests["/metadata/annotations/modelrollout.dev~1resource"] == "ns/digits"
    assert tests["/metadata/annotations/modelrollout.dev~1stable"] == "1"
