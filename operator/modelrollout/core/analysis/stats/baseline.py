"""The expected rate of stable, and its overdispersion beyond the binomial: both from earlier ticks only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from modelrollout.core.analysis.stats.arrays import shaped, taken, usable
from modelrollout.core.analysis.stats.parameters import (
    DISPERSION_BLOCK,
    DISPERSION_SIGMAS,
    DISPERSION_TAIL,
    SEED_REQUESTS,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelrollout.core.analysis.stats.arrays import Array, CountTicks, Flags, Index, StableHistory
    from modelrollout.core.analysis.stats.kept.memo import Memo
    from modelrollout.core.analysis.stats.parameters import Settings

_LEAST_VARIANCE = 1e-12
"""Of the bad ones in a stretch: with less, one of them would be wilder than anything."""


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


def decayed_sums(seconds: Array, values: Array, half_life: float, memo: Memo | None = None) -> Array:
    """Exponentially decayed sums of `values` *before* each tick, over the last axis; shape of `values`."""

    def work(given: Sequence[Array], first: int, before: Array | None) -> Array:
        return _decayed_sums(given[0], given[1], half_life, first, before)

    given = (seconds, values)
    return work(given, 0, None) if memo is None else memo.ticks("decayed", work, given, half_life)


def _decayed_sums(seconds: Array, values: Array, half_life: float, first: int, before: Array | None) -> Array:
    """The same from tick `first` on; `before` are the sums before the ticks before it."""
    gaps = np.diff(seconds, axis=-1, prepend=seconds[..., :1])[..., first:]
    keep = np.moveaxis(np.exp2(-np.maximum(gaps, 0.0) / half_life), -1, 0)
    steps = np.moveaxis(values[..., first:], -1, 0)
    state = np.zeros(steps.shape[1:]) if before is None else before[..., -1] + values[..., first - 1]
    if steps.ndim == keep.ndim == 1:
        return np.array(_decayed(keep.tolist(), steps.tolist(), float(state)))
    out = np.empty(steps.shape)
    for t in range(len(steps)):  # a recursion: closed forms overflow after days
        state = state * keep[t]
        out[t] = state
        state = state + steps[t]
    return np.moveaxis(out, 0, -1)


def _decayed(keep: list[float], steps: list[float], state: float) -> list[float]:
    """The same recursion for one row: on numbers it takes a tenth of the time."""
    out = []
    for kept, step in zip(keep, steps, strict=True):
        state *= kept
        out.append(state)
        state += step
    return out


def baseline(ticks: CountTicks, history: StableHistory | None, settings: Settings) -> Baseline:
    """Stable's expected rate and overdispersion at every tick of `ticks` (cleaned), seeded with `history`."""
    seconds, bad, total = ticks.seconds, ticks.stable_bad, ticks.stable_total
    before = 0
    if history is not None and history.bad.shape[-1]:
        before = history.bad.shape[-1]
        past_bad, past_total = usable(history.bad, history.total)
        shape = (*total.shape[:-1], before)
        seconds, bad, total = (
            np.concatenate([shaped(earlier, shape), now], axis=-1)
            for earlier, now in ((history.seconds, seconds), (past_bad, bad), (past_total, total))
        )
    memo = settings.memo
    sums = [
        decayed_sums(seconds, a, settings.half_life, None if memo is None else memo.at(name))
        for name, a in (("bad", bad), ("total", total))
    ]
    return expect(seconds, bad, total, sums[0], sums[1], before=before, settings=settings)


def expect(
    seconds: Array, bad: Array, total: Array, past_bad: Array, past_total: Array, *, before: int, settings: Settings
) -> Baseline:
    """The baseline from stable's ticks (..., H+T) and their decayed pasts; the first `before` are history."""
    rate = (past_bad + 0.5) / (past_total + 1.0)
    phi = _overdispersion(seconds, bad, total, rate, past_total) if settings.dispersion else np.ones(rate.shape)
    seen = _before(total > 0)[..., before:] >= settings.seed_ticks
    seeded: Flags = seen | (_before(total)[..., before:] >= SEED_REQUESTS)
    return Baseline(rate[..., before:], past_total[..., before:], phi[..., before:], seeded)


def _overdispersion(seconds: Array, bad: Array, total: Array, rate: Array, known: Array) -> Array:
    """max(1, sum (y - n p)^2 / (n p (1 - p)) / df) over earlier stretches, where that is more than chance gives.

    The variance of a stretch against an estimate includes the estimate's own, n^2 p (1 - p) / known: without
    it two young ticks of a perfectly binomial stable would already look twice too wild. Of a binomial stable the
    mean of df such squares is 1 give or take its standard error; to temper by that noise would cost a tenth of
    the speed and buy nothing. (2 + 1 / variance is the variance of one square, of counts as rare as these.)
    """
    ends, start = _stretches(seconds)
    y, n, expected, spread = (
        _over_stretch(a, start) for a in (bad, total, total * rate, total * rate * (1 - rate))
    )  # each tick by the rate known before it: in a stretch the edge that is counted may change
    seen = taken(known, start)
    variance = spread * (1 + n / (seen + 1))
    counted = ends & (seen >= 1) & (variance > _LEAST_VARIANCE)
    safe = np.where(variance > _LEAST_VARIANCE, variance, 1.0)
    square = np.where(counted, (y - expected) ** 2 / safe, 0.0)
    df = np.maximum(_before(counted), 1.0)
    mean = _before(square) / df
    chance = np.sqrt(_before(np.where(counted, 2 + 1 / safe, 0.0))) / df
    return np.where(mean > 1 + DISPERSION_SIGMAS * chance, 1 + DISPERSION_TAIL * (mean - 1), 1.0)


def _stretches(seconds: Array) -> tuple[Flags, Index]:
    """(whether a tick is the last of its stretch of DISPERSION_BLOCK, the first tick of its stretch), (..., T)."""
    number = np.floor((seconds - seconds[..., :1]) / DISPERSION_BLOCK + 1e-6)
    begins = np.diff(number, axis=-1, prepend=number[..., :1] - 1) > 0
    ends = np.concatenate(
        [begins[..., 1:], np.zeros((*begins.shape[:-1], min(1, begins.shape[-1])), dtype=bool)], axis=-1
    )
    return ends, np.maximum.accumulate(np.where(begins, np.arange(begins.shape[-1]), 0), axis=-1)


def _over_stretch(values: Array, start: Index) -> Array:
    """Sum from the first tick of each tick's stretch up to the tick itself."""
    run = np.cumsum(values, axis=-1)
    total: Array = run - taken(run - values, start)
    return total


def _before(values: Array | Flags) -> Array:
    """Running sum over the ticks before each."""
    amounts = values.astype(float)
    earlier: Array = np.cumsum(amounts, axis=-1) - amounts
    return earlier
