"""Who may use which Gateway at which host names: one's own always, others where the configuration says so."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from modelrollout.api.config import OperatorConfig, parse_config
from modelrollout.api.config.claims import Claim, check_claim, claim_of
from modelrollout.api.problems import parse_spec
from modelrollout.api.spec import Spec
from tests.expect import present
from tests.unit.api.manifests import manifest

INFRA = {"namespace": "infra"}


def config(*gateways: dict[str, Any]) -> OperatorConfig:
    return parse_config({"prometheus": [{"url": "http://p:9090"}], "gateways": list(gateways)})


def claiming(hosts: tuple[str, ...] = ("digits.example.com",), namespace: str | None = "infra", **traffic: Any) -> Spec:
    gateway: dict[str, Any] = {"name": "inference", "hostnames": list(hosts)}
    obj = manifest("traffic.gateway", gateway | ({"namespace": namespace} if namespace else {}))
    obj["spec"]["traffic"] |= traffic
    obj["spec"]["serving"]["grpcPort"] = 8001
    return present(parse_spec(obj["spec"])[0])


@pytest.mark.parametrize("namespace", [None, "vision"])
def test_a_gateway_of_ones_own_namespace_is_ones_own(namespace: str | None):
    assert check_claim("vision", claiming(namespace=namespace), config()) == []


def test_another_namespaces_gateway_is_refused_and_the_sentence_names_the_setting():
    (problem,) = check_claim("vision", claiming(), config())
    assert problem.sentence == (
        'spec.traffic.gateway.namespace is "infra": use a Gateway of namespace vision, or have infra/inference listed '
        "in gateways of the operator's configuration, with namespace vision among its namespaces"
    )


@pytest.mark.parametrize(
    ("entry", "fits"),
    [
        (INFRA, True),
        (INFRA | {"name": "inference"}, True),
        (INFRA | {"name": "public"}, False),
        (INFRA | {"namespaces": ["vision"]}, True),
        (INFRA | {"namespaces": ["vis*", "audio"]}, True),
        (INFRA | {"namespaces": ["billing"]}, False),
        (INFRA | {"hostnames": ["*.example.com"]}, True),
        (INFRA | {"hostnames": ["digits.example.com"]}, True),
        (INFRA | {"hostnames": ["*.{namespace}.example.com"]}, False),
        (INFRA | {"hostnames": ["digits.{namespace}.com"]}, False),
        ({"namespace": "other"}, False),
    ],
)
def test_an_entry_allows_what_it_says(entry: dict[str, Any], *, fits: bool):
    assert (check_claim("vision", claiming(), config(entry)) == []) is fits


@pytest.mark.parametrize(
    ("host", "fits"),
    [
        ("a.vision.example.com", True),
        ("a.b.vision.example.com", True),
        ("*.vision.example.com", True),
        ("vision.example.com", False),
        ("avision.example.com", False),
        ("*.example.com", False),
        ("a.billing.example.com", False),
        ("a.vision.example.com.evil.org", False),
    ],
)
def test_a_pattern_covers_the_hosts_below_it_and_no_other(host: str, *, fits: bool):
    made = config(INFRA | {"hostnames": ["*.{namespace}.example.com"]})
    problems = check_claim("vision", claiming(("b.vision.example.com", host)), made)
    assert (problems == []) is fits
    assert all(problem.path == "spec.traffic.gateway.hostnames[1]" for problem in problems)


def test_a_gateway_that_is_listed_is_shared_as_listed_with_its_own_namespace_too():
    own = claiming(("a.example.com",), namespace="vision")
    entry = {"namespace": "vision", "hostnames": ["*.vision.example.com"]}
    assert check_claim("vision", own, config(entry))


@pytest.mark.parametrize(
    "entry",
    [
        {},
        INFRA | {"hostnames": []},
        INFRA | {"hostnames": ["a*.example.com"]},
        INFRA | {"hostnames": ["*.{team}.example.com"]},
        INFRA | {"namespace": "*"},
        INFRA | {"hosts": ["a"]},
    ],
)
def test_a_mistake_in_an_entry_is_refused(entry: dict[str, Any]):
    with pytest.raises(ValidationError):
        config(entry)


@pytest.mark.parametrize(
    ("mine", "its", "where"),
    [
        ("a.example.com", "a.example.com", "a.example.com"),
        ("a.example.com", "*.example.com", "a.example.com"),
        ("*.example.com", "a.b.example.com", "*.example.com"),
        ("*.b.example.com", "*.example.com", "*.b.example.com"),
        ("a.example.com", "b.example.com", ""),
        ("example.com", "*.example.com", ""),
    ],
)
def test_two_claims_meet_at_hosts_that_both_have(mine: str, its: str, where: str):
    one, other = claim_of("vision", claiming((mine,))), claim_of("billing", claiming((its,)))
    assert one.meets(other) == where
    assert bool(other.meets(one)) is bool(where)


def test_claims_of_other_models_listeners_or_gateways_do_not_meet():
    one = Claim("infra/inference", "web", frozenset({"a.example.com"}), "digits")
    for change in ({"model": "letters"}, {"section": "tls"}, {"gateway": "infra/other"}):
        assert not one.meets(Claim(**(vars(one) | change)))
    assert one.meets(Claim(**(vars(one) | {"section": ""})))


def test_calls_of_grpc_meet_whatever_their_model_is():
    one = Claim("infra/inference", "", frozenset({"a.example.com"}), "digits", frozenset({"a.example.com"}), "grpc")
    for change in ({"model": "letters"}, {"model": "letters", "calls": frozenset({"*.example.com"})}):
        assert one.meets(Claim(**(vars(one) | change))) == "a.example.com"
    for change in ({"calls": frozenset()}, {"calls_section": "other"}, {"gateway": "infra/other"}):
        assert not one.meets(Claim(**(vars(one) | {"model": "letters"} | change)))


@pytest.mark.parametrize(
    ("traffic", "calls", "section"),
    [
        ({"protocols": ["GRPC"]}, {"digits.example.com"}, ""),
        ({"protocols": ["HTTP", "GRPC"], "grpc": {"hostnames": ["g.example.com"]}}, {"g.example.com"}, ""),
        (
            {
                "protocols": ["HTTP", "GRPC"],
                "gateway": {"name": "inference", "sectionName": "web", "hostnames": ["digits.example.com"]},
                "grpc": {"sectionName": "grpc"},
            },
            {"digits.example.com"},
            "grpc",
        ),
        ({}, set(), ""),
    ],
)
def test_calls_come_in_where_the_route_of_grpc_has_them(traffic: dict[str, Any], calls: set[str], section: str):
    found = claim_of("vision", claiming(("digits.example.com",), **traffic))
    assert (found.calls, found.calls_section) == (calls, section)
