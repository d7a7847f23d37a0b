"""An answer that says of itself that it failed, or is only a part, is none, wherever in it that stands."""

from __future__ import annotations

import json
from typing import Any

import pytest

from modelrollout.adapters.prometheus.answer import AnswerReader
from modelrollout.adapters.prometheus.failures import failure_of

SERIES = {"metric": {"__name__": "m"}, "values": [[1, "1"], [2, "2"]]}
DATA = {"resultType": "matrix", "result": [SERIES]}


def outcome(text: str) -> str:
    """The reason of the failure and its sentence; empty for an answer that is taken."""
    try:
        AnswerReader().read(text.encode())
    except Exception as error:  # noqa: BLE001 - whatever it is has a reason
        found = failure_of(error, 1.0, cut=False)
        return f"{found.reason}: {found.message}"
    return ""


@pytest.mark.parametrize("more", [{}, {"status": "success"}, {"status": "success", "error": ""}, {"warnings": []}])
def test_a_whole_answer_is_taken(more: dict[str, Any]):
    assert outcome(json.dumps({"data": DATA, **more})) == ""


@pytest.mark.parametrize("data", [DATA, None, {}, []])
@pytest.mark.parametrize("last", [False, True])
def test_a_query_that_failed_is_no_answer_whatever_came_with_it(data: Any, last: bool):
    said = {"status": "error", "errorType": "timeout", "error": "query timed out"}
    answer = {"data": data, **said} if last else {**said, "data": data}
    expected = "PrometheusError: Prometheus failed: HTTP status 200, but no success: query timed out"
    assert outcome(json.dumps(answer)) == expected


@pytest.mark.parametrize("said", [{"status": "partial"}, {"status": None}, {"error": "a shard is gone"}])
def test_what_is_not_called_a_success_is_none(said: dict[str, Any]):
    assert outcome(json.dumps({"status": "success", "data": DATA, **said})).startswith("PrometheusError: ")


@pytest.mark.parametrize("said", [{"isPartial": True}, {"warnings": ["a store is gone"]}])
def test_a_part_is_none_wherever_it_says_so(said: dict[str, Any]):
    for answer in ({"data": DATA, **said}, {"data": {**DATA, **said}}, {"data": {**said, **DATA}}):
        assert outcome(json.dumps(answer)).startswith("PartialAnswer: ")


@pytest.mark.parametrize(
    "text",
    [
        '{"data": %s, "data": {"result": []}}',
        '{"data": {"result": [], "result": []}, "other": %s}',
        '{"data": {"result": [{"metric": {}, "values": [], "values": []}]}, "other": %s}',
        '{"data": {"result": [{"metric": {}, "metric": {}, "values": []}]}, "other": %s}',
    ],
)
def test_what_stands_twice_is_not_read_by_half(text: str):
    assert outcome(text % json.dumps(DATA)).startswith("AnswerMalformed: ")
