"""Each gate's verdict and figures, from samples as Prometheus holds them; its sentences are in tests/golden."""

from __future__ import annotations

import numpy as np
import pytest

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.series import make_series
from modelrollout.core.evaluation import Evaluation
from tests.expect import expect
from tests.unit.analysis.gates.judged import BOTH, ERRORS, LATENCY, PLAIN, judged
from tests.unit.analysis.recorded import (
    GATEWAY_HEARTBEAT,
    GATEWAY_REQUESTS,
    START,
    Recording,
    StoredLedger,
    evaluator,
    gateway,
    histogram,
    look,
    request_of,
    scrapes,
    spec_of,
)


@BOTH
async def test_errors_well_above_stable_fail_with_their_figures(method):
    gate = await judged({**ERRORS, "method": method}, 300, gateway(300, stable=(230, 2), candidate=(10, 2)))
    assert gate.verdict == "FAIL"
    assert (gate.observed, gate.stable, gate.limit) == ("16.7 %", "0.86 %", "<= 1.18 %")
    assert gate.samples.startswith("720 vs 13,9")


@pytest.mark.alike(1)
@BOTH
async def test_equal_versions_pass_once_there_is_enough(method):
    gate = await judged({**ERRORS, "method": method}, 3000, gateway(3000, stable=(230, 2), candidate=(230, 2)))
    assert gate.verdict == "PASS"
    assert not gate.leaning_bad


@BOTH
async def test_no_traffic_is_no_data_and_holds_nothing(method):
    quiet = gateway(120, stable=(230, 2), candidate=(0, 0))
    found = await look(request_of(spec_of({**ERRORS, "method": method})), 120, quiet)
    gate = found.gates[0]
    assert gate.verdict == "NO_DATA"
    assert found.halt is None
    assert found.requests == 0


async def test_a_candidate_the_gateway_has_never_seen_is_no_traffic_not_missing_metrics():
    only_stable = Recording(scrapes(120), "traefik").growing(GATEWAY_HEARTBEAT, 0)
    only_stable.growing(GATEWAY_REQUESTS, 50, code="200", service="x")
    found = await look(request_of(spec_of({**ERRORS, "source": "Gateway"})), 120, only_stable)
    assert found.gates[0].verdict == "NO_DATA"
    assert found.halt is None


@BOTH
async def test_too_few_requests_go_on_with_a_forecast(method):
    gate = await judged({**ERRORS, "method": method}, 100, gateway(100, stable=(230, 2), candidate=(5, 0)))
    assert gate.verdict == "CONTINUE"
    assert gate.eta


async def test_a_plain_threshold_fails_only_at_the_third_evaluation_in_a_row():
    rec = gateway(300, stable=(230, 2), candidate=(10, 2))
    verdicts = [(await judged({**ERRORS, **PLAIN}, at, rec)).verdict for at in (91, 106, 121)]
    assert verdicts == ["CONTINUE", "CONTINUE", "FAIL"]


async def test_two_limits_are_two_tests_and_either_fails():
    rec = gateway(600, stable=(200, 0), candidate=(196, 4))
    gate = {**ERRORS, **PLAIN, "max": "5%", "versusStable": {"ratio": 1.25, "plus": "0.1%"}}
    found = await judged(gate, 600, rec)
    assert found.verdict == "FAIL"
    assert found.limit == "<= 5 %; <= 0.1 %"
    assert (await judged({**ERRORS, **PLAIN, "max": "5%"}, 600, rec)).verdict == "PASS"


async def test_nothing_bad_in_enough_requests_passes():
    gate = await judged(ERRORS, 600, gateway(600, stable=(300, 0), candidate=(60, 0)))
    assert gate.verdict == "PASS"


async def test_accuracy_is_shown_as_accuracy_and_judged_on_the_wrong_answers():
    rec = Recording(scrapes(600))
    for version, right, since in (("1", 97, -np.inf), ("2", 80, START)):
        labels = {"model": "digits", "version": version, "source": "labels"}
        rec.growing(s.EVALS, 100, since=since, **labels).growing(s.CORRECT, right, since=since, **labels)
        rec.growing(s.EVALS, 100, since=since, **{**labels, "source": "golden"})
    gate = await judged({"name": "accuracy", "type": "Accuracy", "min": "92%"}, 600, rec)
    assert gate.verdict == "FAIL"
    assert (gate.observed, gate.stable, gate.limit) == ("80.0 %", "97.0 %", ">= 92 %")


async def test_non_finite_counts_rows_not_elements():
    rec = Recording(scrapes(600))
    for version, bad, since in (("1", 0, -np.inf), ("2", 128, START)):
        labels = {"model": "digits", "version": version, "layer": "h1"}
        rec.growing(s.SAMPLES, 10, since=since, **labels).growing(s.ELEMENTS, 640, since=since, **labels)
        rec.growing(s.NONFINITE, bad, since=since, kind="nan", **labels)
        rec.growing(s.NONFINITE, 0, since=since, kind="inf", **labels)
    gate = await judged({"name": "nan", "type": "NonFinite"}, 600, rec)
    assert gate.verdict == "FAIL"
    assert gate.observed == "20.0 %"
    assert gate.samples.startswith("1,200 vs ")


