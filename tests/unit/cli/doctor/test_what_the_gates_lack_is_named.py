from __future__ import annotations

from typing import Any, get_args

import pytest

from modelrollout.cli.doctor.checks.gates import FIXES
from modelrollout.cli.doctor.checks.left_out import AGAIN
from modelrollout.cli.doctor.facts import QueryFacts
from modelrollout.cli.doctor.finding import worst
from modelrollout.core.reasons import GateReason
from tests.unit.analysis.recorded import GATEWAY_DURATION
from tests.unit.cli.doctor.cases import Case, listed
from tests.unit.cli.doctor.patient import GATES, Patient, model, only, seen_by_gateway, windows
from tests.unit.cli.doctor.spoilt import at_edges, lost, unfinished, without
from tests.unit.webhooks.asked import hook

ERRORS, LATENCY, DEAD = GATES
QUERY = {"name": "orders", "type": "Query", "query": "sum(orders)", "min": "1"}
WEBHOOK = {"name": "load", "type": "Webhook"}
SILENT = {"verdict": "NO_DATA", "message": "WebhookSilent: it answered 500"}
AGREES = {"verdict": "PASS", "message": "webhook load answered PASS at 12:00:00 UTC"}


def latency(**changes: Any) -> tuple[dict[str, Any], ...]:
    return ({**LATENCY, **changes},)


def asked(*answers: QueryFacts, **changes: Any) -> dict[str, Any]:
    return {"gates": (QUERY,), "queries": answers, **changes}


CASES = {
    "no activations of stable": Case(
        {"recordings": (seen_by_gateway(), model(), only(windows(), "2"))},
        *("series", "Problem", "of version 1", "docs/instrument-your-model.md"),
    ),
    "no activations of a candidate with traffic": Case(
        {"recordings": (seen_by_gateway(), model(), only(windows(), "1"))},
        *("series", "Problem", "of version 2, which has traffic; 5 series of stable", "docs/instrument-your-model.md"),
    ),
    "no durations of the gateway": Case(
        {"recordings": (without(seen_by_gateway(), __name__=GATEWAY_DURATION), model(), windows())},
        *("series", "Problem", "no traefik_service_request_duration_seconds_bucket of version 1", "source: Model"),
    ),
    "coarse buckets": Case(
        {"recordings": (at_edges("0.01", "0.15"), model(), windows())},
        *("judgeable", "Warning", "too coarse to see less", "docs/gateways/README.md"),
    ),
    "a quantile beyond the last bucket": Case(
        {"recordings": (at_edges("0.01", "0.02"), model(), windows())},
        *("judgeable", "Warning", "beyond the last bucket edge, 20 ms", "docs/gateways/README.md"),
    ),
    "a limit beyond the last bucket": Case(
        {"gates": latency(max="5s")},
        "buckets",
        "Problem",
        "max is 5 s, and the last of 9 bucket edges 150 ms",
        "max at",
    ),
    "a limit far below the next edge": Case(
        {"gates": latency(max="45ms"), "recordings": (at_edges("0.01", "0.15"), model(), windows())},
        *("buckets", "Warning", "max is 45 ms, judged at the next bucket edge, 150 ms", "at an edge"),
    ),
    "a limit at an edge": Case({"gates": latency(max="50ms")}, "buckets", "OK", "9 bucket edges from 10 ms to 150 ms"),
    "windows of other sizes": Case(
        {"recordings": (seen_by_gateway(), model(), windows(size=(200, 100)))},
        *("judgeable", "Problem", "WindowSizesDiffer", "as many rows"),
    ),
    "buckets without +Inf": Case(
        {"recordings": (without(seen_by_gateway(), le="+Inf"), model(), windows())},
        *("judgeable", "Problem", "BucketsIncomplete", "every bucket"),
    ),
    "no window yet": Case(
        {"recordings": (seen_by_gateway(), model(), unfinished())},
        *("windows", "Warning", "no window of 200 rows was completed in 10 min", "choose smaller ones"),
    ),
    "lost observations": Case(
        {"recordings": (seen_by_gateway(), model(), windows(), lost())},
        *("lost", "Warning", "observations lost in 10 min (9.1 %: width", "docs/instrument-your-model.md"),
    ),
    "queries that are not allowed": Case(
        asked(server={"allow_queries": False}), "query", "Problem", "allows no Query gates", "allowQueries"
    ),
    "a query that fails": Case(asked(QueryFacts("orders", "parse error")), "query", "Problem", "parse error", "try it"),
    "many answers": Case(asked(QueryFacts("orders", "", 3, 1.0)), "query", "Problem", "gives 3 series", "sum()"),
    "no answer": Case(asked(QueryFacts("orders")), "query", "Warning", "gives no number now", "candidate's"),
    "a webhook that this namespace may not have": Case(
        {"gates": (WEBHOOK,), "webhooks": (hook("load", namespaces=["other"]),)},
        *("webhook", "Problem", "no webhook load for namespace vision", "listed under webhooks"),
    ),
    "a webhook that says nothing": Case(
        {"gates": (WEBHOOK,), "webhooks": (hook("load"),), "status": {"gates": [{**WEBHOOK, **SILENT}]}},
        *("webhook", "Problem", "WebhookSilent: it answered 500", "docs/rollouts/webhooks.md"),
    ),
    "a webhook that agrees": Case(
        {"gates": (WEBHOOK,), "webhooks": (hook("load"),), "status": {"gates": [{**WEBHOOK, **AGREES}]}},
        *("webhook", "OK", "webhook load answered PASS"),
    ),
    "a webhook that is not asked yet": Case(
        {"gates": (WEBHOOK,), "webhooks": (hook("load"),), "state": "none"},
        *("webhook", "OK", "webhook load is in the operator's configuration"),
    ),
    "a query with one": Case(asked(QueryFacts("orders", "", 1, 12.5)), "query", "OK", "gives 12.5"),
}


