"""A Query gate that answers nothing, or no number, holds the bake like any other gate without data."""

from __future__ import annotations

from typing import Any

import pytest

from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.core.analysis.metrics.series import Series, make_series
from modelrollout.runtime.evaluation.evaluator import Evaluator
from tests.allowed import ALLOWED
from tests.unit.runtime.in_memory import EVERY, GrowingLedger, made, one_pass, router_of


class AskedLedger(GrowingLedger):
    """Answers the query with `value`; None is no series at all."""

    value: float | None = 1.0

    async def steps(self, *asked: Any) -> tuple[Series, ...]:
        _server, _query, start, end, step = asked
        if self.value is None:
            return ()
        ends = [round(start + n * step, 3) for n in range(round((end - start) / step) + 1)]
        return (make_series({}, [(at, self.value) for at in ends]),)


@pytest.mark.slow
@pytest.mark.parametrize("answer", [None, float("nan"), float("inf")])
async def test_a_query_without_a_number_holds_the_bake_until_it_has_one(answer: float | None):
    reconciler, watch, cluster, clock = made()
    ledger = AskedLedger()
    server = PrometheusServer(url="http://prometheus.test", scrape_interval=EVERY, allow_queries=True)
    reconciler.config = watch.config = OperatorConfig(gateways=ALLOWED, prometheus=[server])
    watch.evaluator = Evaluator(ledger, reconciler.config)
    cluster.obj["spec"]["gates"].append({"name": "ours", "type": "Query", "query": "up", "max": "2"})
    for _ in range(80):
        await one_pass(reconciler, watch, cluster, clock)
        if cluster.obj["status"]["phase"] == "Baking":
            break
    ledger.value = answer
    for _ in range(20):
        await one_pass(reconciler, watch, cluster, clock)
    status = cluster.obj["status"]
    assert (status["phase"], status["stable"], status["reason"]) == ("Baking", "1", "NotProven")
    assert status["message"].startswith("ours: ")
    assert router_of(reconciler).route is not None
    ledger.value = 1.0
    for _ in range(10):
        await one_pass(reconciler, watch, cluster, clock)
        if cluster.obj["status"]["stable"] == "2":
            return
    raise AssertionError(cluster.obj["status"]["message"])
