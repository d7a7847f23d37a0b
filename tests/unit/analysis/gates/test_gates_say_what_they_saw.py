"""Each gate's verdict and figures, from samples as Prometheus holds them; its sentences are in tests/golden."""

from __future__ import annotations

import numpy as np
import pytest

from modelrollout.api.status import LONGEST_WARNING, MOST_WARNINGS
from modelrollout.core import reasons
from modelrollout.core.analysis.gates.evaluate import _bounded
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.series import make_series
from modelrollout.core.evaluation import Evaluation
from tests.expect import expect
from tests.unit.analysis.recorded import (
    GATEWAY_HEARTBEAT,
    GATEWAY_REQUESTS,
    GATEWAY_ROUTER,
    START,
    Recording,
    StoredLedger,
    backend,
    dead_windows,
    evaluator,
    gateway,
    histogram,
    look,
    request_of,
    scrapes,
    spec_of,
)

ERRORS = {"name": "errors", "type": "ErrorRate"}
LATENCY = {"name": "latency", "type": "Latency"}
DEAD = {"name": "dead", "type": "DeadNeurons"}
PLAIN = {"method": "Threshold"}
BOTH = pytest.mark.parametrize("method", ["Threshold", "Sequential"])


async def judged(gate, at, *recordings, request=None, **kw):
    found = await look(request or request_of(spec_of(gate)), at, *recordings, **kw)
    return found.gates[0]


@BOTH
async def test_errors_well_above_stable_fail_with_their_figures(method):
    gate = await judged({**ERRORS, "method": method}, 300, gateway(300, stable=(230, 2), candidate=(10, 2)))
    assert gate.verdict == "FAIL"
    assert (gate.observed, gate.stable, gate.limit) == ("16.7 %", "0.86 %", "<= 1.18 %")
    assert gate.samples.startswith("720 vs 13,9")


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
    found = await look(request_of(spec_of(ERRORS), dialect="None"), 600, rec)
    assert found.gates[0].verdict == "FAIL"
    assert found.requests == 12_000


@BOTH
async def test_a_slower_candidate_fails_and_the_limit_is_a_bucket(method):
    rec = histogram(600, stable={0.02: 200, 0.05: 1}, candidate={0.05: 30, 0.1: 10})
    found = await judged({**LATENCY, "method": method, "max": "45ms"}, 600, rec)
    assert found.verdict == "FAIL"
    assert found.limit == "P99 <= 50 ms (max 45 ms, the next bucket edge)"
    assert found.observed == "P99 <= 100 ms"


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


async def test_warnings_are_bounded_whatever_the_gates_are_called():
    gates = [{**LATENCY, "name": f"latency-{number}-{'x' * 50}"[:63]} for number in range(MOST_WARNINGS + 2)]
    rec = histogram(300, stable={0.02: 100}, candidate={0.02: 10})
    found = await look(request_of(spec_of(*gates)), 300, rec)
    assert len(found.warnings) == MOST_WARNINGS
    assert found.warnings[0].startswith("latency-0-")
    assert _bounded(["x" * 1000]) == ("x" * LONGEST_WARNING,)


@BOTH
async def test_the_layer_that_died_is_named(method):
    recs = [dead_windows(300, "h1", stable=7, candidate=74), dead_windows(300, "h2", stable=6, candidate=6)]
    gate = await judged({**DEAD, "method": method}, 300, *recs)
    assert (gate.verdict, gate.layer) == ("FAIL", "h1")
    assert (gate.observed, gate.stable, gate.limit) == ("74.0 % dead", "7.0 % dead", "<= 24 %")


@BOTH
async def test_equally_alive_layers_pass(method):
    recs = [dead_windows(600, "h1", stable=7, candidate=9), dead_windows(600, "h2", stable=6, candidate=5)]
    assert (await judged({**DEAD, "method": method}, 600, *recs)).verdict == "PASS"


async def test_two_dead_units_more_are_no_reason_even_where_stable_has_none():
    recs = [dead_windows(600, "h1", stable=0, candidate=2)]
    gate = {**DEAD, **PLAIN, "versusStable": {"ratio": 1.05, "plus": "0.5%"}}
    assert (await judged(gate, 600, *recs)).verdict == "PASS"


async def test_windows_of_different_size_are_not_comparable():
    gate = await judged(DEAD, 300, dead_windows(300, "h1", stable=7, candidate=7, size=(200, 100)))
    assert gate.verdict == "NOT_COMPARABLE"
    assert gate.message.startswith("WindowSizesDiffer:")


