"""What doctor says of gRPC's route and Services, each case with its fix; nothing where only HTTP is split."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from modelrollout.adapters.routers.forms.form import GRPC, H2C, HTTP, Form
from modelrollout.adapters.routers.forms.marks import RESOURCE
from modelrollout.adapters.routers.reading import read
from modelrollout.api.spec import Spec
from modelrollout.cli.doctor.checks.routing.route import route
from modelrollout.cli.doctor.facts import CallRoute, Read
from modelrollout.cli.doctor.finding import Finding
from modelrollout.core.observation import RoutePlan
from tests.unit.cli.doctor.patient import Patient

HERE = "kubernetes.io/h2c"


def spec(*protocols: str, **more: Any) -> Spec:
    base = Patient().spec
    calls = {"grpc": {"hostnames": ["grpc.a.b"]}} if len(protocols) > 1 else {}
    traffic = {"gateway": base.traffic.gateway.model_dump(), "protocols": list(protocols), **calls, **more}
    return base.model_copy(update={"traffic": base.traffic.model_validate(traffic)})


def written(form: Form, under: Spec, weight: int = 50, resource: str = "vision/digits") -> Read:
    """The route as the operator writes it and a gateway answers it."""
    plan = RoutePlan("1", "2", weight)
    found = {key: value for key, value in form.notes("vision", "digits", under, plan).items() if value is not None}
    conditions = [{"type": kind, "status": "True", "observedGeneration": 1} for kind in ("Accepted", "ResolvedRefs")]
    parent = {"parentRef": {"name": "inference", "namespace": "infra"}, "controllerName": "c", "conditions": conditions}
    meta = {
        "name": form.named("vision", "digits"),
        "namespace": "vision",
        "generation": 1,
        "annotations": found | {RESOURCE: resource},
    }
    body = {"kind": form.kind, "metadata": meta, "spec": form.spec_of("vision", under, plan)}
    return Read(body | {"status": {"parents": [parent]}})


def service(port: int = 8001, protocol: str | None = HERE) -> Read:
    return Read({"spec": {"ports": [{"port": 8000}, {"port": port, "appProtocol": protocol}]}})


def findings(under: Spec, **facts: Any) -> list[Finding]:
    """`raw_grpc` and `raw_h2c` are what is read of the two forms."""
    patient = Patient()
    read_of = [(GRPC, facts.pop("raw_grpc", Read())), (H2C, facts.pop("raw_h2c", Read()))]
    facts["calls"] = tuple(
        CallRoute(form.kind, form.named("vision", "digits"), raw, raw.found and read(raw.found, "vision/digits"))
        for form, raw in read_of
    )
    cluster = replace(patient.cluster, **facts)
    return list(route(cluster, replace(patient.subject, spec=under)))


def said(under: Spec, **facts: Any) -> list[tuple[str, str, str]]:
    """(level, check, message) of what is not OK."""
    return [(one.level, one.check, one.message) for one in findings(under, **facts) if one.level != "OK"]


BOTH = spec("HTTP", "GRPC")


def test_all_is_well_with_a_route_of_either_form():
    services = (("1", service()), ("2", service()))
    for form, field in ((GRPC, "raw_grpc"), (H2C, "raw_h2c")):
        assert said(BOTH, grpc_services=services, **{field: written(form, BOTH)}) == []


CASES: dict[str, tuple[dict[str, Any], tuple[str, str, str]]] = {
    "no route": ({}, ("Problem", "route", "there is no route for gRPC, though a version serves")),
    "a route that may not be read": ({"raw_grpc": Read(unknown="forbidden")}, ("Warning", "route", "forbidden")),
    "somebody else's": (
        {"raw_grpc": written(GRPC, BOTH, resource="speech/digits")},
        ("Problem", "ours", "it is somebody else's: its annotation modelrollout.dev/resource names speech/digits"),
    ),
    "another weight": (
        {"raw_grpc": written(GRPC, BOTH, weight=10)},
        ("Warning", "weights", "version 2 has 10 %, 50 % is desired"),
    ),
    "no port": (
        {"raw_grpc": written(GRPC, BOTH), "grpc_services": (("1", service(port=9000)),)},
        ("Problem", "grpc", "Service digits-v1 has no port 8001 for gRPC"),
    ),
    "a port of HTTP/1": (
        {"raw_grpc": written(GRPC, BOTH), "grpc_services": (("2", service(protocol=None)),)},
        ("Warning", "grpc", "port 8001 of Service digits-v2 says appProtocol none"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_named_with_its_fix(name: str):
    facts, (level, check, message) = CASES[name]
    found = [one for one in findings(BOTH, **facts) if one.level != "OK"]
    (mine,) = [one for one in found if one.check == check and message in one.message]
    assert (mine.level, bool(mine.fix)) == (level, True)


def test_a_route_of_a_protocol_that_is_no_longer_split_is_named():
    (found,) = said(spec("HTTP"), raw_grpc=written(GRPC, BOTH))
    assert "GRPCRoute digits is left of another spec.traffic.protocols" in found[2]
    alone = spec("GRPC")
    left = [one for one in said(alone, raw_grpc=written(GRPC, alone)) if one[1] == "route"]
    assert "HTTPRoute digits is left" in left[0][2]


def test_with_http_alone_somebody_elses_grpcroute_and_the_lack_of_the_kind_are_nothing():
    foreign = written(GRPC, BOTH, resource="speech/digits")
    assert said(spec("HTTP"), raw_grpc=foreign) == []
    assert said(spec("HTTP")) == []


def test_a_retry_that_the_cluster_does_not_have_is_named():
    under = spec("HTTP", route={"retry": {"attempts": 2}})
    whole = written(HTTP, under)
    assert said(under, raw_route=whole) == []
    for rule in (whole.found or {})["spec"]["rules"]:
        del rule["retry"]
    assert [one[1] for one in said(under, raw_route=whole)] == ["retry"]
