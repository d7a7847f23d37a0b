from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.adapters.routers.forms.marks import RESOURCE, STABLE
from modelrollout.cli.doctor.checks.routing.hosts import ANY, meet, precedence
from modelrollout.cli.doctor.facts import Read
from tests.unit.cli.doctor.cases import Case, listed
from tests.unit.cli.doctor.objects import gateway, merged, other
from tests.unit.cli.doctor.patient import Patient

INFER = "/v2/models/digits/infer"


def answered(**conditions: tuple[str, str]) -> dict[str, Any]:
    """The route's status: (status, reason) by type of condition."""
    found = [
        {"type": kind, "status": status, "reason": reason, "message": "said so", "observedGeneration": 1}
        for kind, (status, reason) in {"Accepted": ("True", "Accepted"), **conditions}.items()
    ]
    parent = {"parentRef": {"name": "inference", "namespace": "infra"}, "controllerName": "traefik.io/c"}
    return {"route": {"status": {"parents": [parent | {"conditions": found}]}}}


def unprogrammed() -> Read:
    conditions = [{"type": "Programmed", "status": "False", "reason": "Invalid", "message": "no address"}]
    return Read(merged(gateway(), {"status": {"conditions": conditions}}))


def elsewhere() -> dict[str, Any]:
    """A spec that asks for a listener that is not there."""
    return {"gateway": Read({"spec": {"listeners": [{"name": "web", "protocol": "TCP"}]}})}


_MINE = {"name": "inference", "namespace": "infra"}
REFUSED = {"parents": [{"parentRef": _MINE, "conditions": [{"type": "Accepted", "status": "False"}]}]}
CASES = {
    "no Gateway": Case({"gateway": Read()}, "gateway", "Problem", "no Gateway infra/inference", "kubectl get gateways"),
    "a Gateway that may not be read": Case(
        {"gateway": Read(unknown="forbidden")},
        "gateway",
        "Warning",
        "cannot be read: forbidden",
        "right to get gateways",
    ),
    "a Gateway that does not work": Case(
        {"gateway": unprogrammed()}, "gateway", "Problem", "not Programmed: Invalid, no address", "describe gateway"
    ),
    "a listener for something else": Case(elsewhere(), "listener", "Problem", "is for TCP, not HTTP", "sectionName"),
    "a listener for another host": Case(
        {"listener": {"hostname": "*.c.d"}}, "listener", "Problem", "is for *.c.d, not a.b", "hostnames"
    ),
    "a listener for its own namespace": Case(
        {"listener": {"allowedRoutes": {}}},
        "listener",
        "Problem",
        "allows routes of namespace infra alone",
        "allowedRoutes",
    ),
    "a listener for other kinds": Case(
        {"listener": {"allowedRoutes": {"kinds": [{"kind": "GRPCRoute"}], "namespaces": {"from": "All"}}}},
        *("listener", "Problem", "allows no HTTPRoutes", "sectionName"),
    ),
    "no route": Case({"route_gone": True}, "route", "Problem", "there is no route, though a version serves", "rights"),
    "a route that may not be read": Case({"route_unknown": "forbidden"}, "route", "Warning", "forbidden", "role view"),
    "somebody else's route": Case(
        {"route": {"metadata": {"annotations": {RESOURCE: "speech/digits"}}}},
        *("ours", "Problem", "names speech/digits", "modelrollout.dev/resource"),
    ),
    "a route that names a stable which is not there": Case(
        {"route": {"metadata": {"annotations": {STABLE: "7"}}}}, "ours", "Problem", "names version 7", "annotate it"
    ),
    "a route that nobody looked at": Case(
        {"route": {"status": {"parents": []}}}, "accepted", "Problem", "no gateway has looked at it", "controller runs"
    ),
    "a route that was rejected": Case(
        answered(Accepted=("False", "NoMatchingListenerHostname")),
        *("accepted", "Problem", "not Accepted: NoMatchingListenerHostname, said so", "spec.traffic.gateway.hostnames"),
    ),
    "a route that was rejected for a reason that nobody knows": Case(
        answered(Accepted=("False", "OnStrike")), "accepted", "Problem", "OnStrike", "fix what the gateway names"
    ),
    "a route whose Services are not found": Case(
        answered(ResolvedRefs=("False", "BackendNotFound")),
        *("accepted", "Problem", "has it not ResolvedRefs: BackendNotFound", "create the Service"),
    ),
    "an answer that is not complete": Case(answered(), "accepted", "Warning", "does not say yet whether it is Re"),
    "an answer to an older write": Case(
        {"route": {"metadata": {"generation": 2}}}, "accepted", "Warning", "not looked at the newest write", "again"
    ),
    "an older route for every inference": Case(
        {"others": (other(INFER, path_type="Exact"),)},
        *("shadowed", "Problem", "HTTPRoute speech/other takes /v2/models/digits/infer", "another host"),
    ),
    "a younger route for every inference": Case(
        {"others": (other(INFER, path_type="Exact", created="2026-01-03T00:00:00Z"),)},
        *("shadowed", "Warning", "this route is older and has it"),
    ),
    "a route of the same second": Case(
        {"others": (other(INFER, path_type="Exact", created="2026-01-02T00:00:00Z"),)},
        *("shadowed", "Problem", "speech/other takes /v2/models/digits/infer"),
    ),
    "a route for a part": Case(
        {"others": (other("/v2/models/digits/ready", path_type="Exact"),)},
        "shadowed",
        "Warning",
        "takes /v2/models/digits/ready",
    ),
    "a route for certain headers": Case(
        {"others": (other(INFER, path_type="Exact", headers=[{"name": "x", "value": "y"}]),)},
        *("shadowed", "Warning", "with certain headers"),
    ),
    "an older route for one of our hosts": Case(
        {"route": {"spec": {"hostnames": ["*.a.b"]}}, "others": (other(hosts=("x.a.b",)),)},
        *("shadowed", "Warning", "takes /v2/models/digits of x.a.b before this route"),
    ),
    "a gRPC route for the same host": Case(
        {"others": (other(kind="GRPCRoute"),)}, "shadowed", "Warning", "GRPCRoute speech/other takes the same host name"
    ),
    "routes that may not be listed": Case(
        {"others_unknown": "you may list httproutes of namespace vision alone"}, "shadowed", "Warning", "vision alone"
    ),
    "another weight than desired": Case(
        {"status": {"weight": {"desired": 10, "observed": 50}}},
        "weights",
        "Warning",
        "has 50 %, 10 % is desired",
        "resume",
    ),
}


