"""Plain thresholds for what has no counts: m of n looks, and a deadband against flapping on the limit.

No error bound stands behind this rule, and messages say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from modelrollout.core.analysis.stats.parameters import DEADBAND, LOOKS
from modelrollout.core.analysis.stats.replicates import of_last

if TYPE_CHECKING:
    from modelrollout.core.analysis.stats.arrays import Array, Flags

_LARGEST = 1e300


@dataclass(frozen=True)
class ThresholdEvidence:
    """Arrays (..., T): `bad` a look beyond the limit (with deadband), `failing` m of the last n are.

    `passing`: n looks are in, none of the last n is bad and their mean is inside; `looks` so far; `mean` of
    the last n looks (NaN before the first).
    """

    bad: Flags
    failing: Flags
    passing: Flags
    looks: Array
    mean: Array


def threshold_evidence(
    values: Array,
    low: float | None = None,
    high: float | None = None,
    *,
    looks: tuple[int, int] = LOOKS,
    deadband: float = DEADBAND,
) -> ThresholdEvidence:
    """Judge `values` (..., T) against [low, high]; NaN is no look, infinite values are bad.

    The deadband is a share of the limit: outside limit + band a look is bad, inside limit - band good,
    between the two it repeats the look before (at first: bad if beyond the limit itself).
    """
    wanted, of = looks
    floor, ceiling = (-np.inf if low is None else low), (np.inf if high is None else high)
    observed = ~np.isnan(values)
    finite = np.clip(np.nan_to_num(values), -_LARGEST, _LARGEST)
    beyond = _beyond(values, floor, ceiling, deadband)
    inside = ~_beyond(values, floor, ceiling, -deadband)
    plain = (values > ceiling) | (values < floor) | np.isinf(values)
    bad = _held(beyond | np.isinf(values), inside & ~np.isinf(values), plain, observed)
    count = np.cumsum(observed, axis=-1).astype(float)
    mean = _mean_of_last(finite, observed, of)
    good = (mean <= ceiling) & (mean >= floor)
    return ThresholdEvidence(
        bad=bad,
        failing=of_last(bad, observed, wanted, of),
        passing=(count >= of) & ~of_last(bad, observed, 1, of) & good,
        looks=count,
        mean=mean,
    )


def _beyond(values: Array, low: float, high: float, band: float) -> Flags:
    above = values > high + band * abs(high) if np.isfinite(high) else np.zeros(values.shape, dtype=bool)
    below = values < low - band * abs(low) if np.isfinite(low) else np.zeros(values.shape, dtype=bool)
    flags: Flags = above | below
    return flags


def _held(beyond: Flags, inside: Flags, plain: Flags, observed: Flags) -> Flags:
    out = np.zeros(observed.shape, dtype=bool)
    state = np.zeros(observed.shape[:-1], dtype=bool)
    known = np.zeros(observed.shape[:-1], dtype=bool)
    for t in range(observed.shape[-1]):
        between = np.where(known, state, plain[..., t])
        now = np.where(beyond[..., t], True, np.where(inside[..., t], False, between))
        state = np.where(observed[..., t], now, state)
        known = known | observed[..., t]
        out[..., t] = state & observed[..., t]
    return out


def _mean_of_last(values: Array, observed: Flags, of: int) -> Array:
    out = np.full(values.shape, np.nan)
    last = np.full((*values.shape[:-1], of), np.nan)
    for t in range(values.shape[-1]):
        shifted = np.concatenate([last[..., 1:], values[..., t : t + 1]], axis=-1)
        last = np.where(observed[..., t : t + 1], shifted, last)
        filled = np.isfinite(last)
        number = filled.sum(axis=-1)
        out[..., t] = np.where(
            number > 0, (np.where(filled, last, 0.0) / np.maximum(number, 1)[..., None]).sum(axis=-1), np.nan
        )
    return out