async def test_layers_that_only_one_version_has_are_not_comparable():
    rec = dead_windows(300, "h1", stable=7, candidate=7)
    rec.growing(s.WINDOWS, 1, since=START, model="digits", version="2", layer="h9")
    gate = await judged(DEAD, 300, rec)
    assert gate.verdict == "NOT_COMPARABLE"
    assert gate.message.startswith("LayersDiffer:")


async def test_a_candidate_without_telemetry_is_no_data_and_held():
    rec = Recording(scrapes(300)).growing(s.WINDOWS, 1, model="digits", version="1", layer="h1")
    found = await look(request_of(spec_of(DEAD)), 300, rec)
    assert found.gates[0].verdict == "NO_DATA"
    assert found.halt == reasons.METRICS_UNAVAILABLE


async def test_missing_scrapes_halt_at_the_third_tick_and_not_before():
    rec = gateway(300, stable=(230, 2), candidate=(10, 0))
    spec = spec_of(ERRORS)
    halts = [(await look(request_of(spec), at, rec)).halt for at in (310, 326, 341, 356)]
    assert halts == [None, None, None, reasons.METRICS_UNAVAILABLE]


async def test_a_counter_that_reads_nan_never_passes():
    rec = gateway(600, stable=(300, 0), candidate=(60, 0))
    nan_from_then_on = np.where(rec.times > START + 100, np.nan, 5.0)
    rec.reading(GATEWAY_REQUESTS, nan_from_then_on, since=START, code="500", service="httproute-x")
    key = next(k for k in rec.points if ("code", "503") in k and "digits-v2" in str(k))
    rec.points[key] = [(at, float("nan"), seen) for at, _, seen in rec.points[key]]
    gate = await judged(ERRORS, 600, rec)
    assert gate.verdict == "NO_DATA"
    assert "SampleNotANumber" in gate.message


@pytest.mark.parametrize(
    ("sentence", "per_scrape", "within", "verdict"),
    [
        ("inside the band", (50, 50), ["30%", "70%"], "PASS"),
        ("above the band", (50, 90), ["30%", "70%"], "FAIL"),
        ("below the band", (50, 10), ["30%", "70%"], "FAIL"),
        ("like stable", (50, 51), None, "PASS"),
        ("drifted from stable", (50, 70), None, "FAIL"),
    ],
)
@BOTH
async def test_sparsity_is(sentence, per_scrape, within, verdict, method):
    rec = Recording(scrapes(1500))
    for version, zeros, since in (("1", per_scrape[0], -np.inf), ("2", per_scrape[1], START)):
        labels = {"model": "digits", "version": version, "layer": "h1"}
        rec.growing(s.ELEMENTS, 100, since=since, **labels).growing(s.ZEROS, zeros, since=since, **labels)
    gate = {"name": "sparsity", "type": "ZeroRatio", "method": method}
    spec = spec_of({**gate, **({"within": within} if within else {})}, interval="5s")
    found = await judged(None, 1500, rec, request=request_of(spec))
    assert found.verdict == verdict, sentence
    assert found.required is (within is not None)


@BOTH
async def test_drift_beyond_its_limit_fails_and_without_a_limit_is_only_reported(method):
    rec = Recording(scrapes(900))
    for version, small, since in (("1", 90, -np.inf), ("2", 10, START)):
        labels = {"model": "digits", "version": version, "layer": "h1"}
        rec.growing(s.MAGNITUDES, small, since=since, le="1", **labels)
        rec.growing(s.MAGNITUDES, 100, since=since, le="+Inf", **labels)
    gate = {"name": "drift", "type": "Drift", "method": method}
    assert (await judged({**gate, "max": "10%"}, 900, rec)).verdict == "FAIL"
    free = await judged(gate, 900, rec)
    assert (free.verdict, free.required, free.observed) == ("CONTINUE", False, "53.1 % divergence")


def asked(*values, extra=()):
    ends = [(START + 15.0 * (k + 1), value) for k, value in enumerate(values)]
    return [make_series({}, ends), *(make_series({"pod": "b"}, ends) for _ in extra)]


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


def worse_in_the_bake() -> Recording:
    """2 % of errors in both versions; all traffic to the candidate after 300 s, and 20 % from then on."""
    rec = Recording(scrapes(900), "traefik").growing(GATEWAY_HEARTBEAT, 0)
    baking = rec.times > START + 300
    for code, one, two in (("200", 98, 80), ("503", 2, 20)):
        rec.growing(GATEWAY_REQUESTS, np.where(baking, 0, one), code=code, service=backend("1"))
        growth = np.where(baking, two, one / 10)
        rec.growing(GATEWAY_REQUESTS, growth, since=START, code=code, service=backend("2"))
    return rec


