"""Windows and gauges: the sample is a window (or a batch of ticks), never a neuron or an element.

A layer's dead units are a census: the same units recur in every tick, so neurons times ticks as a sample size
would fabricate certainty. The normal-mixture confidence sequence over replicates is asymptotic, hence outside
the printed guarantee; the ceiling (2x the line, two replicates running) has no bound and is named so.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Protocol

import numpy as np

from modelrollout.core.analysis.stats import parameters as d
from modelrollout.core.analysis.stats.kept.memo import Memo
from modelrollout.core.analysis.stats.replicates import LEAST, divide, of_last, running, spread, stable_so_far

if TYPE_CHECKING:
    from modelrollout.core.analysis.stats.arrays import Array, Flags
    from modelrollout.core.analysis.stats.limits import LimitLine
    from modelrollout.core.analysis.stats.replicates import ReplicateHistory, Replicates

_NO_CEILING = 1e9
"""Shares of zeros and negatives have no ceiling: twice a share of 53 % says nothing, and a loss is not seen by it."""


class Margin(Protocol):
    """A limit over stable that is no plain line, see margins/retrain.py."""

    @property
    def slope(self) -> float | Array:
        """How much the limit moves with stable's rate, at most."""

    def limit(self, stable: Array, room: Array) -> Array:
        """The highest allowed rate beside stable's; `room` of a loss is what proving it takes."""


@dataclass(frozen=True)
class WindowSettings:
    """`alpha` is what alpha_budget.gauge_alpha leaves to one layer; a unit is 1 / neurons."""

    alpha: float
    min_excess: float | Array = 0.0
    """Least excess over stable's rate that counts (3 units: 3 / neurons)."""
    spread_floor: float | Array = 1e-6
    """Replicates are never believed to be steadier than this (half a unit: .5 / neurons)."""
    stable_needed: float = d.STABLE_WINDOWS
    ceiling: float = d.CEILING
    margin: Margin | None = None
    """Takes the place of the line and of `min_excess`."""
    half_life: float = d.HALF_LIFE
    memo: Memo | None = field(default=None, compare=False, repr=False)
    """As in parameters.Settings."""


@dataclass(frozen=True)
class WindowEvidence:
    """A sequence of the candidate's replicates against a limit. Arrays (..., T).

    `mean` of the candidate so far and `stable`'s decayed mean (NaN before the first), `limit` now, `excess`
    the mean of rate - limit so far, `radius` the sequence's half width, `samples` and `stable_samples` the
    replicates so far; `sequence` and `ceiling`: that rule says FAIL; `hold`: 3 of the last 5 above the limit.
    """

    mean: Array
    stable: Array
    limit: Array
    excess: Array
    radius: Array
    samples: Array
    stable_samples: Array
    sequence: Flags
    ceiling: Flags
    hold: Flags

    @property
    def newest(self) -> WindowEvidence:
        """The last tick alone, (..., 1)."""
        return WindowEvidence(*(getattr(self, each.name)[..., -1:] for each in fields(self)))

    @property
    def failing(self) -> Flags:
        """FAIL by either rule."""
        flags: Flags = self.sequence | self.ceiling
        return flags

    @property
    def passing(self) -> Flags:
        """PASS: enough replicates, nothing breached, the estimate on the good side of the limit."""
        flags: Flags = (self.samples >= d.PASS_WINDOWS) & (self.excess <= 0) & ~self.failing & ~self.hold
        return flags

    @property
    def strength(self) -> Array:
        """Excess in radii, the order in which layers are named; -inf before the first replicate."""
        observed = np.isfinite(self.excess) & np.isfinite(self.radius)
        return np.where(observed, self.excess / np.where(observed, self.radius, 1.0), -np.inf)


def radius(samples: Array, sd: Array, alpha: float, tuning: float = d.SEQUENCE_TUNING) -> Array:
    """Half width of the one-sided normal-mixture sequence for a mean of `samples` replicates of spread `sd`.

    sd * sqrt((n + k)(ln(1 + n/k) + 2 ln(1/alpha))) / n, k = v/(2 ln(1/alpha) + ln(1 + 2 ln(1/alpha))).
    """
    logs = -2 * np.log(alpha)
    k = tuning / (logs + np.log1p(logs))
    n = np.where(samples > 0, np.maximum(samples, 1e-9), 1.0)
    return np.where(samples > 0, sd * np.sqrt((n + k) * (np.log1p(n / k) + logs)) / n, np.inf)


def early_spread(sd: Array, samples: Array, alpha: float) -> Array:
    """The spread behind a standard deviation `sd` of few `samples`: its upper confidence bound, at least EARLY_SPREAD.

    sd * sqrt((n - 1) / chi2), chi2 the alpha quantile with n - 1 degrees of freedom as Wilson and Hilferty have it.
    From STABLE_WINDOWS samples on `sd` itself; infinite where so few say nothing.
    """
    freedom = np.maximum(samples - 1, 1.0)
    root = 1 - 2 / (9 * freedom) + NormalDist().inv_cdf(alpha) * np.sqrt(2 / (9 * freedom))
    wide = np.where(root > 0, np.maximum(sd, d.EARLY_SPREAD) * np.maximum(root, 1e-9) ** -1.5, np.inf)
    found: Array = np.where(samples < d.STABLE_WINDOWS, wide, sd)
    return found


