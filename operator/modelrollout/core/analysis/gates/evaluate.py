"""All gates at one tick: each is judged on its own, then the promise, the missing data and the warnings apply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from modelrollout.api.gates import (
    AccuracyGate,
    DeadNeuronsGate,
    ErrorRateGate,
    Gate,
    LatencyGate,
    NonFiniteGate,
)
from modelrollout.core import reasons
from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.count_gates import judge_counts
from modelrollout.core.analysis.gates.dead_neurons import judge_dead_neurons
from modelrollout.core.analysis.gates.drift import judge_drift
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.latency import judge_latency
from modelrollout.core.analysis.gates.query import judge_query
from modelrollout.core.analysis.gates.ratios import judge_ratio
from modelrollout.core.analysis.gates.request_counts import request_totals, use_gateway
from modelrollout.core.analysis.gates.result import Judged
from modelrollout.core.analysis.metrics import model_digest
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.tick_table import TickTable
from modelrollout.core.analysis.stats import alpha_budget
from modelrollout.core.analysis.stats.parameters import MISSING_TICKS
from modelrollout.core.evaluation import Evaluation
from modelrollout.core.finding import Finding

UNDER_COUNTS = frozenset({"ErrorRate", "Latency", "Accuracy", "NonFinite"})

DEFAULT_GATES: dict[str, Gate] = {
    "errors": ErrorRateGate(name="errors", type="ErrorRate"),
    "latency": LatencyGate(name="latency", type="Latency"),
    "accuracy": AccuracyGate(name="accuracy", type="Accuracy"),
    "dead-neurons": DeadNeuronsGate(name="dead-neurons", type="DeadNeurons"),
    "non-finite": NonFiniteGate(name="non-finite", type="NonFinite"),
}
_NEEDS = {"accuracy": s.EVALS, "dead-neurons": s.WINDOWS, "non-finite": s.NONFINITE}


def default_gates(table: TickTable, until: int) -> tuple[str, ...]:
    """Names of the gates for a spec without any: errors and latency, and what stable exports.

    `until`: only scrapes at grid positions before it count, so that the answer does not change later.
    """
    present = {name for name, metric in _NEEDS.items() if table.present(metric, "stable")[:until].any()}
    return tuple(name for name in DEFAULT_GATES if name in present or name not in _NEEDS)


def gates_in_force(gates: Sequence[Gate], defaults: Sequence[str]) -> tuple[Gate, ...]:
    """The spec's gates, or those named in `defaults` where it has none; unknown names are left out."""
    return tuple(gates) or tuple(DEFAULT_GATES[name] for name in defaults if name in DEFAULT_GATES)


def judge_all(gates: Sequence[Gate], gate_input: GateInput) -> tuple[Judged, ...]:
    """Every gate's standing, in the order of the spec."""
    shares = shares_of(gates)
    return tuple(_JUDGES[gate.type](gate, gate_input, shares[gate.name]) for gate in gates)


def shares_of(gates: Sequence[Gate]) -> dict[str, float]:
    """Each gate's part of its family's promise. Gates that decide nothing take none away: they are judged alone."""
    out = {gate.name: 1.0 for gate in gates}
    for counted in (True, False):
        family = [
            gate
            for gate in gates
            if gate.decides and gate.method == "Sequential" and (gate.type in UNDER_COUNTS) == counted
        ]
        parts = alpha_budget.split_shares([gate.share for gate in family])
        out.update({gate.name: part for gate, part in zip(family, parts, strict=True)})
    return out


def evaluate(gates: Sequence[Gate], gate_input: GateInput, now: float, names: tuple[str, ...] | None) -> Evaluation:
    """The evaluation of the newest tick. `names`: the default gates in force, None where the spec has its own."""
    request = gate_input.request
    judged = judge_all(gates, gate_input)
    results = tuple(one.result for one in judged)
    candidate, stable = request_totals(gate_input)
    digests = model_digest.serving(gate_input.table)
    halt, why = _halt(gates, judged, model_digest.mixed(digests, request.candidate))
    rollback, evidence = _rollback(gates, judged, request.spec.analysis.false_rollback)
    text = why or evidence or say.summary(results)
    tick = gate_input.table.grid.last
    warnings = [text for one in judged for text in one.warnings]
    return Evaluation(
        rollout=request.rollout,
        at=now,
        tick=tick,
        tick_end=request.tick_end(tick),
        requests=round(float(candidate[gate_input.step :].sum())),
        step_started_at=request.step_started_at,
        gates=results,
        halt=halt,
        rollback=rollback,
        message=text,
        warnings=(*warnings, *_traffic_warnings(gate_input, candidate, stable)),
        digest=model_digest.one_of(digests),
        default_gates=names,
    )