@pytest.mark.alike(3)
@pytest.mark.parametrize("name", CASES)
def test_it_is_named_with_its_fix(name: str):
    CASES[name].judge()


@pytest.mark.slow
@pytest.mark.alike(1)
@pytest.mark.parametrize("state", ["none", "idle", "fresh"])
def test_a_candidate_without_traffic_needs_no_series_yet(state: Any):
    alone = tuple(only(one, "1") for one in (seen_by_gateway(), model(), windows()))
    found = Patient(state=state, recordings=alone).findings()
    assert worst(found) == "OK", listed(found)
    said = [one.message for one in found if one.check == "series"]
    assert all(("none yet of 2" in text) == (state != "none") for text in said), said


def test_a_candidate_with_traffic_does():
    alone = tuple(only(one, "1") for one in (seen_by_gateway(), model(), windows()))
    found = Patient(recordings=alone).findings()
    assert [one.level for one in found if one.check == "series"] == ["Problem"] * len(GATES), listed(found)


def test_what_a_gate_lacks_that_decides_nothing_is_no_problem():
    watched = {**DEAD, "required": False}
    found = Patient(gates=(ERRORS, watched), recordings=(seen_by_gateway(), model())).findings()
    assert [(one.subject, one.level) for one in found if one.check == "series"] == [
        ("errors", "OK"),
        ("dead-neurons", "Warning"),
    ]


def left_out(*, state: Any = "serving", **changes: Any) -> dict[str, str]:
    found = Patient(gates=(), state=state, **changes).findings()
    said = [one for one in found if one.check == "left-out"]
    assert all((one.level, one.fix) == ("Warning", AGAIN) for one in said)
    assert not {one.subject for one in said} & {one.subject for one in found if one.check != "left-out"}
    return {one.subject: one.message for one in said}


@pytest.mark.parametrize("state", ["none", "serving"])
@pytest.mark.slow
def test_the_defaults_that_stables_own_series_prove_nobody_can_judge_are_left_out(state: Any):
    found = left_out(state=state, recordings=(seen_by_gateway(), model()))
    assert {"accuracy", "dead-neurons"} <= set(found), found
    assert not {"errors", "latency"} & set(found)
    assert found["accuracy"].startswith("left out, so it decides nothing here: NotExported: stable (version 1, ")


@pytest.mark.slow
def test_a_latency_gate_without_any_histogram_is_left_out_and_no_problem():
    found = Patient(gates=(), recordings=(model(), windows()), dialect=None).findings()
    (said,) = (one for one in found if one.subject == "latency")
    assert (said.check, said.level) == ("left-out", "Warning")
    assert "histogram_latencies=true" in said.message


@pytest.mark.slow
def test_what_the_operator_left_out_of_the_rollout_in_progress_is_told_as_it_said_it():
    gate = {"name": "latency", "type": "Latency", "verdict": "NO_DATA", "leftOut": True, "message": "NotExported: so"}
    found = left_out(status={"gates": [gate]})
    assert found == {"latency": "left out, so it decides nothing here: NotExported: so"}


@pytest.mark.slow
def test_what_was_left_out_of_a_rollout_that_is_over_is_looked_at_anew():
    gate = {"name": "latency", "type": "Latency", "verdict": "NO_DATA", "leftOut": True, "message": "NotExported: so"}
    assert "latency" not in left_out(state="none", status={"gates": [gate]})


def test_without_requests_nothing_is_proven_so_the_defaults_that_need_series_are_only_not_in_force():
    found = Patient(gates=(), recordings=(only(seen_by_gateway(), "none"), model(growth=0.0))).findings()
    (said,) = (one for one in found if one.check == "defaults")
    assert said.message.startswith("not in force: accuracy, dead-neurons, "), said
    assert not [one for one in found if one.check == "left-out"]


def test_gates_of_the_specs_own_are_never_left_out():
    gate = {"name": "latency", "type": "Latency", "verdict": "NO_DATA", "leftOut": True, "message": "NotExported: so"}
    found = Patient(recordings=(seen_by_gateway(), model()), status={"gates": [gate]}).findings()
    assert not [one for one in found if one.check == "left-out"]


def test_each_reason_of_a_judge_has_a_fix_or_goes_away_by_itself():
    waits, queries = {"TooFewLooks", "NotAskedYet"}, {"EmptyAnswer", "NotANumber", "SeveralSeries"}
    refused = {"QueriesNotAllowed", "UnknownPlaceholder"}
    webhooks = {"WebhookNotAllowed", "WebhookSilent", "WebhookUnclear"}
    assert set(FIXES) == set(get_args(GateReason)) - waits - queries - refused - webhooks
