"""Ticks as arrays: batch dimensions first, time last; what is missing or impossible becomes 0 requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
Flags = npt.NDArray[np.bool_]
Index = npt.NDArray[np.intp]

A = TypeVar("A", bound=npt.NDArray[Any])
_MOST = 1e15
"""No tick has more requests than this; doubles count exactly up to here."""


@dataclass(frozen=True)
class CountTicks:
    """Increments of one count gate in both arms, per tick.

    All counts have shape (..., T). `seconds` is the end of each tick, shape (T,) or (..., T), rising.
    `present` False means that the tick's data are missing (no evidence either way).
    `restart` True marks the first tick under a new weight (or another reason to restart the evidence).
    """

    seconds: Array
    candidate_bad: Array
    candidate_total: Array
    stable_bad: Array
    stable_total: Array
    present: Flags | None = None
    restart: Flags | None = None

    def clean(self) -> CountTicks:
        """The same ticks in one shape; absent, NaN, negative and bad > total become usable counts."""
        counts = [self.candidate_bad, self.candidate_total, self.stable_bad, self.stable_total]
        given = [np.asarray(a, dtype=float) for a in (*counts, self.seconds)]
        shape = np.broadcast_shapes(*(a.shape for a in given))
        candidate_bad, candidate_total, stable_bad, stable_total, seconds = (shaped(a, shape) for a in given)
        present = None if self.present is None else shaped(self.present, shape)
        restart = np.zeros(shape, dtype=bool) if self.restart is None else shaped(self.restart, shape)
        candidate = usable(candidate_bad, candidate_total, present)
        stable = usable(stable_bad, stable_total, present)
        return CountTicks(seconds, *candidate, *stable, present, restart)


@dataclass(frozen=True)
class StableHistory:
    """Stable's increments before the candidate: counts (..., H), seconds (H,) or (..., H)."""

    seconds: Array
    bad: Array
    total: Array


def usable(bad: Array, total: Array, present: Flags | None = None) -> tuple[Array, Array]:
    """(bad, total) with 0 <= bad <= total; 0 of 0 where not present or not finite."""
    bad, total = np.asarray(bad, dtype=float), np.asarray(total, dtype=float)
    known = np.isfinite(bad) & np.isfinite(total)
    if present is not None:
        known = known & present
    total = np.where(known, between(total, 0.0, _MOST), 0.0)
    return np.where(known, between(bad, 0.0, total), 0.0), total


def between(values: Array, low: float | Array, high: float | Array) -> Array:
    """As np.clip, which takes three times as long for the few values of a rollout."""
    found: Array = np.minimum(np.maximum(values, low), high)
    return found


def shaped(values: A, shape: tuple[int, ...]) -> A:
    """As np.broadcast_to, where it is not of that shape already."""
    return values if values.shape == shape else cast("A", np.broadcast_to(values, shape))


def taken(values: A, at: Index) -> A:
    """As np.take_along_axis over the last axis."""
    return cast("A", values[at] if values.ndim == at.ndim == 1 else np.take_along_axis(values, at, axis=-1))


def standing_since(flags: Flags) -> Index:
    """Index at which the run of True that holds at the last tick started, -1 where the last tick is False."""
    if flags.shape[-1] == 0:
        return np.full(flags.shape[:-1], -1)
    run = np.cumprod(flags[..., ::-1], axis=-1).sum(axis=-1)
    return np.where(run > 0, flags.shape[-1] - run, -1)