@pytest.mark.alike(3)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.slow
def test_it_is_named_with_its_fix(name: str):
    CASES[name].judge()


HARMLESS = {
    "the path of the whole model, which its own whole paths go before": other(),
    "a prefix of inference": other(INFER),
    "a version by its number": other("/v2/models/digits/versions/1", path_type="Exact"),
    "a shorter path": other("/v2"),
    "everything": other("/"),
    "another model whose name begins alike": other("/v2/models/digits-eu"),
    "another host": other(hosts=("c.d",)),
    "a wildcard, which a whole name goes before": other(hosts=("*.b",)),
    "no host of its own": other(hosts=()),
    "another Gateway": other(parent={"name": "internal", "namespace": "infra"}),
    "the Gateway's name in its own namespace": other(parent={"name": "inference"}),
    "a Service as its parent": other(parent={"kind": "Service", "name": "inference", "namespace": "infra"}),
    "a route that the gateway refused": other(status=REFUSED),
    "a regular expression": other(".*", path_type="RegularExpression"),
}


@pytest.mark.alike(3)
@pytest.mark.parametrize("name", HARMLESS)
@pytest.mark.slow
def test_a_route_that_takes_nothing_of_ours_is_no_finding(name: str):
    found = Patient(others=(HARMLESS[name],)).findings()
    assert [one.level for one in found if one.check == "shadowed"] == ["OK"], listed(found)


def test_a_route_that_is_not_made_yet_is_no_problem():
    status = {"stable": None, "phase": "Adopting"}
    found = Patient(state="none", route_gone=True, status=status).findings()
    assert [(one.level, one.message) for one in found if one.check == "route"] == [
        ("OK", "not there yet: it is made once version 2 is ready")
    ]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a.b", "a.b", True),
        ("a.b", "c.b", False),
        ("*.b", "a.b", True),
        ("*.b", "x.a.b", True),
        ("*.b", "b", False),
        ("*.b", "ab", False),
        ("*.a.b", "*.b", True),
        ("*.a.b", "*.c.b", False),
        (ANY, "a.b", True),
    ],
)
def test_host_names_meet_as_the_gateway_api_has_it(one: str, other: str, expected: bool):
    assert meet(one, other) is meet(other, one) is expected


@given(st.lists(st.from_regex(r"(\*\.)?[a-z]{1,3}(\.[a-z]{1,3}){0,2}", fullmatch=True), min_size=2, max_size=2))
def test_a_whole_name_goes_before_every_wildcard_that_means_it(names: list[str]):
    one, other = names
    if meet(one, other) and not one.startswith("*") and other.startswith("*"):
        assert precedence(one) > precedence(other)
