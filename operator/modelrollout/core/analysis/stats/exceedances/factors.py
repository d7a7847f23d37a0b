"""One tick's bets on the share of requests beyond an edge: allowed is what stable has, and never less than a floor.

The floor is 1 - quantile: "P90 <= 20 ms" is kept while at most 10 % are slower, however few of stable's are. With s
what earlier ticks make expect of stable, the nulls of one tick are

    within:   p_c <= p_s + max(floor - s, 0)         stable's share, and what it lacks of the floor
    in_all:   p_c <= floor                           the floor alone, whatever stable does
    beyond:   p_c >= ratio * max(p_s, floor)         for the good side

The first moves with stable within the tick, so that a shared incident is not held against the candidate; where stable
becomes better than expected it would be stricter than the floor, which the second one prevents (evidence.py takes the
smaller of the two products). All three are convex, and the bet against each is a likelihood ratio of an alternative to
the null's nearest point (a, b). With the alternative (t, u) its expectation is (1 + (p_c - a)(t - a) / (a(1 - a)))^n_c
times the same of stable. The logarithm of both is at most

    n_c (p_c - a)(t - a) / (a(1 - a)) + n_s (p_s - b)(u - b) / (b(1 - b)),

the slope of the divergence from (a, b) towards (p_c, p_s) turned round, which is not positive inside the null.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from modelrollout.core.analysis.stats.arrays import between
from modelrollout.core.analysis.stats.eprocess import project
from modelrollout.core.analysis.stats.limits import LimitLine

if TYPE_CHECKING:
    from modelrollout.core.analysis.stats.arrays import Array

Arm = tuple["Array", "Array"]
"""(requests beyond the edge, all requests) of one version in each tick."""
_LEAST = 1e-12
_HALVINGS = 40
_FEW = 24
"""Elements that are sooner solved one by one, as numbers."""


def log_within(candidate: Arm, stable: Arm, rate: Array, floor: float, bets: tuple[float, ...]) -> Array:
    """Log e of every tick against `within`, shape (R, ..., T); 0 where nothing can be said.

    `rate` is stable's share as expected before the tick. `bets` are multiples of the line's odds: a share of 40 % has
    no tenfold.
    """
    (y_c, n_c), (y_s, n_s) = candidate, stable
    ts = between(rate, _LEAST, 1 - _LEAST)
    plus, tc = np.maximum(floor - ts, 0.0), _times_odds(np.maximum(ts, floor), bets)
    b = _nearest(n_c, n_s, tc, ts, plus)
    a = between(b + plus, _LEAST, 1 - _LEAST)
    # stable's alternative is moved by what halving left, so that (a, b) is exactly the nearest point
    u = b - n_c / np.maximum(n_s, 1.0) * (tc - a) * (b * (1 - b)) / (a * (1 - a))
    usable = (u > 0) & (u <= b) & (tc > a) & (n_c > 0) & (n_s > 0)
    u = np.where(usable, np.maximum(u, _LEAST), b)
    return np.where(usable, _log_ratio(y_c, n_c, tc, a) + _log_ratio(y_s, n_s, u, b), 0.0)


def log_above_floor(candidate: Arm, rate: Array, floor: float, bets: tuple[float, ...]) -> Array:
    """The same against `in_all`, with the candidate's share of the same alternatives."""
    bad, total = candidate
    tc = _times_odds(np.maximum(between(rate, _LEAST, 1 - _LEAST), floor), bets)
    return np.where(total > 0, _log_ratio(bad, total, tc, np.full(tc.shape, floor)), 0.0)


def log_beyond(candidate: Arm, stable: Arm, rate: Array, floor: float, ratio: float, bets: tuple[float, ...]) -> Array:
    """The same against `beyond`; `bets` are multiples < 1 of its line."""
    (y_c, n_c), (y_s, n_s) = candidate, stable
    lowest, ts = ratio * floor, between(rate, _LEAST, 1 - _LEAST)
    limit = ratio * np.maximum(ts, floor)
    tc = between(np.reshape(bets, (-1, *(1,) * rate.ndim)) * limit, _LEAST, 1 - _LEAST)
    near, beside = project(n_c, n_s, tc, ts, LimitLine(ratio, 0.0))
    on_floor = (tc >= ratio * ts) | (near <= lowest)
    a = between(np.where(on_floor, lowest, near), _LEAST, 1 - _LEAST)
    b = between(np.where(on_floor, np.minimum(ts, floor), beside), _LEAST, 1 - _LEAST)
    total = _log_ratio(y_c, n_c, tc, a) + _log_ratio(y_s, n_s, np.broadcast_to(ts, b.shape), b)
    return np.where((limit < 1) & (n_c > 0) & (n_s > 0), total, 0.0)


def _times_odds(share: Array, bets: tuple[float, ...]) -> Array:
    multiple = np.reshape(bets, (-1, *(1,) * share.ndim))
    found: Array = between(multiple * share / (1 - share + multiple * share), _LEAST, 1 - _LEAST)
    return found


def _nearest(n_c: Array, n_s: Array, tc: Array, ts: Array, plus: Array) -> Array:
    """Stable's share b at the point (b + plus, b) nearest to (tc, ts), by halving [ts, tc - plus]."""
    low, high = np.broadcast_arrays(ts, tc - plus)
    if low.size <= _FEW:
        given = np.broadcast_arrays(n_c, n_s, tc, ts, plus)
        rows = zip(*(one.ravel().tolist() for one in given), strict=True)
        return np.array([_nearest_of_one(*row) for row in rows]).reshape(low.shape)
    for _ in range(_HALVINGS):
        b = 0.5 * (low + high)
        a = b + plus
        above = n_c * (tc - a) * (b * (1 - b)) < n_s * (b - ts) * (a * (1 - a))
        low, high = np.where(above, low, b), np.where(above, b, high)
    found: Array = 0.5 * (low + high)
    return found


def _nearest_of_one(n_c: float, n_s: float, tc: float, ts: float, plus: float) -> float:
    """The same operations in the same order on plain numbers: a few take a tenth of the time."""
    low, high = ts, tc - plus
    for _ in range(_HALVINGS):
        b = 0.5 * (low + high)
        a = b + plus
        if n_c * (tc - a) * (b * (1 - b)) < n_s * (b - ts) * (a * (1 - a)):
            high = b
        else:
            low = b
    return 0.5 * (low + high)


def _log_ratio(bad: Array, total: Array, one: Array, other: Array) -> Array:
    """Log likelihood of `bad` among `total` at the rate `one` against `other`."""
    found: Array = bad * np.log(one / other) + (total - bad) * (np.log1p(-one) - np.log1p(-other))
    return found
