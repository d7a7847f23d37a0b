"""What the operator counts of itself: in one place each, bounded, and right."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest

from modelrollout.adapters.kubernetes.client import Api
from modelrollout.api.config import PrometheusServer
from modelrollout.api.status import Status
from modelrollout.api.timestamps import format_timestamp
from modelrollout.core.evaluation import MetricsOutage
from modelrollout.ports import Conflict, LedgerFailure, Unreachable
from modelrollout.runtime.metrics import MOST_SERIES, CountedLedger, MemoryMetrics
from modelrollout.runtime.recording.endings import Endings
from modelrollout.runtime.service import Service
from tests.unit.runtime.in_memory import made, one_pass

PASSES = "modelrollout_operator_passes_total"


def test_a_counter_is_made_once_and_keeps_its_counts():
    metrics = MemoryMetrics()
    metrics.counter("a_total", "As", "kind").add("x")
    metrics.counter("a_total", "As", "kind").add("x", amount=2)
    assert metrics.value("a_total", "x") == 3
    assert metrics.value("a_total", "y") == metrics.value("b_total") == 0


@pytest.mark.parametrize(("labels", "amount"), [((), 1.0), (("x", "y"), 1.0), (("x",), -1.0)])
def test_labels_and_amounts_that_do_not_fit_are_refused(labels: tuple[str, ...], amount: float):
    with pytest.raises(ValueError, match="a_total: got"):
        MemoryMetrics().counter("a_total", "As", "kind").add(*labels, amount=amount)


def test_two_definitions_of_one_name_are_refused():
    metrics = MemoryMetrics()
    metrics.counter("a_total", "As", "kind")
    with pytest.raises(ValueError, match="a_total: defined twice"):
        metrics.counter("a_total", "As", "another")


def test_labels_without_end_do_not_make_memory_grow():
    counter = MemoryMetrics().counter("a_total", "As", "kind")
    for number in range(10 * MOST_SERIES):
        counter.add(str(number))
    assert len(counter.values) == MOST_SERIES + 1
    assert sum(counter.values.values()) == 10 * MOST_SERIES


class Ending:
    """A reconciler whose passes end as the test says."""

    def __init__(self, *ends: Exception | float | None) -> None:
        self.ends = list(ends)

    async def run(self, _watch: Any) -> float | None:
        end = self.ends.pop(0)
        if isinstance(end, Exception):
            raise end
        return end


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (None, "done"),
        (Conflict("changed"), "conflict"),
        (Unreachable("ApiTimeout", "gone"), "unreachable"),
        (TimeoutError(), "timeout"),
        (ZeroDivisionError(), "defect"),
    ],
)
async def test_passes_are_counted_by_how_they_ended(end: Exception | None, outcome: str):
    _, watch, _, clock = made()
    metrics = MemoryMetrics()
    service = Service(Ending(end), lambda *_: watch, clock, metrics)  # type: ignore[arg-type]
    await service._pass(watch, 0)
    assert metrics.counters[PASSES].values == {(outcome,): 1}


@pytest.mark.slow
async def test_writes_and_evaluations_are_counted():
    reconciler, watch, cluster, clock = made()
    for _ in range(60):
        await one_pass(reconciler, watch, cluster, clock)
        await asyncio.sleep(0)
    written = reconciler.writer.metrics.counters  # type: ignore[attr-defined]
    assert written["modelrollout_operator_status_writes_total"].values["written",] > 0
    assert written["modelrollout_operator_route_writes_total"].values["apply",] == reconciler.routers.router.writes  # type: ignore[attr-defined]
    evaluations = watch.metrics.counters["modelrollout_operator_evaluations_total"].values  # type: ignore[attr-defined]
    assert evaluations["on time",] > 0


class Late:
    def __init__(self, found: Any) -> None:
        self.found = found

    async def evaluate(self, *_: Any) -> Any:
        return self.found


@pytest.mark.slow
async def test_an_evaluation_over_an_interval_late_is_counted_as_late_and_an_outage_as_one():
    reconciler, watch, cluster, clock = made()
    while watch.evaluation is None:
        await one_pass(reconciler, watch, cluster, clock)
    request, found = watch.polling.request, watch.evaluation
    assert request is not None
    counted = watch.metrics.counters["modelrollout_operator_evaluations_total"].values  # type: ignore[attr-defined]
    counted.clear()
    for late in (0.9, 1.1):
        watch.evaluator = Late(type(found)(**{**vars(found), "at": found.tick_end + late * request.interval}))  # type: ignore[assignment]
        await watch._evaluate(request)
    watch.evaluator = Late(MetricsOutage("PrometheusTimeout", "away", clock.now()))  # type: ignore[assignment]
    await watch._evaluate(request)
    assert counted == {("on time",): 1, ("late",): 1, ("outage",): 1}


class Answering:
    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    async def range(self, *_: Any) -> Any:
        return self.answers.pop(0)

    async def steps(self, *_: Any) -> Any:
        return self.answers.pop(0)


async def test_every_query_is_counted_by_its_server_and_answer():
    metrics, failure = MemoryMetrics(), LedgerFailure("PrometheusTimeout", "too slow")
    ledger = CountedLedger(Answering((), failure, (), ()), metrics)
    one, other = (PrometheusServer(name=name, url="http://p.test") for name in ("one", "other"))
    assert await ledger.range(one, "a", 0, 1) == ()
    assert await ledger.range(one, "a", 0, 1) == failure
    assert await ledger.steps(one, "a", 0, 1, 1) == ()
    assert await ledger.steps(other, "a", 0, 1, 1) == ()
    counted = metrics.counters["modelrollout_operator_queries_total"].values
    assert counted == {("one", "answered"): 2, ("one", "PrometheusTimeout"): 1, ("other", "answered"): 1}
    assert metrics.counters["modelrollout_operator_query_seconds_total"].values.keys() == {("one",), ("other",)}


class Answers:
    """An API server whose answers are as the test says."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    async def send(self, *_: Any) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, body = answer
        return SimpleNamespace(status=status, headers={}, body=json.dumps(body).encode())


