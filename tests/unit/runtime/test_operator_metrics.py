"""What the operator counts of itself: in one place each, bounded, and right."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from modelrollout.core.evaluation import MetricsOutage
from modelrollout.ports import Conflict, LedgerFailure, Unreachable
from modelrollout.runtime.metrics import MOST_SERIES, CountedLedger, MemoryMetrics
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


async def test_every_query_is_counted_by_its_answer():
    metrics, failure = MemoryMetrics(), LedgerFailure("PrometheusTimeout", "too slow")
    ledger = CountedLedger(Answering((), failure, ()), metrics)
    assert await ledger.range(None, "a", 0, 1) == ()  # type: ignore[arg-type]
    assert await ledger.range(None, "a", 0, 1) == failure  # type: ignore[arg-type]
    assert await ledger.steps(None, "a", 0, 1, 1) == ()  # type: ignore[arg-type]
    counted = metrics.counters["modelrollout_operator_queries_total"].values
    assert counted == {("answered",): 2, ("PrometheusTimeout",): 1}
