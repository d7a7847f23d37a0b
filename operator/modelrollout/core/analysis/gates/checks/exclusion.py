"""What the evidence excludes of a gate that has not passed: said where the spec goes on unproven at the deadline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.checks.standing import Standing
from modelrollout.core.analysis.gates.checks.upper_bound import CONFIDENCE, upper_bound
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.stats.arrays import CountTicks
from modelrollout.core.analysis.stats.parameters import NOTHING

_TICKS_BEFORE = 8
"""So many ticks before the deadline the bound is worked out: an evaluation may be some ticks old when it is used."""


def bounded(one: Standing, ticks: CountTicks, gate_input: GateInput) -> Standing:
    """With the bound on the candidate's share, where people will read it; `ticks` on the whole grid."""
    analysis, request = gate_input.request.spec.analysis, gate_input.request
    since = request.started_at + analysis.deadline - _TICKS_BEFORE * analysis.interval
    if analysis.on_inconclusive != "Promote" or one.verdict != "CONTINUE" or gate_input.ends[-1] < since:
        return one
    bound = upper_bound(_since(ticks, gate_input.start))
    # Bets that began late may exclude less than what was counted in all; people read both numbers in one sentence.
    return replace(one, at_most=bound if np.isnan(one.rate) else max(bound, one.rate))


def _since(ticks: CountTicks, first: int) -> CountTicks:
    part = slice(first, None)
    counts = (ticks.candidate_bad[part], ticks.candidate_total[part], ticks.stable_bad[part], ticks.stable_total[part])
    return CountTicks(ticks.seconds[part], *counts, restart=None if ticks.restart is None else ticks.restart[part])


def outweighed(one: Standing) -> bool:
    """Whether more speaks against the candidate than for it; where no evidence is weighed, whether it leans bad."""
    if one.odds is None or one.good is None:
        return one.leaning_bad
    return one.odds > one.good + NOTHING and not one.rare


def excluded(name: str, standings: Sequence[Standing], bounds: Sequence[tuple[str, str]]) -> str:
    """As in: errors at most 1.1 %, 95 %: not proven <= 0.73 %. `bounds`: each test's bound and limit in words."""
    said = [
        f"{name} {bound}, {say.margin(CONFIDENCE)}: not proven {limit}"
        for one, (bound, limit) in zip(standings, bounds, strict=True)
        if one.verdict == "CONTINUE" and bound
    ]
    return "; ".join(dict.fromkeys(said))