def room(sd: Array, alpha: float) -> Array:
    """How far beyond its limit a mean must lie to be found in LOSS_WINDOWS replicates, but for rare chance."""
    count = np.asarray(float(d.LOSS_WINDOWS))
    wide: Array = radius(count, sd, alpha) + d.LOSS_SIGMAS * sd / np.sqrt(count)
    return wide


def window_evidence(
    seconds: Array,
    candidate: Replicates,
    stable: Replicates,
    line: LimitLine,
    settings: WindowSettings,
    *,
    history: ReplicateHistory | None = None,
) -> WindowEvidence:
    """Candidate's mean <= max(line at stable's rate, that rate + min_excess), of stable's earlier ticks.

    A margin in `settings` takes the place of both.
    """
    known = stable_so_far(seconds, stable, history, settings.half_life, settings.memo)
    steady = np.maximum(known.spread, settings.spread_floor)
    limit, slope = np.maximum(line.at(known.rate), known.rate + settings.min_excess), np.asarray(line.ratio)
    if settings.margin is not None:
        slope = np.asarray(settings.margin.slope)
        limit = settings.margin.limit(known.rate, room(steady, settings.alpha))
    candidate = candidate.clean
    count = np.where(known.weight > LEAST, candidate.count, 0.0)
    n = np.cumsum(count, axis=-1)
    # the limit itself rests on finitely many windows of stable, the same ones at every look
    shared = 1 + slope**2 * n / np.where(known.weight > LEAST, known.weight, 1.0)
    sd = early_spread(steady, known.samples, settings.alpha) * np.sqrt(shared)
    ready = (n >= d.BURN_IN) & (known.samples >= settings.stable_needed)
    evidence = _against(candidate, count, limit, sd=sd, ready=ready, settings=settings)
    return replace(evidence, stable=known.rate, stable_samples=known.samples)


def at_most(candidate: Replicates, limit: float, settings: WindowSettings) -> WindowEvidence:
    """Candidate's mean <= a fixed limit, without stable; its own spread, from 10 replicates on."""
    candidate = candidate.clean
    count = candidate.count
    n, s, q = (np.cumsum(a, axis=-1) for a in (count, candidate.total, candidate.square))
    sd = np.maximum(spread(n, s, q), settings.spread_floor)
    ready: Flags = n >= d.PASS_WINDOWS
    fixed = np.full(count.shape, float(limit))
    return _against(candidate, count, fixed, sd=sd, ready=ready, settings=settings)


def two_sided(
    seconds: Array,
    candidate: Replicates,
    stable: Replicates,
    line: LimitLine,
    settings: WindowSettings,
    *,
    history: ReplicateHistory | None = None,
) -> tuple[WindowEvidence, WindowEvidence]:
    """(upper, lower): drift from stable beyond the line, each with half of alpha; PASS where both pass."""
    half = replace(settings, alpha=settings.alpha / 2, ceiling=_NO_CEILING)
    mirrored = None if history is None else replace(history, stable=history.stable.mirrored)
    upper = window_evidence(seconds, candidate, stable, line, half, history=history)
    half = replace(half, memo=None if half.memo is None else half.memo.at("mirrored"))
    lower = window_evidence(seconds, candidate.mirrored, stable.mirrored, line, half, history=mirrored)
    return upper, lower


def within(
    candidate: Replicates, low: float, high: float, settings: WindowSettings
) -> tuple[WindowEvidence, WindowEvidence]:
    """(upper, lower) of an absolute band [low, high], each with half of alpha; PASS where both pass."""
    half = replace(settings, alpha=settings.alpha / 2, ceiling=_NO_CEILING)
    return at_most(candidate, high, half), at_most(candidate.mirrored, 1 - low, half)


def _against(
    candidate: Replicates, count: Array, limit: Array, *, sd: Array, ready: Flags, settings: WindowSettings
) -> WindowEvidence:
    observed = count > 0
    total = np.where(observed, candidate.total, 0.0)
    allowed = np.where(observed, limit, 0.0)
    n = np.cumsum(count, axis=-1)
    excess = divide(np.cumsum(total - count * allowed, axis=-1), n)
    width = radius(n, sd, settings.alpha)
    latest = np.nan_to_num(divide(total, count))
    beyond = observed & (latest > settings.ceiling * allowed)
    unknown = np.full(n.shape, np.nan)
    return WindowEvidence(
        mean=divide(np.cumsum(total, axis=-1), n),
        stable=unknown,
        limit=limit,
        excess=excess,
        radius=width,
        samples=n,
        stable_samples=np.zeros(n.shape),
        sequence=ready & (np.nan_to_num(excess, nan=-np.inf) - width > 0),
        ceiling=running(beyond, count) >= d.CEILING_WINDOWS,
        hold=of_last(observed & (latest > allowed), observed, *d.HOLD_OF),
    )
