"""In a pre-flight a gate reads the golden set where it would read users; what cannot be judged there waits for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from modelrollout.api.gates import AccuracyGate, ErrorRateGate, Gate, LatencyGate, QueryGate, WebhookGate
from modelrollout.core.evaluation import EvaluationRequest, GateResult


def in_preflight(gates: Sequence[Gate], request: EvaluationRequest) -> tuple[Gate, ...]:
    """`gates` as the golden set is judged by them; as they are where users' requests are judged."""
    asked = request.spec.preflight
    if not request.preflight or asked is None:
        return tuple(gates)
    return tuple(_read_there(gate, asked.gates) for gate in gates)


def _read_there(gate: Gate, named: Sequence[str]) -> Gate:
    """No gateway, no Triton and no user has a word on it. A user's query asks about users, and so does a webhook.

    Whatever is named decides there, such as agreement with stable, which no user's request shows.
    """
    changes: dict[str, object] = {}
    if isinstance(gate, AccuracyGate) and gate.labels == "golden":
        changes["labels"] = "labels"
    if isinstance(gate, ErrorRateGate | LatencyGate):
        changes["source"] = None
    of_users = isinstance(gate, QueryGate | WebhookGate)
    if named or of_users:
        changes["required"] = gate.name in named and not of_users
    return gate.model_copy(update=changes) if changes else gate


def on_golden_set(result: GateResult, request: EvaluationRequest) -> GateResult:
    """`result` as it counts in a pre-flight: what nobody can judge there decides only where the spec names it."""
    asked = request.spec.preflight
    if not result.unjudgeable or asked is None or result.name in asked.gates:
        return result
    return replace(result, required=False, message=f"not judged by the golden set ({result.message})")
