"""In a pre-flight requests and answers are the prober's word alone, activations the models'; elsewhere it has none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from modelrollout.api.config import PrometheusServer
from modelrollout.api.gates import AccuracyGate, ErrorRateGate, NonFiniteGate, QueryGate, WebhookGate
from modelrollout.api.spec import Spec
from modelrollout.core.analysis.gates.sources.golden import in_preflight, on_golden_set
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.core.evaluation import EvaluationRequest, GateResult
from modelrollout.runtime.evaluation.question import selections
from tests.unit.rollout.world import manifest

RUN = "0123456789abcdef"
OF_PROBER = "modelrollout_preflight_"


def request(*gates: str, run: str = RUN) -> EvaluationRequest:
    golden = {"goldenSet": {"configMap": "golden", "key": "rows.npz"}, "gates": list(gates)}
    spec = Spec.model_validate(manifest("2", preflight=golden))
    return EvaluationRequest("r", "vision", "digits", spec, "1", "2", 0.0, 0.0, (), preflight=run)


def channel(name: str, about: str = RUN, **labels: str) -> Any:
    return SeriesReader(request("errors", run=about)).channel({"__name__": name, "version": "2"} | labels)


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("requests_total", {}, (s.REQUESTS, "candidate", "", "")),
        ("requests_total", {"version": "1"}, (s.REQUESTS, "stable", "", "")),
        ("errors_total", {}, (s.REQUEST_ERRORS, "candidate", "", "")),
        ("duration_seconds_bucket", {"le": "0.1"}, (s.DURATION, "candidate", "", "0.1")),
        ("judged_total", {"source": "golden"}, (s.EVALS, "candidate", "", "labels")),
        ("right_total", {"source": "shadow"}, (s.CORRECT, "candidate", "", "shadow")),
        ("answers_total", {}, (s.SAMPLES, "candidate", "answers", "")),
        ("nonfinite_answers_total", {"kind": "nan"}, (s.NONFINITE, "candidate", "answers", "nan")),
        ("requests_total", {"run": "another"}, None),
        ("requests_total", {"version": "3"}, None),
    ],
)
def test_what_the_prober_counted_is_read_for_its_run(name: str, labels: dict[str, str], expected: Any):
    found = channel(OF_PROBER + name, **{"run": RUN} | labels)
    assert (None if found is None else tuple(found)) == expected


@pytest.mark.parametrize("name", [s.REQUESTS, s.SUCCESS, s.FAILURE, s.DURATION, s.EVALS, s.CORRECT])
def test_users_at_stable_are_not_counted(name: str):
    labels = {"le": "0.1"} if name == s.DURATION else {}
    assert channel(name, **labels) is None
    assert channel(name, about="", **labels) is not None


def test_outside_a_preflight_the_golden_set_counts_for_no_gate():
    assert channel(OF_PROBER + "requests_total", about="", run=RUN) is None


def test_activations_are_the_models_own():
    assert channel(s.WINDOW_DEAD, layer="hidden_1").layer == "hidden_1"


def test_who_may_speak_for_the_prober_is_configured():
    server = PrometheusServer(url="http://prometheus", preflight_matchers='job="infra/prober"')
    (_, golden) = selections(request("errors"), server)
    assert golden.text.startswith('{__name__=~"modelrollout_preflight_')
    assert f'run="{RUN}",version=~"1|2",namespace="vision",job="infra/prober"' in golden.text
    assert len(selections(request("errors", run=""), server)) == 1


def test_gates_read_the_set_and_those_that_are_named_decide():
    gates = (
        AccuracyGate(name="errors", type="Accuracy", labels="golden"),
        ErrorRateGate(name="other", type="ErrorRate", source="Gateway"),
        NonFiniteGate(name="nan", type="NonFinite"),
        QueryGate(name="query", type="Query", query="up", min="1"),
        WebhookGate(name="webhook", type="Webhook"),
    )
    accuracy, errors, nan, query, webhook = in_preflight(gates, request("errors"))
    assert isinstance(accuracy, AccuracyGate)
    assert isinstance(errors, ErrorRateGate)
    assert (accuracy.labels, errors.source) == ("labels", None)
    assert [gate.decides for gate in (accuracy, errors, nan, query, webhook)] == [True, *[False] * 4]
    every = replace(request("errors"), spec=Spec.model_validate(manifest("2", preflight=GOLDEN)))
    assert [gate.decides for gate in in_preflight(gates, every)] == [True, True, True, False, False]
    assert in_preflight(gates, request("errors", run="")) == gates


GOLDEN = {"goldenSet": {"configMap": "golden", "key": "rows.npz"}}


def test_what_nobody_can_judge_there_decides_only_where_it_is_named():
    result = GateResult("errors", "ErrorRate", "NO_DATA", "NotExported", unjudgeable=True)
    assert on_golden_set(result, request("errors")).required
    every = replace(request("errors"), spec=Spec.model_validate(manifest("2", preflight=GOLDEN)))
    assert not on_golden_set(result, every).required
