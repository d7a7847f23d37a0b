"""Per-tick factors are multiplied, never counts pooled: so drift and weight changes cannot fool the evidence.

A factor is the likelihood ratio of an alternative against its KL projection on the null line, given the
requests of the tick in both arms. Its expectation is at most 1 under the null, so the running product, mixed
over alternatives and restarts, ever reaches 1/alpha with probability at most alpha (Ville's inequality).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from modelrollout.core.analysis.stats import parameters as d

if TYPE_CHECKING:
    from modelrollout.core.analysis.stats.arrays import Array, Flags, Index
    from modelrollout.core.analysis.stats.limits import LimitLine

_STEPS = 200
"""A bound that is never met: halving alone needs about 120."""
_PRECISION = 1e-11
_THIN_OUT = 0.7
_CHUNK = 32768
"""Elements solved at once, so that the solver's arrays stay in the processor's cache."""
_TINY = 1e-300


def project(n_c: Array, n_s: Array, tc: Array, ts: Array, line: LimitLine) -> tuple[Array, Array]:
    """The point (tc0, ts0) on tc0 = ratio * ts0 + plus that minimises n_c KL(tc||tc0) + n_s KL(ts||ts0).

    All arguments broadcast; rates strictly inside (0, 1). Times V(tc0) V(ts0), V(p) = p (1 - p), the derivative is
    a cubic in ts0 with one root between ts and the point where the line meets tc.
    """
    n_c, n_s, tc, ts = np.broadcast_arrays(n_c, n_s, tc, ts)
    if not line.relative:
        return np.full(tc.shape, line.plus), ts
    if line.ratio == 1 and line.plus == 0:
        pooled = (n_c * tc + n_s * ts) / np.maximum(n_c + n_s, _TINY)
        return pooled, pooled
    flat = [np.ravel(n_c), np.ravel(n_s), np.ravel(tc), np.ravel(ts)]
    found: Array = np.empty(ts.size)
    for at in range(0, ts.size, _CHUNK):
        piece = slice(at, at + _CHUNK)
        found[piece] = _root(flat[0][piece], flat[1][piece], flat[2][piece], flat[3][piece], line)
    ts0 = found.reshape(ts.shape)
    return line.ratio * ts0 + line.plus, ts0


def _root(n_c: Array, n_s: Array, tc: Array, ts: Array, line: LimitLine) -> Array:
    """The projected stable rate, arguments (N,): Newton inside a bracket, halved (in log) where Newton lags.

    Every element stops by itself, so that its value does not depend on what else is in the batch.
    """
    a, b = n_c * line.ratio, n_s
    meet = np.clip((tc - line.plus) / line.ratio, _TINY, 1.0)
    low, high = np.minimum(ts, meet), np.maximum(ts, meet)
    u, v = a * line.ratio / (tc * (1 - tc)), b / (ts * (1 - ts))
    x = np.clip((u * meet + v * ts) / np.maximum(u + v, _TINY), low, high)
    last = high - low
    out, where = x.copy(), np.arange(len(x))
    for _ in range(_STEPS):
        y = line.ratio * x + line.plus
        xx, yy, dc, ds = x * (1 - x), y * (1 - y), tc - y, ts - x
        value = a * dc * xx + b * ds * yy
        slope = a * (dc * (1 - 2 * x) - line.ratio * xx) + b * (ds * line.ratio * (1 - 2 * y) - yy)
        low, high = np.where(value > 0, x, low), np.where(value < 0, x, high)
        step = value / np.where(slope < 0, slope, np.inf)
        ahead = np.clip(x - step, low, high)
        arrived = (slope < 0) & (np.abs(step) <= _PRECISION * x)  # the step is quadratic: what is left is rounding
        newton = (slope < 0) & (ahead == x - step) & (np.abs(step) <= 0.5 * last)
        following = np.where(newton | arrived, ahead, np.sqrt(low) * np.sqrt(high))
        last = np.abs(following - x)
        x = out[where] = np.where(value == 0, x, following)
        left = ~arrived & (last > 0) & (value != 0)
        if not left.any():
            break
        if left.mean() < _THIN_OUT:
            where = where[left]
            a, b, tc, ts, x, low, high, last = (z[left] for z in (a, b, tc, ts, x, low, high, last))
    return out


def log_factors(
    candidate: tuple[Array, Array],
    stable: tuple[Array, Array],
    rate: Array,
    line: LimitLine,
    alternatives: tuple[float, ...],
) -> Array:
    """Log e of every tick for every alternative, shape (R, ..., T); 0 where nothing can be said.

    `candidate` and `stable` are (bad, total); `rate` is stable's rate expected before the tick.
    """
    (y_c, n_c), (y_s, n_s) = candidate, stable
    multiple = np.reshape(alternatives, (-1, *(1,) * rate.ndim))
    ts = np.clip(rate, 1e-12, 1 - 1e-12)
    limit = line.at(ts)
    tc = np.minimum(d.TOP_RATE, multiple * limit)
    usable = np.where(multiple > 1, tc > limit, (tc < limit) & (limit < 1)) & (n_c > 0)
    if line.relative:
        usable = usable & (n_s > 0)
    tc = np.clip(tc, 1e-12, 1 - 1e-12)
    tc0, ts0 = project(n_c, n_s, tc, ts, line)
    tc0, ts0 = np.clip(tc0, 1e-15, 1 - 1e-15), np.clip(ts0, 1e-15, 1 - 1e-15)
    total = y_c * np.log(tc / tc0) + (n_c - y_c) * (np.log1p(-tc) - np.log1p(-tc0))
    if line.relative:
        total = total + y_s * np.log(ts / ts0) + (n_s - y_s) * (np.log1p(-ts) - np.log1p(-ts0))
    return np.where(usable, total, 0.0)


def temper(log_e: Array, phi: Array, cap: float) -> Array:
    """e^(1/phi), still an e-value since phi >= 1 is known before the tick; then the cap on one tick."""
    return np.clip(log_e / phi, d.LOG_FLOOR, cap)


def restart_weights(seconds: Array, restart: Flags, every: float) -> Array:
    """The stake that enters at each tick, shape (..., T): half at the start, the rest over restarts."""
    if seconds.shape[-1] == 0:
        return np.zeros(seconds.shape)
    period = np.floor((seconds - seconds[..., :1]) / every + 1e-9)
    begins = restart | (np.diff(period, axis=-1, prepend=period[..., :1]) > 0)
    begins[..., 0] = False
    number = np.maximum(np.cumsum(begins, axis=-1), 1)
    share = (1 - d.FIRST_BET) / d.RESTART_SUM * number.astype(float) ** -d.RESTART_POWER
    weights = np.where(begins, share, 0.0)
    weights[..., 0] = d.FIRST_BET
    return weights


def log_mixture(log_e: Array, weights: Array) -> Array:
    """Log E over time, shape (..., T), from log factors (R, ..., T): mean_r M_r + what is not staked yet.

    M_r <- (M_r + w_t) e_t is log M_r = L_t + log sum_{s <= t} w_s exp(-L_{s-1}), L the running sum of log e.
    """
    if log_e.shape[-1] == 0:
        return np.zeros(log_e.shape[1:])
    run = np.cumsum(log_e, axis=-1)
    with np.errstate(divide="ignore"):
        stakes = np.logaddexp.accumulate(np.log(weights) - (run - log_e), axis=-1)
        kept = np.log(np.maximum(1 - np.cumsum(weights, axis=-1), 0.0))
    wealth: Array = np.logaddexp.reduce(run + stakes, axis=0) - np.log(len(log_e))
    return np.logaddexp(wealth, kept)


def began_at(log_e: Array, weights: Array, tick: Index) -> Index:
    """The tick after which the evidence standing at `tick` has grown most, shape (...): "began about".

    Of the alternative that carries most of it, the point from which it rose highest (as CUSUM does).
    log_e is (R, ..., T), tick (...).
    """
    run = np.cumsum(log_e, axis=-1)
    before = run - log_e
    late = np.arange(log_e.shape[-1]) > tick[..., None]
    with np.errstate(divide="ignore"):
        stakes = np.logaddexp.reduce(np.where(late, -np.inf, np.log(weights) - before), axis=-1)
    at = np.broadcast_to(tick[None, ..., None], (*run.shape[:-1], 1))
    leader = (stakes + np.take_along_axis(run, at, axis=-1)[..., 0]).argmax(axis=0)
    path = np.take_along_axis(before, leader[None, ..., None], axis=0)[0]
    lowest = np.where(late, np.inf, path)
    # the last of equal minima: ticks that say nothing do not move the beginning back
    first: Index = lowest.shape[-1] - 1 - lowest[..., ::-1].argmin(axis=-1)
    return first
