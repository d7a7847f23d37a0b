"""A gateway described in the configuration counts as a built-in one does; what is wrong with it is said at once."""

from __future__ import annotations

import pytest

from modelrollout.api.config import parse_config
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.dialects.dialect import Dialect
from modelrollout.dialects.registry import DIALECTS
from tests.unit.analysis.recorded import request_of, spec_of

OURS = {
    "name": "Ours",
    "requests": "proxy_answers_total",
    "durations": "proxy_answer_milliseconds_bucket",
    "unit": "ms",
    "label": "upstream",
    "backend": "{gateway}/{namespace}/{service}:{port}",
    "status": "code",
    "grpcStatus": "grpc_code",
    "matchers": ['reporter="proxy"', 'pod=~"{gateway}-.+"'],
}


def configured(**changes: object) -> Dialect:
    server = {"prometheus": [{"url": "http://p"}]}
    ours = {name: value for name, value in (OURS | changes).items() if value is not None}
    found = parse_config({**server, "customDialects": [ours], "dialects": {"a/b": "Ours"}}).dialect_of("a/b")
    assert found is not None
    return found


def test_it_tells_versions_statuses_and_durations_apart():
    reader = SeriesReader(request_of(spec_of(), dialect=configured()))

    def counted(name: str, service: str, **labels: str) -> tuple[str, str] | None:
        found = reader.channel({"__name__": name, "upstream": f"inference/vision/{service}:8000", **labels})
        return None if found is None else (found.arm, found.detail)

    assert counted("proxy_answers_total", "digits-v1", code="200", grpc_code="") == ("stable", "")
    assert counted("proxy_answers_total", "digits-v2", code="200", grpc_code="14") == ("candidate", "14")
    assert counted("proxy_answers_total", "digits-v2", code="404") == ("candidate", "refused 404")
    assert counted("proxy_answers_total", "digits-v22", code="404") is None
    assert counted("proxy_answer_milliseconds_bucket", "digits-v2", le="250") == ("candidate", "0.25")


def test_its_matchers_are_filled_with_names_that_match_nothing_else():
    spec = spec_of()
    gateway = spec.traffic.gateway.model_copy(update={"name": "in.ference"})
    spec = spec.model_copy(update={"traffic": spec.traffic.model_copy(update={"gateway": gateway})})
    server = parse_config({"prometheus": [{"url": "http://p"}]}).prometheus[0]
    found = s.gateway_selection(request_of(spec, dialect=configured()), server, ())
    assert found is not None
    assert found.text.endswith(r',reporter="proxy",pod=~"in\\.ference-.+"}')


def test_versions_without_a_name_of_their_own_are_told_by_their_place():
    reader = SeriesReader(request_of(spec_of(), dialect=configured(backend="{namespace}/{route}/{index}")))
    for index, arm in (("0", "stable"), ("1", "candidate"), ("2", None), ("10", None)):
        found = reader.channel({"__name__": "proxy_answers_total", "upstream": f"vision/digits/{index}", "code": "200"})
        assert (found and found.arm) == arm


def test_without_durations_none_are_asked_for():
    request = request_of(spec_of(), dialect=configured(durations=None))
    server = parse_config({"prometheus": [{"url": "http://p"}]}).prometheus[0]
    found = s.gateway_selection(request, server, (s.GATEWAY_DURATION,))
    assert found is not None
    assert "proxy_answers_total" in found.text
    assert "milliseconds" not in found.text


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"backend": "{host}"}, "backend", "{host} is no placeholder here: use {namespace}"),
        ({"backend": "{namespace}/{route}"}, "backend", "{service}, or by {index}"),
        ({"backend": "({service}"}, "backend", "write a regular expression (RE2)"),
        ({"backend": "(?=x){service}"}, "backend", "looking around"),
        ({"backend": "(a){service}\\1"}, "backend", "references"),
        ({"backend": ""}, "backend", "at least 1 character"),
        ({"errors": "5{service}"}, "errors", "it takes none"),
        ({"errors": "*"}, "errors", "nothing to repeat"),
        ({"refusals": "4[0"}, "refusals", "RE2"),
        ({"label": "up-stream"}, "label", "pattern"),
        ({"requests": "a b"}, "requests", "pattern"),
        ({"unit": "us"}, "unit", "'s' or 'ms'"),
        ({"name": "None"}, "name", "None is there already"),
        ({"name": "Traefik"}, "name", "Traefik is there already"),
        ({"matchers": ['a="b",c="d"']}, "matchers.0", "write one PromQL label matcher"),
        ({"matchers": ["reporter"]}, "matchers.0", "write one PromQL label matcher"),
        ({"matchers": ['a="b"', 'ns="{namespace}"']}, "matchers.1", '=~"..."'),
        ({"matchers": ['ns=~"{service}"']}, "matchers.0", "{service} is no placeholder here"),
        ({"bakend": "x"}, "bakend", "not permitted"),
        ({"status": None}, "status", "required"),
    ],
)
def test_what_is_wrong_is_said_with_its_field(changes, field, said):
    with pytest.raises(ValueError, match="validation error") as found:
        configured(**changes)
    text = str(found.value)
    details = [
        (".".join(str(part) for part in one["loc"]), one.get("ctx", {}).get("path", ""), one["msg"])
        for one in found.value.errors()  # type: ignore[attr-defined]  # pydantic's own
    ]
    assert any(field in {loc.rpartition(".")[2], path, path.rpartition(".")[2]} for loc, path, _ in details), details
    assert said in text


@pytest.mark.parametrize(
    ("durations", "unit", "said"),
    [
        ("proxy_answer_milliseconds_bucket", "s", "write unit: ms"),
        ("proxy_answer_ms_bucket", "s", "write unit: ms"),
        ("proxy_answer_seconds_bucket", "ms", "write unit: s"),
        ("proxy_answer_milliseconds_bucket", "ms", None),
        ("proxy_answer_seconds_bucket", "s", None),
        ("proxy_answer_time_bucket", "ms", None),
        (None, "ms", None),
    ],
)
def test_a_unit_that_the_histograms_name_contradicts_is_said(durations, unit, said):
    ours = {name: value for name, value in (OURS | {"durations": durations, "unit": unit}).items() if value is not None}
    server = {"prometheus": [{"url": "http://p", "gatewayMatchers": 'job="proxy"'}]}
    found = parse_config({**server, "customDialects": [ours], "dialects": {"a/b": "Ours"}}).unsafe()
    assert [said in text for text in found] == ([] if said is None else [True]), found


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: one.name)
def test_built_in_dialects_use_what_both_kinds_of_expression_have(dialect):
    server = {"prometheus": [{"url": "http://p"}]}
    for field, pattern in (("backend", dialect.backend), ("errors", dialect.errors), ("refusals", dialect.refusals)):
        same = OURS | {field: pattern}
        assert parse_config({**server, "customDialects": [same], "dialects": {}}).custom_dialects