@BOTH
async def test_during_the_bake_the_limit_is_stables_last_half_hour(method):
    request = request_of(spec_of({**ERRORS, "method": method}), bake_started_at=START + 300)
    found = await look(request, 600, worse_in_the_bake())
    assert (found.gates[0].verdict, found.gates[0].frozen) == ("FAIL", True)
    assert found.gates[0].limit == "<= 2.6 %"


def with_marks(metric, label, stable, candidate, until=900, **labels):
    """Both versions' series that say something by their label: [(value of the label, from second, to second)]."""
    found = Recording(scrapes(until), "triton-marks")
    for version, values in (("1", stable), ("2", candidate)):
        for value, first, last in values:
            mark = {"model": "digits", "version": version, label: value, **labels}
            found.reading(metric, 1, since=START + first, **mark)
            key = tuple(sorted({"__name__": metric, "job": "lab", "instance": "triton-marks", **mark}.items()))
            found.points[key] = [point for point in found.points[key] if point[0] < START + last]
    return found


async def test_units_that_count_as_dead_by_other_rules_are_not_compared():
    rec = dead_windows(900, "hidden_1", stable=10, candidate=90)
    marks = with_marks(s.LAYER_INFO, "dead_if", [("zero", -1800, 900)], [("dormant<=0.025", 0, 900)], layer="hidden_1")
    found = await look(request_of(spec_of(DEAD)), 600, rec, marks)
    assert found.gates[0].verdict == "NOT_COMPARABLE"
    assert found.gates[0].message.startswith("CriteriaDiffer:")


async def test_the_digest_of_the_candidates_weights_is_reported_and_differing_addresses_hold():
    rec = gateway(900, stable=(9, 1), candidate=(9, 1))
    alike = with_marks(s.INFO, "digest", [("sha256:a", -1800, 900)], [("sha256:b", 0, 900)])
    found = await look(request_of(spec_of(ERRORS)), 600, rec, alike)
    assert (found.digest, found.halt) == ("sha256:b", None)
    reloaded = with_marks(s.INFO, "digest", [], [("sha256:b", 0, 300), ("sha256:c", 303, 900)])
    found = await look(request_of(spec_of(ERRORS)), 600, rec, reloaded)
    assert (found.digest, found.halt) == ("sha256:c", None)
    both = with_marks(s.INFO, "digest", [], [("sha256:b", 0, 900), ("sha256:c", 303, 900)])
    found = await look(request_of(spec_of(ERRORS)), 600, rec, both)
    assert (found.digest, found.halt) == (None, "WeightsDiffer")


@BOTH
async def test_after_a_bake_in_doubt_the_limit_is_what_stable_was_beside_the_candidate_since_then(method):
    rec = Recording(scrapes(900), "traefik").growing(GATEWAY_HEARTBEAT, 0)
    alone = ((rec.times > START + 200) & (rec.times <= START + 300)) | (rec.times > START + 500)
    worse = rec.times > START + 200
    for code, good, bad in (("200", 98, 70), ("503", 2, 30)):
        rec.growing(GATEWAY_REQUESTS, np.where(alone, 0, np.where(worse, bad, good)), code=code, service=backend("1"))
        growth = np.where(worse, bad, good)
        rec.growing(GATEWAY_REQUESTS, growth, since=START, code=code, service=backend("2"))
    steps = ((50, START), (100, START + 200), (50, START + 300), (100, START + 500))
    spec = spec_of({**ERRORS, "method": method})
    found = await look(request_of(spec, steps=steps, bake_started_at=START + 500), 700, rec)
    assert found.gates[0].verdict != "FAIL", found.gates[0].message
    once = await look(request_of(spec, steps=steps[:2], bake_started_at=START + 200), 290, rec)
    assert once.gates[0].verdict == "FAIL"


@BOTH
async def test_what_breaks_a_limit_of_its_own_in_the_bake_cannot_be_the_hours_fault(method):
    gate = {**ERRORS, "max": "5%", "method": method}
    found = await look(request_of(spec_of(gate), bake_started_at=START + 300), 600, worse_in_the_bake())
    assert (found.gates[0].verdict, found.gates[0].frozen) == ("FAIL", False)