async def test_every_request_to_the_api_server_is_counted_by_its_outcome(monkeypatch: pytest.MonkeyPatch):
    gone = {"reason": "NotFound", "details": {"name": "digits"}}
    server = Answers((200, {"a": 1}), (409, {}), (404, gone), (500, {}), TimeoutError())

    async def body(answer: Any) -> bytes:
        found: bytes = answer.body
        return found

    monkeypatch.setattr("modelrollout.adapters.kubernetes.client.read_bounded", body)
    told: Counter[tuple[str, str]] = Counter()
    api = Api(cast("Any", None))
    monkeypatch.setattr(api, "_send", server.send)
    api.told = lambda *labels: told.update([labels])
    assert await api.get("/a") == {"a": 1}
    with pytest.raises(Conflict):
        await api.put("/a", {})
    assert await api.get("/a") is None
    for _ in range(2):
        with pytest.raises(Unreachable):
            await api.patch("/a", {})
    outcomes = [("GET", "Answered"), ("PUT", "Conflict"), ("GET", "NotFound"), ("PATCH", "ApiError")]
    assert told == Counter([*outcomes, ("PATCH", "ApiTimeout")])


def test_a_gauge_is_read_when_it_is_asked_for():
    metrics, waiting = MemoryMetrics(), [1, 2]
    metrics.gauge("a", "As", "kind", read=lambda: {("x",): float(len(waiting))})
    waiting.pop()
    ((family, samples),) = metrics.families()
    assert (family.name, family.kind, samples) == ("a", "gauge", ((("x",), 1.0),))


def history(*ends: float, result: str = "RolledBack") -> dict[str, Any]:
    one = {"stable": "1", "candidate": "2", "result": result, "reason": "GateFailed"}
    times = [{"startedAt": format_timestamp(end - 600), "endedAt": format_timestamp(end)} for end in ends]
    return {"status": {"phase": "Serving", "stable": "1", "history": [one | each for each in times]}}


@pytest.mark.parametrize(
    ("before", "after", "counted"),
    [
        ({}, history(5000.1234), 1),
        (history(5000.1234), history(5000.1234), 0),
        (history(5000), history(5000, 9000), 1),
        (history(1, 2, 3), history(2, 3, 9000), 1),
        ({"status": {"history": "nonsense"}}, history(9000), 1),
        ({}, history(9000, result="Adopted"), 0),
        (history(9000), {"status": {"phase": "Serving", "stable": "1"}}, 0),
    ],
)
def test_an_end_is_counted_once_with_its_duration(before: dict[str, Any], after: dict[str, Any], counted: int):
    metrics = MemoryMetrics()
    Endings(metrics).count(before, Status.model_validate(after["status"]))
    assert metrics.value("modelrollout_operator_rollouts_ended_total", "RolledBack", "GateFailed") == counted
    assert metrics.value("modelrollout_operator_rollout_seconds_total", "RolledBack") == 600 * counted
