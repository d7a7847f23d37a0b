"""Every gate's sentence and figures, and what a whole evaluation says beside them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from unittest.mock import Mock

from modelrollout.core.evaluation import Evaluation, GateResult
from modelrollout.runtime.evaluation.evaluator import Evaluator
from modelrollout.runtime.evaluation.webhook_answers import WebhookAnswers
from tests.expect import expect
from tests.golden import evaluation_cases
from tests.golden.gate_cases import Case, cases
from tests.unit.analysis.recorded import START, StoredLedger, evaluator, in_this_thread, request_of, spec_of


def judged(case: Case) -> Evaluation:
    """The evaluation of a case by an operator that has just been started."""
    analysis = {"minimumRequests": 200, **case.analysis}
    spec = spec_of(case.gate, *case.beside, **analysis)
    ledger = StoredLedger(*case.recordings)
    ledger.now, ledger.values = START + case.at, list(case.values)
    request = replace(request_of(spec), **case.request)
    with in_this_thread():
        return expect(Evaluation, asyncio.run(_asked(case, ledger).evaluate(request, ledger.now)))


def _asked(case: Case, ledger: StoredLedger) -> Evaluator:
    """An evaluator before which the systems outside have said what the case says."""
    found = evaluator(ledger)
    found._webhooks = Mock(spec=WebhookAnswers, known=lambda _: case.told)
    return found


def texts() -> dict[str, str]:
    """The first gate of every case."""
    found: dict[str, str] = {}
    for case in cases():
        gate = judged(case).gates[0]
        assert gate.verdict == case.expects, f"{case.title}: {gate.verdict}: {gate.message}"
        found[case.title] = shown(gate)
    return found


def shown(gate: GateResult) -> str:
    """One gate as status carries it."""
    figures = ("observed", "stable", "limit", "samples", "evidence", "eta", "layer")
    lines = [f"{name}: {value}" for name in figures if (value := getattr(gate, name))]
    marks = [] if gate.required else ["reported only"]
    return "\n".join([" ".join([gate.verdict, *marks]), gate.message, *lines])


def evaluations() -> dict[str, str]:
    """What the whole evaluation says: why it holds or rolls back, in one sentence, and its warnings."""
    found: dict[str, str] = {}
    for case in evaluation_cases.cases():
        one = judged(case)
        assert (one.halt or one.rollback or ("warns" if one.warnings else "goes on")) == case.expects, case.title
        warnings = [f"warning: {text}" for text in one.warnings]
        found[case.title] = "\n".join([f"{case.expects}: {one.message}", *warnings])
    return found
