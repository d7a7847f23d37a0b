"""All gates at one tick: each is judged on its own, then the promise, the missing data and the warnings apply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import numpy as np

from modelrollout.api.gates import Gate
from modelrollout.core import reasons
from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.checks.counts import request_totals
from modelrollout.core.analysis.gates.checks.layers.promoted_versions import measured
from modelrollout.core.analysis.gates.checks.readable import left_out_warnings
from modelrollout.core.analysis.gates.checks.traffic import traffic_warnings
from modelrollout.core.analysis.gates.definition import Family
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.registry import definition_of, to_be_recorded
from modelrollout.core.analysis.gates.result import Judged, no_data
from modelrollout.core.analysis.gates.sources.copies import on_copies
from modelrollout.core.analysis.gates.sources.golden import on_golden_set
from modelrollout.core.analysis.gates.sources.standing import not_in_force, nothing_to_judge, with_source
from modelrollout.core.analysis.gates.wording import defect, worded
from modelrollout.core.analysis.metrics import model_digest
from modelrollout.core.analysis.stats import alpha_budget
from modelrollout.core.analysis.stats.parameters import MISSING_TICKS
from modelrollout.core.evaluation import Evaluation, EvaluationRequest, GateResult
from modelrollout.core.finding import Finding
from modelrollout.core.reasons import AnyReason


def judge_all(gates: Sequence[Gate], gate_input: GateInput) -> tuple[Judged, ...]:
    """Every gate's standing, in the order of the spec. Default gates that nobody can judge keep their share."""
    shares = shares_of(gates)
    return tuple(_judged(gate, gate_input, shares[gate.name]) for gate in gates)


def _judged(gate: Gate, gate_input: GateInput, share: float) -> Judged:
    """One gate's standing. Samples that bring one to raise must not hide what the others found."""
    try:
        found = definition_of(gate).judged(gate, _seen_by(gate, gate_input), share)
    except Exception as error:  # noqa: BLE001 - a defect, whatever it is: this gate has no evidence, and says so
        return no_data(gate, Finding("NotJudged", f"these samples cannot be judged: {defect(error)}"))
    return worded(lambda: with_source(gate, found, gate_input), found)


def _seen_by(gate: Gate, gate_input: GateInput) -> GateInput:
    """Evidence from counts takes every scrape by itself; whatever counts intervals or windows sees whole intervals."""
    gate_input = replace(gate_input, memo=gate_input.memo_of(gate.name))
    counts = gate.method == "Sequential" and definition_of(gate).family == "counts"
    return gate_input.finest if counts else gate_input


def shares_of(gates: Sequence[Gate]) -> dict[str, float]:
    """Each gate's part of its family's promise. Gates that decide nothing take none away: they are judged alone."""
    out = {gate.name: 1.0 for gate in gates}
    sharing = [gate for gate in gates if gate.decides and gate.method == "Sequential"]
    for each in get_args(Family):
        family = [gate for gate in sharing if definition_of(gate).family == each]
        parts = alpha_budget.split_shares([gate.share for gate in family])
        out.update({gate.name: part for gate, part in zip(family, parts, strict=True)})
    return out


def evaluate(gates: Sequence[Gate], gate_input: GateInput, now: float) -> Evaluation:
    """The evaluation of the newest tick, by the spec's gates or the default ones in force.

    What the gates found stands whatever is wrong with the rest: then nothing is raised, and a failure still lowers.
    """
    judged = judge_all(gates, gate_input)
    request = gate_input.request
    odds = _combined(gates, judged, request.spec.analysis.false_rollback)
    found = Evaluation(
        rollout=request.rollout,
        at=now,
        tick=gate_input.table.grid.last,
        tick_end=float(gate_input.finest.table.grid.ends[-1]),
        requests=0,
        step_started_at=request.step_started_at,
        gates=tuple(_as_counted(one.result, request) for one in judged),
        rollback=None if odds is None else reasons.COMBINED_EVIDENCE,
        rising=any(one.rising for gate, one in zip(gates, judged, strict=True) if gate.decides),
    )
    try:
        return _whole(found, gates, judged, gate_input, odds)
    except Exception as error:  # noqa: BLE001 - a defect, whatever it is
        text = f"what the gates found cannot be put into words ({defect(error)}): the weight is not raised"
        return replace(found, halt=reasons.INTERNAL_ERROR, message=text)


def _as_counted(result: GateResult, request: EvaluationRequest) -> GateResult:
    if request.preflight:
        return on_golden_set(result, request)
    return on_copies(result) if request.mirror else result


def _whole(
    found: Evaluation,
    gates: Sequence[Gate],
    judged: Sequence[Judged],
    gate_input: GateInput,
    odds: tuple[float, float] | None,
) -> Evaluation:
    """With everything else that a pass or people need to know."""
    request, names, results = gate_input.request, None, found.gates
    if not request.spec.gates:
        names = to_be_recorded(gate_input, request.default_gates or ())
        results = (*results, *not_in_force([gate.name for gate in gates], gate_input))
    candidate, stable = request_totals(gate_input)
    nothing = nothing_to_judge(judged, gate_input)
    digests = model_digest.serving(gate_input.table)
    mixed = model_digest.mixed(digests, request.candidate)
    halt, why = _halt(judged, nothing or gate_input.partial or mixed)
    said = (text for one in judged for text in one.warnings)
    warnings = [*gate_input.warnings, *said, *left_out_warnings(gate_input)]
    evidence = "" if odds is None else _together(judged, *odds)
    return replace(
        found,
        requests=round(float(candidate[gate_input.step :].sum())),
        gates=results,
        halt=halt,
        message=why or evidence or say.summary(results),
        warnings=tuple(dict.fromkeys([*warnings, *traffic_warnings(gate_input, candidate, stable)])),
        digest=model_digest.one_of(digests),
        scrapes=gate_input.scrapes,
        default_gates=names,
        layers=measured(gate_input),
    )


def _halt(judged: Sequence[Judged], found: Finding | None) -> tuple[AnyReason | None, str]:
    """Three missing ticks in a row of what a deciding gate rests on; else what was `found`, or a budget that burns."""
    deciding = [one for one in judged if one.result.required]
    for one in deciding:
        if one.missing >= MISSING_TICKS:
            return reasons.SAMPLES_MISSING, one.missing_text
    if found:
        return found.reason, found.message
    for one in deciding:
        if one.halt is not None:
            return one.halt.reason, one.halt.message
    return None, ""


def _combined(gates: Sequence[Gate], judged: Sequence[Judged], false_rollback: float) -> tuple[float, float] | None:
    """(log odds, those needed) of all count tests together, weighted; None where too little or one gate failed."""
    deciding = [one for gate, one in zip(gates, judged, strict=True) if gate.decides]
    parts = [pair for one in deciding for pair in one.evidence]
    if not parts or any(one.result.verdict == "FAIL" for one in deciding):
        return None
    logs = np.array([odds for odds, _ in parts])
    total = float(alpha_budget.log_combined(logs, [share for _, share in parts]))
    needed = alpha_budget.log_threshold(false_rollback)
    return None if total < needed else (total, needed)


def _together(judged: Sequence[Judged], total: float, needed: float) -> str:
    """The sentence of the combined evidence, with the two gates that have most of it."""
    deciding = [one for one in judged if one.result.required]
    worst = sorted(deciding, key=lambda one: -max((odds for odds, _ in one.evidence), default=-np.inf))
    named = "; ".join(f"{one.result.name}: {one.result.message}" for one in worst[:2])
    return f"all gates together: {say.evidence(total, needed, 0.0)}. {named}"
