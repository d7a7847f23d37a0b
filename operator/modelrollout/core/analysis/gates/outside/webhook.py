"""Webhook: a system of the user's own is asked, and its answer is the verdict; silence is no data, never a PASS.

A CONTINUE holds the weight, as no data does: whoever was asked has not agreed to more of it. That is also how such a
gate stands for a person's or a program's confirmation before each further step and before the promotion.
"""

from __future__ import annotations

import hashlib
from typing import Any

from modelrollout.api.gates import Gate, WebhookGate
from modelrollout.api.timestamps import format_timestamp
from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.definition import GateDefinition, always
from modelrollout.core.analysis.gates.gate_input import FULL, GateInput, Told
from modelrollout.core.analysis.gates.result import Judged, no_data
from modelrollout.core.evaluation import Evaluation, EvaluationRequest, GateResult
from modelrollout.core.finding import Finding

_SHOWN = ("layer", "observed", "stable", "limit", "samples", "evidence", "message")


def judge_webhook(gate: WebhookGate, gate_input: GateInput, _share: float) -> Judged:
    """What was answered to a question about the current step."""
    told = gate_input.answers.get(gate.name)
    if not isinstance(told, Told):
        return no_data(gate, Finding("NotAskedYet", f"webhook {gate.asks} has not been asked about this step yet"))
    if told.verdict is None:
        unasked = Finding("NotAskedYet", f"webhook {gate.asks} has been asked and has not answered yet")
        return no_data(gate, told.problem or unasked)
    said = f"webhook {gate.asks} answered {told.verdict} at {say.clock(told.at)} UTC"
    text = f"{said}: {told.message}" if told.message else said
    holds = told.verdict == "CONTINUE"
    return Judged(GateResult(gate.name, gate.type, told.verdict, text, required=gate.decides, awaited=holds))


def _not_allowed(gate: WebhookGate, gate_input: GateInput) -> Finding | None:
    told = gate_input.answers.get(gate.name)
    problem = told.problem if isinstance(told, Told) else None
    return problem if problem is not None and problem.reason == "WebhookNotAllowed" else None


def subject_of(gate: WebhookGate, request: EvaluationRequest) -> str:
    """Names what a gate's questions are about: this candidate, this step, these gates. Others have another one.

    An operator that restarts asks under the same one, so that the other side can tell a question from a new one.
    """
    step = format_timestamp(request.step_started_at)
    whole = f"{request.namespace}/{request.name}/{request.rollout}/{gate.name}/{gate.asks}/{step}"
    return hashlib.sha256(whole.encode()).hexdigest()[:32]


def unforeseen(gate: Gate) -> Finding | None:
    """Why no plan can say when such a gate passes; None of gates that stable's traffic says something about."""
    if not isinstance(gate, WebhookGate):
        return None
    return Finding("NotAskedYet", f"webhook {gate.asks} decides, and only it knows when it answers")


def can_be_asked(request: EvaluationRequest) -> bool:
    """Whether the candidate has traffic or copies of it: before, and on a golden set, nobody is asked."""
    return bool(request.steps) and not request.preflight


def question(gate: WebhookGate, request: EvaluationRequest, found: Evaluation) -> dict[str, Any]:
    """What the other side gets to know, as JSON: the rollout, where it stands, and what the gates say so far."""
    weight = FULL if request.bake_started_at is not None else request.steps[-1][0]
    return {
        "subject": subject_of(gate, request),
        "gate": gate.name,
        "namespace": request.namespace,
        "name": request.name,
        "model": request.spec.model.name,
        "stable": request.stable,
        "candidate": request.candidate,
        "phase": "Stepping" if request.bake_started_at is None else "Baking",
        "step": None if request.bake_started_at is not None else _step(request, weight),
        "weights": {"stable": FULL - weight, "candidate": weight},
        "window": {"from": format_timestamp(request.step_started_at), "to": format_timestamp(found.tick_end)},
        "requests": found.requests,
        "gates": [_numbers(one) for one in found.gates if one.name != gate.name],
    }


def _step(request: EvaluationRequest, weight: int) -> dict[str, int]:
    """Its number, of how many, and the percent of requests that the candidate gets copies of."""
    steps = request.spec.steps
    index = max((i for i, one in enumerate(steps) if one.weight <= weight), default=0)
    return {"number": index + 1, "of": len(steps), "weight": weight, "mirror": request.mirror}


def _numbers(one: GateResult) -> dict[str, Any]:
    found = {"name": one.name, "type": one.type, "verdict": one.verdict, "required": one.required}
    return found | {field: getattr(one, field) for field in _SHOWN if getattr(one, field) is not None}


DEFINITION = GateDefinition(
    model=WebhookGate,
    series=always(),
    family="windows",
    judge=judge_webhook,
    unjudgeable=_not_allowed,
    source=lambda *_: None,
)
