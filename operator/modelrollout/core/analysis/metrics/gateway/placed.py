"""Where a gateway tells versions by their place alone, a place counts for a version from when the version stands there.

Before its first step a candidate has no place: what the second one counts then is what is left of the candidate before,
such as slow requests, and those until the gateway has heard of a lowering.
"""

from __future__ import annotations

import math

import numpy as np

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.grid import Grid
from modelrollout.core.analysis.metrics.tick_table import TickTable
from modelrollout.core.analysis.stats.parameters import HISTORY
from modelrollout.core.evaluation import EvaluationRequest


def history_ticks(request: EvaluationRequest) -> int:
    """How many ticks before the rollout's start are stable's history."""
    whole = math.ceil(HISTORY / request.interval)
    since = _stable_since(request)
    return whole if since is None else max(0, min(whole, math.floor((request.started_at - since) / request.interval)))


def in_their_places(table: TickTable, request: EvaluationRequest) -> TickTable:
    """The table without what a gateway counted at a version's place before the version stood there."""
    if request.dialect is None or not request.dialect.by_place:
        return table
    first = request.steps[0][1] if request.steps else math.inf
    until = {
        "stable": _position(table.grid, _stable_since(request) or -math.inf),
        "candidate": _position(table.grid, first),
    }
    placed = [
        one for name in (s.GATEWAY_REQUESTS, s.GATEWAY_DURATION) for arm in s.ARMS for one in table.channels(name, arm)
    ]
    growth = {
        channel: np.where(np.arange(table.grid.count) < until[channel.arm], 0.0, table.growth[channel])
        for channel in placed
    }
    return table.instead(growth)


def _stable_since(request: EvaluationRequest) -> float | None:
    """From when stable's place counts for it alone, where another version may have had it."""
    if request.git is not None:
        return None  # Git gives each version a place of its own
    return request.placed_at if request.dialect is not None and request.dialect.by_place else None


def _position(grid: Grid, seconds: float) -> int:
    """As Grid.position, on the grid."""
    if math.isinf(seconds):
        return grid.count if seconds > 0 else 0
    return min(max(grid.position(seconds), 0), grid.count)
