"""How many more candidate requests a verdict takes at the present rates: a forecast, never a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from modelrollout.core.analysis.stats.arrays import between
from modelrollout.core.analysis.stats.eprocess import project
from modelrollout.core.analysis.stats.parameters import TOP_RATE

if TYPE_CHECKING:
    from modelrollout.core.analysis.stats.arrays import Array
    from modelrollout.core.analysis.stats.limits import LimitLine

_STANDSTILL = 1e-12


def growth(candidate_rate: Array, stable_rate: Array, per_candidate: Array, line: LimitLine) -> Array:
    """Log evidence per candidate request: min over the line of KL(p_c||.) + per_candidate * KL(p_s||.).

    `per_candidate` = stable requests per candidate request. 0 on the line itself, and where no bet is made, since
    nobody can be beyond such a line (eprocess.log_factors). Shapes broadcast.
    """
    tc, ts, ratio = np.broadcast_arrays(
        between(np.asarray(candidate_rate, dtype=float), 1e-9, 1 - 1e-9),
        between(np.asarray(stable_rate, dtype=float), 1e-9, 1 - 1e-9),
        np.asarray(per_candidate, dtype=float),
    )
    tc0, ts0 = project(np.ones(tc.shape), ratio, tc, ts, line)
    stable = ratio * _kl(ts, ts0) if line.relative else 0.0
    limit = line.at(ts)
    bets = np.where(tc > limit, limit < TOP_RATE, limit < 1)
    return np.where(bets, _kl(tc, tc0) + stable, 0.0)


def _kl(p: Array, q: Array) -> Array:
    q = between(q, 1e-12, 1 - 1e-12)
    kl: Array = p * np.log(p / q) + (1 - p) * (np.log1p(-p) - np.log1p(-q))
    return kl


def requests_needed(gap: Array, alternatives: int, rate: Array) -> Array:
    """Candidate requests until the evidence has grown by `gap` (log odds), n ~ (gap + ln J + ln 2) / KL.

    inf where the rate of growth is 0: at these rates the question does not resolve itself.
    """
    wanted = np.maximum(np.asarray(gap, dtype=float), 0.0) + np.log(alternatives) + np.log(2.0)
    rate = np.asarray(rate, dtype=float)
    grows = rate > _STANDSTILL
    return np.where(grows, np.ceil(wanted / np.where(grows, rate, 1.0)), np.inf)
