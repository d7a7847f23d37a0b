"""An error budget spent too fast holds the weight; where stable spends it too, it is not held against the candidate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modelrollout.api.gates import ErrorRateGate
from modelrollout.core import reasons
from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.checks.counts import Counts
from modelrollout.core.analysis.gates.checks.limit_check import by_evidence
from modelrollout.core.analysis.gates.checks.standing import CountTest
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.wording import worded
from modelrollout.core.analysis.stats import alpha_budget, limits
from modelrollout.core.analysis.stats.burn_rate import burn_rate
from modelrollout.core.finding import Finding


@dataclass(frozen=True)
class BurnRateHold:
    """Why the weight must be held."""

    finding: Finding
    shared: bool
    """Both versions spend the budget: no evidence against an absolute limit counts against the candidate."""


def burning(gate: ErrorRateGate, counts: Counts, gate_input: GateInput) -> BurnRateHold | None:
    """BurnRate or SharedIncident at the newest tick; None without an absolute limit or before the first step.

    Shared: both versions spend more than twice the budget, and the evidence that the candidate is worse than
    stable (by the gate's own margin, or the default one) is small.
    """
    if gate.max is None or not gate_input.request.steps or not len(gate_input.ends):
        return None
    ticks, margin = counts.sure or counts.ticks, gate.versus_stable
    line = limits.ERROR_RATE if margin is None else limits.LimitLine(margin.ratio, margin.plus)
    versus = by_evidence(CountTest("stable", ticks, line, 1.0), gate_input).odds or 0.0
    shape = gate_input.ends.shape
    found = burn_rate(
        ticks,
        gate.max,
        np.full(shape, gate_input.request.step_started_at),
        np.full(shape, versus),
        needed=alpha_budget.log_threshold(gate_input.request.spec.analysis.false_rollback),
    )
    limit = gate.max
    budget = worded(lambda: f"the error budget of {say.margin(limit)}", "the error budget")
    rates = f"{float(found.long[-1]):.1f}x over this step, {float(found.short[-1]):.1f}x over 5 min"
    if bool(found.shared[-1]):
        text = f"both versions spend {budget} ({rates}; stable {float(found.stable_long[-1]):.1f}x)"
        whole = f"{gate.name}: {text}: an incident of both, not held against the candidate"
        return BurnRateHold(Finding(reasons.SHARED_INCIDENT, whole), shared=True)
    if bool(found.burning[-1]):
        text = f"{gate.name}: the candidate spends {budget} too fast ({rates})"
        return BurnRateHold(Finding(reasons.BURN_RATE, text), shared=False)
    return None
