from __future__ import annotations

from typing import Any

import pytest

from modelrollout.api.config import parse_config
from modelrollout.api.crd import crd
from modelrollout.cli.doctor.facts import Read, ServiceFacts
from modelrollout.cli.doctor.finding import SECTIONS, worst
from modelrollout.cli.lookup.found import Installation, Unknown
from tests.unit.cli.doctor.cases import Case, listed
from tests.unit.cli.doctor.patient import Patient, at


def lease(**changes: Any) -> Read:
    return Read({"spec": {"holderIdentity": "pod-1", "leaseDurationSeconds": 15, "renewTime": at(-2), **changes}})


def older() -> Read:
    """A definition without what later versions added."""
    found = crd()
    spec = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec["properties"]["bake"], spec["properties"]["steps"]["items"]["properties"]["approval"]
    return Read(found)


def served(**changes: Any) -> dict[str, ServiceFacts]:
    return {"candidate": ServiceFacts("candidate", "2", "digits-v2", 8000, **changes)}


STRICT = parse_config({"prometheus": [{"url": "http://prometheus:9090"}]})
STALE = {"observedGeneration": 2}
CASES = {
    "an invalid spec": Case({"problem": "spec.bake is 1: write 1s"}, "spec-valid", "Problem", "spec.bake is 1", "lint"),
    "no status": Case({"resource": {"status": {}}}, "seen", "Problem", "no operator has looked", "an operator runs"),
    "an old status": Case({"status": STALE}, "seen", "Warning", "generation 3", "operator's log"),
    "a deletion": Case(
        {"resource": {"metadata": {"generation": 3, "deletionTimestamp": at(0)}}}, "deleted", "Warning", "being deleted"
    ),
    "no operator to be found": Case(
        {"operator": Unknown("no ConfigMap is there", "say where")}, "operator-found", "Warning", "no ConfigMap", "say"
    ),
    "an operator's configuration that is none": Case(
        {"operator": Installation("ops", "mro", None, "prometheus is missing")},
        *("operator-configured", "Problem", "prometheus is missing", "upgrade the release"),
    ),
    "no Lease": Case({"lease": Read()}, "operator-alive", "Problem", "ever taken the Lease", "logs deployment/"),
    "a Lease that may not be read": Case(
        {"lease": Read(unknown="forbidden")}, "operator-alive", "Warning", "cannot be seen: forbidden", "logs"
    ),
    "a Lease that was not renewed": Case(
        {"lease": lease(renewTime=at(-90))}, "operator-alive", "Problem", "1m30s ago and lasts 15s", "get pods"
    ),
    "a Lease that was given up": Case(
        {"lease": lease(holderIdentity="")}, "operator-alive", "Problem", "nobody holds the Lease", "get pods"
    ),
    "a Lease of no time": Case(
        {"lease": lease(renewTime="soon")}, "operator-alive", "Problem", "does not say when", "get pods"
    ),
    "a Service whose addresses are no Pods": Case(
        {"operator": Installation("ops", "mro", STRICT), "services": served(ready=1, no_pods=("10.1.2.3:8000",))},
        *("addresses", "Problem", "1 of 1 addresses may not be asked, such as 10.1.2.3:8000", "probes.allowed"),
    ),
    "a Gateway that is not allowed": Case(
        {"operator": Installation("ops", "mro", STRICT)},
        *("claim", "Problem", 'spec.traffic.gateway.namespace is "infra"', "gateways of the operator's configuration"),
    ),
    "an older definition": Case(
        {"definition": older()},
        "definition-current",
        "Warning",
        "spec.bake, spec.steps[].approval",
        "upgrade the chart",
    ),
    "a clock ahead": Case({"ahead": 61.0}, "local-clock", "Warning", "61 s ahead of the API server's", "NTP"),
    "a clock behind": Case({"ahead": -61.0}, "local-clock", "Warning", "61 s behind the API server's", "NTP"),
    "a missing Service": Case(
        {"services": served(wrong="Service vision/digits-v2 does not exist")},
        *("service", "Problem", "digits-v2 does not exist", "create it with port 8000"),
    ),
    "a Service that may not be read": Case(
        {"services": served(unknown="forbidden")}, "service", "Warning", "version 2, candidate: forbidden", "view"
    ),
    "a Service without addresses": Case(
        {"services": served()}, "addresses", "Problem", "no addresses behind port 8000", "selector"
    ),
    "a Service with no address ready": Case(
        {"services": served(unready=("10.0.0.1:8000",))},
        "addresses",
        "Problem",
        "1 of 1 addresses are not",
        "readiness",
    ),
    "a Service with an address that is not ready": Case(
        {"services": served(ready=1, unready=("10.0.0.1:8000",))},
        *("addresses", "Warning", "1 of 2 addresses are not ready, such as 10.0.0.1:8000", "readiness"),
    ),
}


@pytest.mark.alike(3)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.slow
def test_it_is_named_with_its_fix(name: str):
    CASES[name].judge()


@pytest.mark.alike(2)
@pytest.mark.parametrize("state", ["none", "idle", "fresh", "serving"])
def test_nothing_is_said_against_a_healthy_rollout_whatever_its_state(state: Any):
    found = Patient(state=state).findings()
    assert worst(found) == "OK", listed(found)
    assert [section for section in SECTIONS if any(one.section == section for one in found)] == list(SECTIONS)


def test_a_definition_that_may_not_be_read_is_no_finding():
    found = Patient(definition=Read(unknown="forbidden")).findings()
    assert not [one for one in found if one.subject == "definition"]


def test_with_an_invalid_spec_nothing_is_guessed_of_route_and_gates():
    found = Patient(problem="spec.bake is 1: write 1s").findings()
    assert {one.section for one in found} == {"cluster", "clock"}
