"""No PASS at the tick of a collapse: what a good time proved says nothing of a candidate that has just broken.

Evidence and means move slowly on purpose. So before a PASS the newest ticks are looked at alone. A hold takes back no
evidence; the next good tick passes again.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.checks.standing import Standing
from modelrollout.core.analysis.stats.arrays import Array, CountTicks
from modelrollout.core.analysis.stats.limits import LimitLine
from modelrollout.core.analysis.stats.parameters import BREACHING_LOOKS

CHANCE = 1e-3
"""How often a candidate that is just within its limit may be held for a tick by chance."""
FAR_BEYOND = 0.1
"""Of a share of units or values: so far beyond its limit a single tick is no noise."""


def not_at_a_collapse(standing: Standing, ticks: CountTicks, line: LimitLine, parts: int = 1) -> Standing:
    """The standing, without a PASS where the newest one, two or three intervals alone are beyond the limit.

    `ticks` since evidence began, `parts` of them an interval. Stable's own share in those ticks counts, so that an
    outage of both blames neither.
    """
    if standing.verdict != "PASS":
        return standing
    for number in range(1, min(BREACHING_LOOKS, len(ticks.seconds) // parts) + 1):
        part = slice(-number * parts, None)
        total, bad = float(ticks.candidate_total[part].sum()), float(ticks.candidate_bad[part].sum())
        allowed = _allowed(standing, ticks, line, part)
        if total and bad / total > allowed and total * _divergence(bad / total, allowed) >= -np.log(CHANCE):
            good = None if standing.good is None else min(standing.good, 0.0)
            share, limit = say.beside(bad / total, allowed)
            text = f"but beyond the limit in {say.last_ticks(number)} alone ({share}, allowed {limit})"
            return replace(standing, verdict="CONTINUE", good=good, left=None, leaning_bad=True, newest=text)
    return standing


def _allowed(standing: Standing, ticks: CountTicks, line: LimitLine, part: slice) -> float:
    known = float(ticks.stable_total[part].sum())
    if standing.kind != "stable" or not known:
        return min(standing.limit, 1.0)
    share = float(ticks.stable_bad[part].sum()) / known
    return min(max(standing.limit, float(line.at(np.asarray(share))) if line.relative else share), 1.0)


def _divergence(share: float, allowed: float) -> float:
    """Kullback-Leibler divergence of two shares: P(share or more of n) <= exp(-n * it) (Chernoff)."""
    if allowed <= 0:
        return np.inf
    parts = [(share, allowed), (1 - share, 1 - allowed)]
    return float(sum(one * np.log(one / other) for one, other in parts if one > 0))


def newest_far_beyond(values: Array, low: float, high: float) -> bool:
    """Whether the newest of a layer's shares per tick (NaN where there is none) lies far outside its limits."""
    latest = values[-BREACHING_LOOKS:]
    latest = latest[~np.isnan(latest)]
    return bool(len(latest)) and bool((latest[-1] > high + FAR_BEYOND) | (latest[-1] < low - FAR_BEYOND))
