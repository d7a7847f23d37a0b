"""A selector finds the series of this model, this route and these two versions, and nothing else whatever the names."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.api.config import PrometheusServer
from modelrollout.api.spec import Spec
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.promql import any_of, fill_matchers, fill_template, literal, quoted
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.core.evaluation import EvaluationRequest
from modelrollout.dialects.traefik import TRAEFIK
from modelrollout.runtime.evaluation.question import selections
from tests.unit.analysis.recorded import GATEWAY_REQUESTS

HASH = "0123456789abcdef0123"


def request(*, name="digits", gateway="inference", stable="1", candidate="2", **extra) -> EvaluationRequest:
    spec = Spec.model_validate(
        {
            "model": {"name": "digits", "version": candidate},
            "serving": {"service": "digits-v{version}"},
            "traffic": {"gateway": {"name": gateway, "namespace": "infra", "hostnames": ["a.b"]}},
            "steps": [{"weight": 5, "hold": "10m"}],
        }
    )
    return EvaluationRequest("r", "vision", name, spec, stable, candidate, 0.0, 0.0, (), **extra)


def service(route="digits", gateway="inference", service="digits-v2", rule=0, index=1, entrypoint="web", ns="vision"):
    return (
        f"httproute-{ns}-{route}-gw-infra-{gateway}-ep-{entrypoint}-{rule}-{HASH}-svc-{ns}-{service}-{index}"
        "@kubernetesgateway"
    )


def arm(label: str, **kw) -> str | None:
    labels = {"__name__": GATEWAY_REQUESTS, "service": label, "code": "200"}
    found = SeriesReader(request(dialect=TRAEFIK, **kw)).channel(labels)
    return None if found is None else found.arm


@pytest.mark.parametrize(
    ("sentence", "label", "expected"),
    [
        ("the candidate's backend", service(), "candidate"),
        ("stable's backend", service(service="digits-v1", index=0), "stable"),
        ("any entrypoint", service(entrypoint="websecure"), "candidate"),
        ("a version that only begins alike", service(service="digits-v21"), None),
        ("a route that only begins alike", service(route="digits-eu"), None),
        ("a route that only ends alike", service(route="eu-digits"), None),
        ("the testers' rule", service(rule=1), None),
        ("another namespace", service(ns="visions"), None),
        ("another gateway", service(gateway="inference-b"), None),
        ("the rule itself", service().split("-svc-")[0] + "-wrr@kubernetesgateway", None),
    ],
)
def test_traefik_label_belongs_to(sentence, label, expected):
    assert arm(label) == expected, sentence


@pytest.mark.parametrize(
    "change", [{"name": "other"}, {"candidate": "3"}, {"stable": "3"}, {"place": 1}, {"namespace": "speech"}]
)
def test_what_is_known_of_a_request_is_of_no_request_made_from_it(change):
    asked, server = request(dialect=TRAEFIK), PrometheusServer(url="http://p")
    SeriesReader(asked), selections(asked, server)
    changed, new = replace(asked, **change), replace(request(dialect=TRAEFIK), **change)
    assert replace(asked) == asked
    assert selections(changed, server) == selections(new, server)
    assert SeriesReader(changed).key == SeriesReader(new).key
    other = PrometheusServer(url="http://p", matchers='team="a"')
    assert selections(asked, other) == selections(request(dialect=TRAEFIK), other) != selections(asked, server)


def normalized(name: str) -> str:
    """What Traefik does to a route's key: letters and numbers of any alphabet, joined by single dashes."""
    return "-".join("".join(c if unicodedata.category(c)[0] in "LN" else " " for c in name).split())


NAMES = ("digits", "digits.eu", "digits--eu", "a.b-c--d.e", "d1.2", "x--1.y-2")
ENTRY_POINTS = ("web", "web-secure", "Web", "WEB_SECURE", "web.1", "web-0", "прием-1", "入口", "ε²")