@BOTH
async def test_nan_that_begins_in_the_bake_is_the_versions_doing_whatever_the_hour(method):
    rec = Recording(scrapes(900), "triton")
    baking = rec.times > START + 300
    for version, rows, nan, since in (("1", np.where(baking, 0, 100), 0, -np.inf), ("2", 100, 10 * baking, START)):
        labels = {"model": "digits", "version": version, "layer": "out"}
        rec.growing(s.SAMPLES, rows, since=since, **labels)
        rec.growing(s.ELEMENTS, rows, since=since, **labels)
        rec.growing(s.NONFINITE, nan, since=since, kind="nan", **labels)
    spec = spec_of({"name": "nan", "type": "NonFinite", "method": method})
    found = await look(request_of(spec, bake_started_at=START + 300), 600, rec)
    assert (found.gates[0].verdict, found.gates[0].frozen) == ("FAIL", False), found.gates[0].message


@pytest.mark.slow
async def test_several_gates_leaning_bad_together_ask_for_a_rollback():
    rec = gateway(900, stable=(190, 2), candidate=(38, 1))
    spec = spec_of(ERRORS, {**ERRORS, "name": "more-errors"})
    ledger = StoredLedger(rec)
    judge = evaluator(ledger)
    for at in range(31, 900, 15):
        ledger.now = START + at
        found = expect(Evaluation, await judge.evaluate(request_of(spec), ledger.now))
        if found.rollback:
            break
        assert not any(gate.verdict == "FAIL" for gate in found.gates)
    assert found.rollback == "CombinedEvidence"


@BOTH
async def test_an_incident_in_both_versions_holds_and_blames_neither(method):
    rec = Recording(scrapes(900), "traefik").growing(GATEWAY_HEARTBEAT, 0)
    incident = rec.times > START + 300
    for version, size, since in (("1", 100, -np.inf), ("2", 20, START)):
        bad = np.where(incident, 0.06, 0.005) * size
        for code, growth in (("200", size - bad), ("500", bad)):
            rec.growing(GATEWAY_REQUESTS, growth, since=since, code=code, service=backend(version))
    spec = spec_of({**ERRORS, "method": method, "max": "1%"})
    found = await look(request_of(spec), 900, rec)
    assert found.halt == "SharedIncident"
    assert found.gates[0].verdict == "CONTINUE"
    assert found.gates[0].leaning_bad
    assert found.rollback is None


@BOTH
async def test_a_candidate_that_burns_alone_is_blamed(method):
    rec = gateway(900, stable=(100, 0.2), candidate=(18.8, 1.2))
    found = await look(request_of(spec_of({**ERRORS, "method": method, "max": "1%"})), 900, rec)
    assert found.gates[0].verdict == "FAIL"


async def test_a_budget_spent_too_fast_holds_before_any_gate_has_failed():
    rec = gateway(300, stable=(100, 0.2), candidate=(9.7, 0.3))
    spec = spec_of({**ERRORS, **PLAIN, "max": "1%"}, minimumRequests=100_000)
    found = await look(request_of(spec), 300, rec)
    assert found.halt == "BurnRate"


async def test_errors_that_no_backend_answers_for_are_a_warning():
    rec = gateway(300, stable=(100, 0), candidate=(20, 0))
    rec.growing(GATEWAY_ROUTER, 2, since=START, code="503", service="wrr")
    found = await look(request_of(spec_of(ERRORS)), 300, rec)
    assert any("5xx" in text for text in found.warnings)


async def test_a_share_far_from_the_weight_is_a_warning():
    found = await look(request_of(spec_of(ERRORS)), 300, gateway(300, stable=(100, 0), candidate=(100, 0)))
    assert any("weight" in text for text in found.warnings)


async def test_without_gates_the_series_of_stable_decide_which_hold():
    recs = [gateway(300, stable=(100, 1), candidate=(20, 0)), dead_windows(300, "h1", stable=7, candidate=7)]
    found = await look(request_of(spec_of()), 300, *recs)
    assert found.default_gates == ("errors", "latency", "dead-neurons")
    assert [gate.name for gate in found.gates] == ["errors", "latency", "dead-neurons"]


async def test_recorded_default_gates_stay_though_the_series_are_gone():
    recs = [gateway(300, stable=(100, 1), candidate=(20, 0))]
    found = await look(request_of(spec_of(), default_gates=("errors", "accuracy")), 300, *recs)
    assert [(gate.name, gate.verdict) for gate in found.gates][1] == ("accuracy", "NO_DATA")
