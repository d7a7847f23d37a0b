from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from modelrollout.cli.doctor.facts import Hints
from modelrollout.dialects.envoy import KGATEWAY
from modelrollout.ports import LedgerFailure
from tests.unit.analysis.recorded import GATEWAY_REQUESTS, HASH
from tests.unit.cli.doctor.cases import Case
from tests.unit.cli.doctor.patient import Patient, model, only, relabelled, seen_by_gateway, windows
from tests.unit.cli.doctor.spoilt import hint, quiet, stopped, unread

ALIKE = f"httproute-vision-digits-eu-gw-infra-inference-ep-web-0-{HASH}-svc-vision-digits-v1-0@kubernetesgateway"
OWN = (seen_by_gateway(), only(windows(), "none"))
STEP = {"index": 0, "weight": 5, "startedAt": "1970-01-02T03:46:40Z"}


def told(name: str, reason: Any, says: str, fix: str) -> Case:
    return Case({"failure": LedgerFailure(reason, name)}, "reachable", "Problem", f"{reason}: {says}", fix)


CASES = {
    "a server that is down": told("refused", "PrometheusUnreachable", "refused", "kubectl port-forward -n test"),
    "a server that wants a token": told("401", "PrometheusUnauthorized", "401", "--bearer-token-file"),
    "a part of an answer": told("a store is down", "PartialAnswer", "a store is down", "nothing is judged"),
    "an address that leads elsewhere": told("HTML", "AnswerMalformed", "HTML", "without /api/v1"),
    "too many series": told("20000", "TooManySeries", "20000", "narrow the matchers"),
    "a clock that is off": Case({"skew": "90 s behind"}, "prometheus-clock", "Problem", "90 s behind", "NTP"),
    "no sample at all": Case({"recordings": ()}, "newest", "Warning", "no sample of digits or its route in 10 min"),
    "old samples": Case(
        {"recordings": (stopped(seen_by_gateway(), 60), stopped(windows(), 60))},
        *("newest", "Problem", "the newest sample of any is 1m", "Targets"),
    ),
    "a gateway that is scraped no more": Case(
        {"recordings": (stopped(seen_by_gateway(), 60), model(), windows())},
        *("fresh", "Problem", "the newest sample of stable's series (the gateway, Traefik) is 1m", "Targets"),
    ),
    "answers without their status": Case(
        {"recordings": (relabelled(seen_by_gateway(), code=""), model(), windows())},
        *("unstated", "Warning", "has no label code, so errors cannot be told", "what the gateway exports"),
    ),
    "a target that is scraped no more": Case(
        {"recordings": (seen_by_gateway(), stopped(windows(), 120), model())},
        *("target-lost", "Warning", "triton-dense (job lab) has not been scraped for 1", "Targets"),
    ),
    "another interval than configured": Case(
        {"server": {"scrape_interval": 15.0}},
        "scrape-interval",
        "Warning",
        "every 5s, the operator's",
        "scrapeInterval",
    ),
    "a target scraped twice": Case(
        {"recordings": (seen_by_gateway(), model(), windows(), relabelled(windows(), job="again"))},
        *("scraped-twice", "Warning", "triton-dense is scraped twice, by the jobs again and lab", "keep one"),
    ),
    "bad samples": Case(
        {"recordings": (seen_by_gateway(), windows(), unread())},
        *("bad-samples", "Warning", "of model_requests_total of the stable left out", "exporter"),
    ),
    "labels that gave way": Case(
        {"hints": Hints(renamed=hint(job="pods", exported_version="1"))},
        *(
            "honor-labels",
            "Problem",
            "4 series of the model (job pods) stand under exported_version",
            "honorLabels: true",
        ),
    ),
    "labels of the gateway that gave way": Case(
        quiet(hints=Hints(renamed_gateway=hint(job="traefik", exported_service="x"))),
        *("honor-labels", "Problem", "of the gateway (job traefik) stand under exported_service", "honor_labels"),
    ),
    "series that the matchers leave out": Case(
        {"recordings": OWN, "hints": Hints(unmatched=hint(version="1", job="pods"))},
        *("matchers", "Problem", 'that do not match namespace="vision"', "`matchers` of the server"),
    ),
    "series of other versions": Case(
        {"recordings": OWN, "hints": Hints(versions=hint(version="7"))},
        *("versions", "Problem", "series of version 7, none of version 1", "scrape the Pods"),
    ),
    "no requests": Case(
        {"recordings": (seen_by_gateway(stable={}, candidate={}), model(growth=0.0), windows())},
        *("traffic", "Warning", "version 1 had no request in 10 min", "send some"),
    ),
    "another share than the weight's": Case({"status": {"step": STEP}}, "traffic", "Warning", "its weight is 5.0 %"),
    "a gateway that nobody can read": Case(
        {**quiet(), "dialect": None, "controller": "acme.io/gateway"},
        *("dialect", "Warning", "the gateways of acme.io/gateway are not read", "`dialects`"),
    ),
    "no gateway's series": Case(
        {**quiet(), "dialect": None, "controller": ""}, "dialect", "Warning", "name this route"
    ),
    "series of another gateway": Case(
        {**quiet(hints=Hints(dialects=hint(__name__=GATEWAY_REQUESTS))), "dialect": KGATEWAY},
        *(
            "dialect",
            "Problem",
            "no series of the dialect Kgateway (envoy_cluster_upstream_rq) is there; there are",
            "metrics",
        ),
    ),
    "a route of another name": Case(
        quiet(hints=Hints(alike=hint(service=ALIKE))),
        *("dialect", "Problem", f'has service="{ALIKE}"', "another route, or another rule"),
    ),
    "clients that come another way": Case(
        quiet(),
        "dialect",
        "Problem",
        "Traefik counts nothing for version 1, which answered",
        "another way than this route",
    ),
    "a server that takes no such questions": Case(
        {"recordings": (model(), windows()), "hints": Hints(taken=False)},
        *("dialect", "Problem", "Traefik counts nothing for version 1", "another way"),
    ),
    "a gateway without traffic": Case(
        {"recordings": (only(seen_by_gateway(), "none"), model(growth=0.0), windows())},
        *("dialect", "Warning", "has counted no request of version 1", "send some"),
    ),
}


