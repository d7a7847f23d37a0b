"""The expected rate of stable, and its overdispersion beyond the binomial: both from earlier ticks only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from modelrollout.core.analysis.stats.arrays import usable

if TYPE_CHECKING:
    from modelrollout.core.analysis.stats.arrays import Array, CountTicks, Flags, StableHistory
    from modelrollout.core.analysis.stats.parameters import Settings


@dataclass(frozen=True)
class Baseline:
    """Stable as known before each tick. Shapes (..., T).

    `rate` = (decayed bad + .5) / (decayed total + 1); `weight` = decayed total;
    `phi` >= 1 = overdispersion; `seeded` False while evidence must wait for the first rate.
    """

    rate: Array
    weight: Array
    phi: Array
    seeded: Flags


def decayed_sums(seconds: Array, values: Array, half_life: float) -> Array:
    """Exponentially decayed sums of `values` *before* each tick, over the last axis; shape of `values`."""
    gaps = np.diff(seconds, axis=-1, prepend=seconds[..., :1])
    keep = np.moveaxis(np.exp2(-np.maximum(gaps, 0.0) / half_life), -1, 0)
    steps = np.moveaxis(values, -1, 0)
    out = np.empty(steps.shape)
    state = np.zeros(steps.shape[1:])
    for t in range(len(steps)):  # a recursion: closed forms overflow after days
        state = state * keep[t]
        out[t] = state
        state = state + steps[t]
    return np.moveaxis(out, 0, -1)


def baseline(ticks: CountTicks, history: StableHistory | None, settings: Settings) -> Baseline:
    """Stable's expected rate and overdispersion at every tick of `ticks` (cleaned), seeded with `history`."""
    seconds, bad, total = ticks.seconds, ticks.stable_bad, ticks.stable_total
    before = 0
    if history is not None and history.bad.shape[-1]:
        before = history.bad.shape[-1]
        past_bad, past_total = usable(history.bad, history.total)
        shape = (*total.shape[:-1], before)
        seconds, bad, total = (
            np.concatenate([np.broadcast_to(earlier, shape), now], axis=-1)
            for earlier, now in ((history.seconds, seconds), (past_bad, bad), (past_total, total))
        )
    sums = [decayed_sums(seconds, a, settings.half_life) for a in (bad, total)]
    return expect(bad, total, sums[0], sums[1], before=before, settings=settings)


def expect(
    bad: Array, total: Array, past_bad: Array, past_total: Array, *, before: int, settings: Settings
) -> Baseline:
    """The baseline from stable's ticks (..., H+T) and their decayed pasts; the first `before` are history."""
    rate = (past_bad + 0.5) / (past_total + 1.0)
    phi = _overdispersion(bad, total, rate, past_total) if settings.dispersion else np.ones(rate.shape)
    seeded: Flags = _before(total > 0)[..., before:] >= settings.seed_ticks
    return Baseline(rate[..., before:], past_total[..., before:], phi[..., before:], seeded)


def _overdispersion(bad: Array, total: Array, rate: Array, known: Array) -> Array:
    """max(1, sum (y - n p)^2 / (n p (1 - p)) / df) over earlier ticks.

    The variance of a tick against an estimate includes the estimate's own, n^2 p (1 - p) / known: without
    it two young ticks of a perfectly binomial stable would already look twice too wild.
    """
    counted = (total > 0) & (known >= 1)
    variance = total * rate * (1 - rate) * (1 + total / (known + 1))
    square = np.where(counted, (bad - total * rate) ** 2 / np.where(variance > 0, variance, 1.0), 0.0)
    return np.maximum(1.0, _before(square) / np.maximum(_before(counted), 1.0))


def _before(values: Array | Flags) -> Array:
    """Running sum over the ticks before each."""
    amounts = values.astype(float)
    earlier: Array = np.cumsum(amounts, axis=-1) - amounts
    return earlier