async def test_the_models_own_counters_serve_where_no_gateway_does():
    rec = Recording(scrapes(600))
    for version, bad, since in (("1", 1, -np.inf), ("2", 30, START)):
        rec.growing(s.SUCCESS, 100 - bad, since=since, model="digits", version=version)
        rec.growing(s.FAILURE, bad, since=since, model="digits", version=version, reason="OTHER")
    found = await look(request_of(spec_of(ERRORS), dialect=None), 600, rec)
    assert found.gates[0].verdict == "FAIL"
    assert found.requests == 12_000


@BOTH
async def test_a_slower_candidate_fails_and_the_limit_is_a_bucket(method):
    rec = histogram(600, stable={0.02: 200, 0.05: 1}, candidate={0.05: 30, 0.1: 10})
    found = await judged({**LATENCY, "method": method, "max": "45ms"}, 600, rec)
    assert found.verdict == "FAIL"
    assert found.limit == "P99 <= 50 ms (max 45 ms, the next bucket edge)"
    assert found.observed == "P99 <= 100 ms"


@pytest.mark.alike(1)
@BOTH
async def test_an_equally_fast_candidate_passes_on_latency(method):
    rec = histogram(1200, stable={0.02: 200, 0.05: 1}, candidate={0.02: 200, 0.05: 1})
    assert (await judged({**LATENCY, "method": method}, 1200, rec)).verdict == "PASS"


async def test_warm_up_is_ignored_for_latency():
    rec = histogram(600, stable={0.02: 200, 0.05: 1}, candidate={0.05: 30, 0.1: 10})
    cold = request_of(spec_of(LATENCY, warmup="600s"))
    found = await look(cold, 600, rec)
    assert found.gates[0].verdict == "NO_DATA"


async def test_buckets_too_coarse_for_a_relative_gate_are_a_warning():
    rec = histogram(600, stable={0.01: 200, 0.02: 5}, candidate={0.02: 30})
    found = await look(request_of(spec_of(LATENCY)), 600, rec)
    assert sum(text.startswith("latency:") for text in found.warnings) == 1


async def test_a_counter_that_reads_nan_never_passes():
    rec = gateway(600, stable=(300, 0), candidate=(60, 0))
    nan_from_then_on = np.where(rec.times > START + 100, np.nan, 5.0)
    rec.reading(GATEWAY_REQUESTS, nan_from_then_on, since=START, code="500", service="httproute-x")
    key = next(k for k in rec.points if ("code", "503") in k and "digits-v2" in str(k))
    rec.points[key] = [(at, float("nan"), seen) for at, _, seen in rec.points[key]]
    gate = await judged(ERRORS, 600, rec)
    assert gate.verdict == "NO_DATA"
    assert "SampleNotANumber" in gate.message


def asked(*values, extra=()):
    ends = [(START + 15.0 * (k + 1), value) for k, value in enumerate(values)]
    return [make_series({}, ends), *(make_series({"pod": "b"}, ends) for _ in extra)]


@pytest.mark.alike(6)
@pytest.mark.parametrize(
    ("sentence", "values", "extra", "verdict", "reason"),
    [
        ("within the limit", [12] * 8, (), "PASS", ""),
        ("three evaluations beyond it", [12] * 5 + [3] * 3, (), "FAIL", ""),
        ("two evaluations beyond it", [12] * 6 + [3] * 2, (), "CONTINUE", ""),
        ("too few evaluations", [12] * 2, (), "NO_DATA", "EmptyAnswer"),
        ("NaN now", [12] * 7 + [float("nan")], (), "NO_DATA", "NotANumber"),
        ("infinite now", [12] * 7 + [float("inf")], (), "NO_DATA", "NotANumber"),
        ("always infinite", [float("inf")] * 8, (), "NO_DATA", "NotANumber"),
        ("several series", [12] * 8, (1,), "NO_DATA", "SeveralSeries"),
        ("nothing at all", [], (), "NO_DATA", "EmptyAnswer"),
    ],
)
async def test_a_query_gate_is(sentence, values, extra, verdict, reason):
    gate = {"name": "orders", "type": "Query", "query": 'sum(x{v="{{version}}"})', "min": "10"}
    found = await judged(gate, 121, gateway(121, stable=(9, 1), candidate=(9, 1)), values=asked(*values, extra=extra))
    assert found.verdict == verdict, sentence
    assert found.message.startswith(reason)


async def test_a_query_gate_needs_the_servers_leave():
    gate = {"name": "orders", "type": "Query", "query": "x", "min": "10"}
    ledger = StoredLedger(gateway(121, stable=(9, 1), candidate=(9, 1)))
    ledger.now, ledger.values = START + 121, asked(*[12] * 8)
    got = await evaluator(ledger, allow_queries=False).evaluate(request_of(spec_of(gate)), START + 121)
    found = expect(Evaluation, got)
    assert found.gates[0].verdict == "NO_DATA"
    assert "QueriesNotAllowed" in found.gates[0].message