@pytest.mark.alike(3)
@pytest.mark.parametrize("name", CASES)
def test_it_is_named_with_its_fix(name: str):
    CASES[name].judge()


def test_fewer_processes_than_addresses_are_a_part():
    facts = {one.arm: one for one in Patient().cluster.services}
    services = {arm: replace(one, ready=3) for arm, one in facts.items()}
    found = Patient(services=services, recordings=(seen_by_gateway(), windows())).findings()
    said = [one.message for one in found if one.check == "addresses-scraped"]
    assert said == [f"1 of 3 addresses of version {one} are scraped for the model's series" for one in "12"]


@pytest.mark.parametrize("build", ["", "Prometheus 3.1.0", "VictoriaMetrics v1.151.0"])
def test_a_store_that_looks_for_new_pods_seldom_is_told_how_to_look_sooner(build: str):
    services = {one.arm: replace(one, ready=3) for one in Patient().cluster.services}
    found = Patient(services=services, recordings=(seen_by_gateway(), windows()), build=build).findings()
    fixes = [one.fix for one in found if one.check == "addresses-scraped"]
    assert [("kubernetesSDCheckInterval=5s" in fix) for fix in fixes] == [build.startswith("Victoria")] * 2


def test_a_server_that_did_not_answer_is_not_said_to_have_no_series():
    found = Patient(failure=LedgerFailure("PrometheusUnreachable", "refused")).findings()
    assert {one.check for one in found if one.section == "gates"} == {"gates"}
