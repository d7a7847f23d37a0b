"""Burn rate holds and never rolls back: it is outside the promise; where both versions burn, neither is blamed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from modelrollout.core.analysis.stats.parameters import BURN_EVENTS, BURN_LIMIT, BURN_LONG, BURN_SHORT

if TYPE_CHECKING:
    from modelrollout.core.analysis.stats.arrays import Array, CountTicks, Flags


@dataclass(frozen=True)
class Burn:
    """Arrays (..., T). Burn = error rate / limit (the error budget, 1 - SLO); NaN without requests.

    `burning`: the candidate above the burn limit on both windows with enough bad events; `shared`: stable
    burns too and the evidence against the candidate is small, so it is an incident of both.
    """

    long: Array
    short: Array
    stable_long: Array
    burning: Flags
    shared: Flags


def burn_rate(
    ticks: CountTicks,
    limit: float,
    step: Array,
    log_bad: Array,
    *,
    needed: float,
    burn_limit: float = BURN_LIMIT,
) -> Burn:
    """Burn over min(since the step started, 30 min) and 5 min.

    `limit` = 1 - SLO as a fraction; `step` (..., T) seconds at which the step of each tick started; `log_bad`
    (..., T) the evidence against the candidate and `needed` the log odds to act; below half of it is small.
    """
    clean = ticks.clean()
    budget = max(limit, 1e-12)
    begin = np.maximum(np.broadcast_to(step, clean.seconds.shape), clean.seconds - BURN_LONG)
    short = np.maximum(begin, clean.seconds - BURN_SHORT)
    arms = ((clean.candidate_bad, clean.candidate_total), (clean.stable_bad, clean.stable_total))
    rates, burning = [], []
    for bad, total in arms:
        (long_bad, long_all), (short_bad, short_all) = (
            (_since(clean.seconds, bad, start), _since(clean.seconds, total, start)) for start in (begin, short)
        )
        over = [_rate(b, n, budget) for b, n in ((long_bad, long_all), (short_bad, short_all))]
        rates.append(over)
        above = [np.nan_to_num(r) > burn_limit for r in over]
        burning.append(above[0] & above[1] & (long_bad >= BURN_EVENTS))
    shared: Flags = burning[0] & burning[1] & (log_bad < needed / 2)
    return Burn(rates[0][0], rates[0][1], rates[1][0], burning[0], shared)


def _rate(bad: Array, total: Array, budget: float) -> Array:
    return np.where(total > 0, bad / np.where(total > 0, total, 1.0) / budget, np.nan)


def _since(seconds: Array, values: Array, start: Array) -> Array:
    """Sum over the ticks that end after `start` (..., T), up to and including each tick."""
    run = np.cumsum(values, axis=-1)
    padded = np.concatenate([np.zeros((*run.shape[:-1], 1)), run], axis=-1)
    if seconds.ndim == 1:
        earlier = np.searchsorted(seconds, start + 1e-6, side="right")
    else:  # comparing all pairs is cheaper than a search per row
        earlier = (seconds[..., None, :] <= start[..., :, None] + 1e-6).sum(axis=-1)
    total: Array = run - np.take_along_axis(padded, earlier, axis=-1)
    return total
