"""A replicate is one window, or one batch of ticks: what a sequence may count as a sample of one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from modelrollout.core.analysis.stats.arrays import between, shaped
from modelrollout.core.analysis.stats.baseline import decayed_sums
from modelrollout.core.analysis.stats.parameters import BATCH_TICKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelrollout.core.analysis.stats.arrays import Array, Flags
    from modelrollout.core.analysis.stats.kept.memo import Memo

_MOST = 1e12
LEAST = 1e-6
"""Less than this of a replicate is none: what decays is gone at some point."""


@dataclass(frozen=True)
class Replicates:
    """Per tick: how many replicates ended, the sums of their rates and of the squared rates, shape (..., T).

    Leading dimensions are rollouts and layers. Rates are fractions (dead / neurons, zero / elements).
    """

    count: Array
    total: Array
    square: Array

    @cached_property
    def clean(self) -> Replicates:
        """The same, with NaN and impossible sums made usable: 0 <= square <= total <= count."""
        count = _within(self.count, np.asarray(_MOST))
        count = np.where(count < LEAST, 0.0, count)
        total = _within(self.total, count)
        return Replicates(count, total, _within(self.square, total))

    def of(self, rows: int | Sequence[int]) -> Replicates:
        """Of these of the leading dimension alone."""
        return Replicates(self.count[rows], self.total[rows], self.square[rows])

    def since(self, first: int) -> Replicates:
        """From tick `first` on."""
        return Replicates(self.count[..., first:], self.total[..., first:], self.square[..., first:])

    def until(self, last: int) -> Replicates:
        """Before tick `last`."""
        return Replicates(self.count[..., :last], self.total[..., :last], self.square[..., :last])

    @property
    def mirrored(self) -> Replicates:
        """The same replicates of 1 - rate: a lower limit becomes an upper one."""
        return Replicates(self.count, self.count - self.total, self.count - 2 * self.total + self.square)


@dataclass(frozen=True)
class ReplicateHistory:
    """Stable's replicates before the candidate: shapes (..., H), seconds (H,) or (..., H)."""

    seconds: Array
    stable: Replicates


@dataclass(frozen=True)
class StableSoFar:
    """Stable before each tick, (..., T): decayed mean rate and its weight in replicates, spread, number."""

    rate: Array
    weight: Array
    spread: Array
    samples: Array


def _within(values: Array, most: Array) -> Array:
    """The values between 0 and `most`, 0 for NaN."""
    return between(np.where(np.isnan(values), 0.0, values), 0.0, most)


def windows(count: Array, dead: Array, dead_squared: Array, neurons: float | Array) -> Replicates:
    """Increments of the windows counters, (..., T), as replicates; `neurons` per layer, broadcastable."""
    return Replicates(count, dead / neurons, dead_squared / np.square(neurons))


def batched(bad: Array, total: Array, size: int = BATCH_TICKS) -> Replicates:
    """Ratios of counter increments (..., T): one replicate per full batch of `size` ticks, at its last tick.

    A batch without elements is no replicate; NaN increments count as none.
    """
    full = bad.shape[-1] // size * size
    shape = (*bad.shape[:-1], full // size, size)
    num, den = (np.nan_to_num(np.asarray(a, dtype=float))[..., :full].reshape(shape).sum(axis=-1) for a in (bad, total))
    rate = np.nan_to_num(divide(num, den))
    out = [np.zeros(bad.shape) for _ in range(3)]
    for array, value in zip(out, (den > 0, rate, rate * rate), strict=True):
        array[..., size - 1 : full : size] = value
    return Replicates(*out)


def stable_so_far(
    seconds: Array,
    stable: Replicates,
    history: ReplicateHistory | None,
    half_life: float,
    memo: Memo | None = None,
) -> StableSoFar:
    """What was known of stable before each tick, the history in front."""
    shape = np.broadcast_shapes(stable.count.shape, seconds.shape)
    pieces = [(seconds, stable.clean, shape)]
    before = 0
    if history is not None:
        before = history.seconds.shape[-1]
        pieces.insert(0, (history.seconds, history.stable.clean, (*shape[:-1], before)))
    alone = all(at.ndim == 1 for at, _, _ in pieces)  # one row of times does for all layers
    times = np.concatenate([at if alone else shaped(at, to) for at, _, to in pieces], axis=-1)
    count, total, square = (
        np.concatenate([shaped(array, to) for array, to in each], axis=-1)
        for each in zip(*([(one, to) for one in (r.count, r.total, r.square)] for _, r, to in pieces), strict=True)
    )
    weight, rates = (
        decayed_sums(times, a, half_life, None if memo is None else memo.at(name))
        for name, a in (("count", count), ("total", total))
    )
    n, s, q = (np.cumsum(a, axis=-1) - a for a in (count, total, square))
    known = (divide(rates, weight), weight, spread(n, s, q), n)
    return StableSoFar(*(a[..., before:] for a in known))


def spread(n: Array, total: Array, square: Array) -> Array:
    """Standard deviation of n replicates from their sums, 0 for fewer than two."""
    variance = (divide(square, n) - divide(total, n) ** 2) * n / np.maximum(n - 1, 1)
    sd: Array = np.sqrt(np.maximum(np.nan_to_num(variance), 0.0))
    return sd


def divide(a: Array, b: Array) -> Array:
    """Return a / b, NaN where b is 0."""
    known = b > 0
    found: Array = np.full(np.broadcast_shapes(np.shape(a), np.shape(b)), np.nan)
    return np.divide(a, b, out=found, where=known)


def running(flag: Flags, count: Array) -> Array:
    """Replicates in the unbroken run of `flag` standing at each tick; empty ticks do not break it."""
    out = np.zeros(flag.shape)
    state = np.zeros(flag.shape[:-1])
    flagged = flag & (count > 0)
    rows = flagged.any(axis=tuple(range(flag.ndim - 1))) if flag.ndim > 1 else flagged
    if not rows.any():
        return out
    for t in range(int(np.argmax(rows)), flag.shape[-1]):
        here = count[..., t]
        state = np.where(here > 0, np.where(flag[..., t], state + here, 0.0), state)
        out[..., t] = state
    return out


def of_last(flag: Flags, observed: Flags, wanted: int, of: int) -> Flags:
    """Where `wanted` of the last `of` ticks with something to see are flagged, (..., T)."""
    seen = np.cumsum(observed, axis=-1, dtype=np.int64)
    flagged = np.cumsum(flag & observed, axis=-1, dtype=np.int64)
    by_seen = np.zeros((*flag.shape[:-1], flag.shape[-1] + 1), dtype=flagged.dtype)
    np.put_along_axis(by_seen, seen, flagged, axis=-1)  # ticks with nothing to see write what is there
    before = np.take_along_axis(by_seen, np.maximum(seen - of, 0), axis=-1)
    found: Flags = flagged - before >= wanted
    return found
