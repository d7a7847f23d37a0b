"""What was answered about this step is the gate's verdict; whatever else there is, is no data and says why."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.core.analysis.gates.gate_input import GateInput, Told
from modelrollout.core.analysis.gates.outside.webhook import DEFINITION, question, subject_of
from modelrollout.core.evaluation import EvaluationRequest, GateResult
from modelrollout.core.finding import Finding
from tests.unit.analysis.metrics.counting import table_of
from tests.unit.analysis.recorded import START, request_of, spec_of
from tests.unit.webhooks.asked import GATE, evaluation

REQUEST = request_of(spec_of(GATE))
AT = START + 72.0


def told(answer: Told | None, request: EvaluationRequest = REQUEST, **gate: Any) -> GateResult:
    asks = spec_of({**GATE, **gate}).gates[0]
    gate_input = GateInput(request, table_of(), {} if answer is None else {"load": answer})
    return DEFINITION.judged(asks, gate_input, 1.0).result


@pytest.mark.parametrize("verdict", ["PASS", "FAIL", "CONTINUE"])
def test_the_verdict_is_what_was_answered_in_the_other_sides_words(verdict: Any):
    found = told(Told(verdict, "1,200 requests/s for 10 minutes", AT))
    assert (found.verdict, found.required) == (verdict, True)
    assert found.message.startswith(f"webhook load-test answered {verdict} at ")
    assert found.message.endswith(" UTC: 1,200 requests/s for 10 minutes")
    assert told(Told(verdict, "", AT)).message.endswith(" UTC")


def test_a_continue_is_waited_for_and_nothing_else_is():
    assert [told(Told(verdict)).awaited for verdict in ("PASS", "FAIL", "CONTINUE")] == [False, False, True]
    assert not told(Told("FAIL"), required=False).required


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (None, "NotAskedYet: webhook load-test has not been asked about this step yet"),
        (Told(), "NotAskedYet: webhook load-test has been asked and has not answered yet"),
        (Told(problem=Finding("WebhookSilent", "it answered 500")), "WebhookSilent: it answered 500"),
    ],
)
def test_silence_is_no_data_and_says_why(answer: Told | None, says: str):
    found = told(answer)
    assert (found.verdict, found.message) == ("NO_DATA", says)


def test_the_gates_own_name_is_the_webhooks_where_it_names_none():
    (gate,) = spec_of({"name": "load-test", "type": "Webhook"}).gates
    assert told(None, webhook=None).message.startswith("NotAskedYet: webhook load has")
    assert gate.name == "load-test"


def test_the_question_says_where_the_rollout_stands_and_what_the_gates_found():
    gate = REQUEST.spec.gates[0]
    errors = GateResult("errors", "ErrorRate", "CONTINUE", "0.1 % vs 0.1 %", observed="0.1 %", samples="40 vs 760")
    own = GateResult("load", "Webhook", "NO_DATA", "not asked")
    found = evaluation(3, tick_end=START + 60, requests=40, gates=(errors, own))
    asked: Any = question(gate, REQUEST, found)  # type: ignore[arg-type]  # one of its own type
    assert asked["weights"] == {"stable": 95, "candidate": 5}
    assert asked["step"] == {"number": 1, "of": 2, "weight": 5, "mirror": 0}
    assert asked["window"] == {"from": "1970-01-02T03:46:40.000Z", "to": "1970-01-02T03:47:40.000Z"}
    assert (asked["model"], asked["stable"], asked["candidate"], asked["requests"]) == ("digits", "1", "2", 40)
    assert asked["gates"] == [
        {"name": "errors", "type": "ErrorRate", "verdict": "CONTINUE", "required": True, "observed": "0.1 %",
         "samples": "40 vs 760", "message": "0.1 % vs 0.1 %"}
    ]  # fmt: skip
    assert json.loads(json.dumps(asked, allow_nan=False)) == asked
    baking: Any = question(gate, replace(REQUEST, bake_started_at=START + 50), found)  # type: ignore[arg-type]
    assert (baking["phase"], baking["step"], baking["weights"]) == ("Baking", None, {"stable": 0, "candidate": 100})


@given(
    st.sampled_from(
        [
            {"rollout": "s"},
            {"steps": ((5, START), (50, START + 60))},
            {"bake_started_at": START + 60},
            {"namespace": "other"},
            {"name": "other"},
        ]
    )
)
def test_another_rollout_or_step_is_another_subject(changes: dict[str, Any]):
    gate: Any = REQUEST.spec.gates[0]
    assert subject_of(gate, replace(REQUEST, **changes)) != subject_of(gate, REQUEST)
    assert subject_of(gate, replace(REQUEST, raise_from=START + 600)) == subject_of(gate, REQUEST)