def _halt(gates: Sequence[Gate], judged: Sequence[Judged], mixed: Finding | None) -> tuple[str | None, str]:
    """Three missing ticks in a row of anything a deciding gate rests on; else mixed weights, or a budget that burns."""
    deciding = [one for gate, one in zip(gates, judged, strict=True) if gate.decides]
    for one in deciding:
        if one.missing >= MISSING_TICKS:
            return reasons.METRICS_UNAVAILABLE, one.missing_text
    if mixed:
        return mixed.reason, mixed.message
    for one in deciding:
        if one.halt is not None:
            return one.halt.reason, one.halt.message
    return None, ""


def _rollback(gates: Sequence[Gate], judged: Sequence[Judged], false_rollback: float) -> tuple[str | None, str]:
    """The weighted evidence of all count tests together, where no single gate has failed by itself."""
    deciding = [one for gate, one in zip(gates, judged, strict=True) if gate.decides]
    parts = [pair for one in deciding for pair in one.evidence]
    if not parts or any(one.result.verdict == "FAIL" for one in deciding):
        return None, ""
    logs = np.array([odds for odds, _ in parts])
    total = float(alpha_budget.log_combined(logs, [share for _, share in parts]))
    needed = alpha_budget.log_threshold(false_rollback)
    if total < needed:
        return None, ""
    worst = sorted(deciding, key=lambda one: -max((odds for odds, _ in one.evidence), default=-np.inf))
    named = "; ".join(f"{one.result.name}: {one.result.message}" for one in worst[:2])
    return (
        reasons.COMBINED_EVIDENCE,
        f"all gates together: evidence {say.odds(total)} (needs {say.odds(needed)}). {named}",
    )


def _traffic_warnings(
    gate_input: GateInput, candidate: np.ndarray[Any, Any], stable: np.ndarray[Any, Any]
) -> list[str]:
    found = []
    if use_gateway(gate_input, None):
        codes = {code for code in gate_input.table.details(s.GATEWAY_ROUTER) if code.startswith("5")}
        routed = gate_input.table.total(s.GATEWAY_ROUTER, "both", details=codes)[gate_input.step :].sum()
        known = sum(
            float(gate_input.table.total(s.GATEWAY_REQUESTS, arm, details=codes)[gate_input.step :].sum())
            for arm in ("stable", "candidate")
        )
        if routed - known >= 1:
            found.append(
                f"the gateway answered {say.count(routed - known)} requests with 5xx that reached neither version: "
                "look at the endpoints of both Services"
            )
    if gate_input.bake is None and gate_input.request.steps:
        weight = gate_input.request.steps[-1][0] / 100
        mine, total = float(candidate[gate_input.step :].sum()), float((candidate + stable)[gate_input.step :].sum())
        spread = 5 * np.sqrt(total * weight * (1 - weight)) + 0.02 * total
        if abs(mine - weight * total) > spread and total >= gate_input.request.spec.analysis.minimum_requests:
            found.append(
                f"the candidate got {say.percent(mine / total)} of {say.count(total)} requests, its weight is "
                f"{say.percent(weight)}: testers, retries, or a gateway that reloads often"
            )
    return found


_JUDGES: dict[str, Callable[[Any, GateInput, float], Judged]] = {
    "ErrorRate": judge_counts,
    "Accuracy": judge_counts,
    "NonFinite": judge_counts,
    "Latency": judge_latency,
    "DeadNeurons": judge_dead_neurons,
    "ZeroRatio": judge_ratio,
    "NegativeRatio": judge_ratio,
    "Drift": judge_drift,
    "Query": lambda gate, gate_input, _: judge_query(gate, gate_input),
}
