"""Stakes enter at every tick and every alternative has its part of each: what they have become is the evidence.

M_r <- (M_r + prior_r w_t) e_{r,t}, and E = sum_r M_r + what is not staked yet. The recursion costs one step a tick and
alternative, however many starts there are: bets that began at different ticks and bet on the same grow alike.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from modelrollout.core.analysis.stats import parameters as d

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelrollout.core.analysis.stats.arrays import Array, Flags, Index
    from modelrollout.core.analysis.stats.kept.memo import Memo

_LOG_2 = math.log(2.0)


def unstaked(elapsed: Array) -> Array:
    """The part of what is staked over time that is left after so many seconds: even at first, then as 1/time."""
    inside = 1 - d.STAKE_WITHIN * elapsed / d.STAKE_SPAN
    return np.where(elapsed <= d.STAKE_SPAN, inside, (1 - d.STAKE_WITHIN) * d.STAKE_SPAN / np.maximum(elapsed, 1.0))


def stake_weights(seconds: Array, restart: Flags, stakes: d.Stakes) -> Array:
    """The stake that enters at each tick, shape (..., T); known before the tick, and at most 1 in sum.

    What a tick gets over time depends on how long it is, so that finer ticks share what a coarse one would get.
    """
    if seconds.shape[-1] == 0:
        return np.zeros(seconds.shape)
    if seconds.ndim == 1:
        return np.frombuffer(_weights_of(seconds.tobytes(), restart.tobytes(), stakes))
    return _weights(seconds, restart, stakes)


@lru_cache(maxsize=16)
def _weights_of(seconds: bytes, restart: bytes, stakes: d.Stakes) -> bytes:
    """The same from the bytes of both: every gate of a rollout asks for the same."""
    return _weights(np.frombuffer(seconds), np.frombuffer(restart, dtype=bool), stakes).tobytes()


def _weights(seconds: Array, restart: Flags, stakes: d.Stakes) -> Array:
    left = unstaked(np.maximum(seconds - seconds[..., :1], 0.0))
    later = -np.diff(left, axis=-1, prepend=left[..., :1])
    begins = restart.copy()
    begins[..., 0] = False
    number = np.maximum(np.cumsum(begins, axis=-1), 1).astype(float)
    weights: Array = stakes.later * later + np.where(begins, stakes.steps / (number * (number + 1)), 0.0)
    weights[..., 0] = stakes.first
    return weights


def log_mixture(
    log_e: Array,
    weights: Array,
    prior: Sequence[float],
    one_look: float = np.inf,
    leap: float = np.inf,
    memo: Memo | None = None,
) -> Array:
    """Log E over time, shape (..., T), from log factors (R, ..., T), stakes (..., T) and the alternatives' parts.

    One tick takes M_r at most to prior_r e^one_look, or to e^leap times what it was, whichever is more. That only
    takes evidence away, so the expectation stays at most 1; and each bound is its own, so more bad ones never say less.
    """
    if log_e.shape[-1] == 0:
        return np.zeros(log_e.shape[1:])
    run = np.cumsum(log_e, axis=-1)
    part = np.log(np.reshape(np.asarray(prior, dtype=float), (-1, *(1,) * (log_e.ndim - 1))))
    with np.errstate(divide="ignore"):
        stakes = np.logaddexp.accumulate(np.log(weights) - (run - log_e), axis=-1)
        kept = np.log(np.maximum(1 - np.cumsum(weights, axis=-1), 0.0))
        bets = run + stakes + part
        before = np.concatenate([np.full((*bets.shape[:-1], 1), -np.inf), bets[..., :-1]], axis=-1)
        beyond = bets > np.maximum(part + one_look, before + leap)
        if beyond.any():
            bets = _bounded(log_e, np.log(weights) + part, bets, beyond, (part[..., 0] + one_look, leap), memo)
        return np.logaddexp(np.logaddexp.reduce(bets, axis=0), kept)


def _bounded(
    log_e: Array, staked: Array, bets: Array, beyond: Flags, bound: tuple[Array, float], memo: Memo | None
) -> Array:
    """The same tick by tick, from the first at which a bet goes beyond its bound; before it nothing is different."""
    one_look, leap = bound
    out: Array = bets.copy()
    start = np.where(beyond.any(axis=-1), beyond.argmax(axis=-1), beyond.shape[-1])
    if bets.ndim == 2:  # noqa: PLR2004 - alternatives and ticks: one comparison, as the operator makes it

        def work(_: Sequence[Array], first: int, before: Array | None) -> Array:
            if before is not None:
                out[:, :first] = before
            for at, begun in enumerate(start.tolist()):
                since = max(begun, first)
                out[at, since:] = _bounded_row(log_e[at], staked[at], out[at], since, (float(one_look[at]), leap))
            return out[:, first:]

        if memo is None:
            return work((), 0, None)
        return memo.ticks("bounded", work, (log_e, staked, bets), (tuple(one_look.tolist()), leap))
    begin = int(start.min())
    state = bets[..., begin - 1] if begin else np.full(bets.shape[:-1], -np.inf)
    for t in range(begin, log_e.shape[-1]):
        free = np.logaddexp(state, staked[..., t]) + log_e[..., t]
        state = np.where(t < start, bets[..., t], np.minimum(free, np.maximum(one_look, state + leap)))
        out[..., t] = state
    return out


def _bounded_row(log_e: Array, staked: Array, bets: Array, since: int, bound: tuple[float, float]) -> list[float]:
    """The same for one alternative from the tick `since` on: on numbers it takes a fifth of the time."""
    one_look, leap = bound
    out, state = [], float(bets[since - 1]) if since else -math.inf
    for grown, stake in zip(log_e[since:].tolist(), staked[since:].tolist(), strict=True):
        free = _log_sum(state, stake) + grown
        state = min(free, max(one_look, state + leap))
        out.append(state)
    return out


def _log_sum(one: float, other: float) -> float:
    """As np.logaddexp."""
    if one == other:
        return one + _LOG_2
    apart = one - other
    return one + math.log1p(math.exp(-apart)) if apart > 0 else other + math.log1p(math.exp(apart))


def began_at(log_e: Array, weights: Array, prior: Sequence[float], tick: Index) -> Index:
    """The tick after which the evidence standing at `tick` has grown most, shape (...): "since about".

    Of the alternative that carries most of it, the point from which it rose highest (as CUSUM does).
    log_e is (R, ..., T), tick (...).
    """
    if tick.ndim == 0:  # of one rollout: what is later is left out, instead of being made nothing
        log_e, weights = log_e[..., : int(tick) + 1], weights[..., : int(tick) + 1]
    run = np.cumsum(log_e, axis=-1)
    before = run - log_e
    if tick.ndim == 0:
        return np.asarray(_began_last(run, before, weights, prior))
    late = np.arange(log_e.shape[-1]) > tick[..., None]
    part = np.log(np.reshape(np.asarray(prior, dtype=float), (-1, *(1,) * (log_e.ndim - 2))))
    with np.errstate(divide="ignore"):
        stakes = np.logaddexp.reduce(np.where(late, -np.inf, np.log(weights) - before), axis=-1) + part
    at = np.broadcast_to(tick[None, ..., None], (*run.shape[:-1], 1))
    leader = (stakes + np.take_along_axis(run, at, axis=-1)[..., 0]).argmax(axis=0)
    path = np.take_along_axis(before, leader[None, ..., None], axis=0)[0]
    lowest = np.where(late, np.inf, path)
    # the last of equal minima: ticks that say nothing do not move the start back
    first: Index = lowest.shape[-1] - 1 - lowest[..., ::-1].argmin(axis=-1)
    return first


def _began_last(run: Array, before: Array, weights: Array, prior: Sequence[float]) -> int:
    """`began_at` of the last tick, arrays (R, T) and (T,)."""
    with np.errstate(divide="ignore"):
        stakes = np.logaddexp.reduce(np.log(weights) - before, axis=-1) + np.log(np.asarray(prior, dtype=float))
    path = before[int((stakes + run[:, -1]).argmax())]
    return len(path) - 1 - int(path[::-1].argmin())


def risen(log_e: Array) -> Array:
    """Log of the most that one alternative has grown from some tick to each, shape (..., T): CUSUM, no evidence."""
    run = np.cumsum(log_e, axis=-1)
    lowest = np.minimum.accumulate(run - log_e, axis=-1)
    most: Array = np.maximum(run - lowest, 0.0).max(axis=0)
    return most