@pytest.mark.alike(5)
@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
@pytest.mark.parametrize("gateway", NAMES)
@pytest.mark.parametrize("name", NAMES)
def test_traefik_writes_every_run_of_other_characters_as_one_dash(name, gateway, entry_point):
    label = service(normalized(name), normalized(gateway), entrypoint=normalized(entry_point))
    asked = {"name": name, "gateway": gateway}
    assert arm(label, **asked) == "candidate", label
    assert arm(label.replace("digits-v2", "digits-v1"), **asked) == "stable"
    assert arm(label.replace(f"-0-{HASH}", f"-1-{HASH}"), **asked) is None
    selection = s.gateway_selection(request(dialect=TRAEFIK, **asked), PrometheusServer(url="http://p"), ())
    assert selection is not None
    pattern = re.search(r'service=~"([^"]*)"', selection.text)
    assert pattern is not None
    assert re.fullmatch(pattern.group(1).replace("\\\\", "\\"), label)


@given(st.text(max_size=20))
def test_a_name_is_written_as_traefik_writes_it(name):
    assert TRAEFIK.written(name) == normalized(name)


def test_a_dot_in_a_name_is_a_dash_and_nothing_else():
    assert arm(service(gateway="in-ference"), gateway="in.ference") == "candidate"
    assert arm(service(gateway="inxference"), gateway="in.ference") is None


def test_the_gateway_query_asks_for_both_services_the_rule_and_the_heartbeat():
    server = PrometheusServer(url="http://p", gateway_matchers='cluster="{namespace}"')
    found = s.gateway_selection(request(dialect=TRAEFIK), server, ())
    assert found is not None
    assert found.text.endswith(',cluster="vision"}')
    pattern = re.search(r'service=~"([^"]*)"', found.text)
    assert pattern is not None
    expression = re.compile(pattern.group(1).replace("\\\\", "\\"))
    wrr = service().split("-svc-")[0] + "-wrr@kubernetesgateway"
    assert all(expression.fullmatch(text) for text in (service(), service(service="digits-v1"), wrr, ""))
    assert not any(expression.fullmatch(text) for text in (service(route="digits-eu"), service(rule=1), "x"))


def test_without_a_dialect_the_gateway_is_not_asked():
    assert s.gateway_selection(request(dialect=None), PrometheusServer(url="http://p"), ()) is None


def test_the_mandatory_matchers_stand_in_every_built_in_query():
    server = PrometheusServer(url="http://p", matchers='namespace="{namespace}",tenant="a"')
    text = s.model_selection(request(), server, ()).text
    assert text.endswith(',model="digits",version=~"1|2",namespace="vision",tenant="a"}')


def test_only_series_that_a_gate_needs_are_asked_for():
    text = s.model_selection(request(), PrometheusServer(url="http://p"), ()).text
    assert s.SUCCESS in text
    assert s.WINDOWS not in text
    assert s.MAGNITUDES not in text


@given(st.text(max_size=30))
def test_a_literal_matches_its_text_and_nothing_longer(text):
    assert re.fullmatch(literal(text), text)
    assert re.fullmatch(any_of(["other", text]), text)
    assert not re.fullmatch(literal(text), text + "x")


@given(st.text(max_size=30))
def test_a_quoted_value_cannot_leave_its_quotes(text):
    inside = quoted(text)[1:-1]
    assert not re.search(r'(?<!\\)(\\\\)*"', inside)
    assert "\n" not in inside


def test_a_namespace_cannot_break_out_of_the_matchers():
    assert fill_matchers('namespace="{namespace}"', 'x"} or up{a="') == 'namespace="x\\"} or up{a=\\""'


def test_placeholders_are_filled_and_unknown_ones_named():
    assert fill_template('a{v="{{version}}",w="{{ version }}"}', {"version": '2"'}) == 'a{v="2\\"",w="2\\""}'
    with pytest.raises(ValueError, match="verison"):
        fill_template("{{verison}}", {"version": "2"})
