"""Per-tick factors are multiplied, not counts pooled: so drift and weight changes cannot fool the evidence.

What an e-process is. A gate asks whether the candidate is worse than its limit allows, and it may be asked after every
tick. An e-value is a number E >= 0 whose expectation is at most 1 while the candidate is within its limit (the null): a
bet at fair odds or worse, started with 1. An e-process is such a bet kept up: a sequence E_1, E_2, ... whose
expectation is at most 1 at any moment at which one may decide to stop (Shafer 2021; Ramdas, Grünwald, Vovk and Shafer
2023). Read E as odds: "145:1 against the candidate" is what a stake of 1 has become.

Why one may look at every tick. Ville's inequality (Ville 1939): a nonnegative process that in expectation never grows
ever reaches 1/alpha with probability at most alpha. Not at one look: ever. So a rollback at E >= 1/alpha errs in at
most alpha of all rollouts, however often one looked, and waiting for more requests needs no correction. A p-value
looked at every tick gives no such promise (Robbins 1970; Johari and others 2022).

The factor of one tick. Given the requests n_c and n_s that both versions had in the tick, the bad ones among them are
taken as binomial: the split of traffic, which we ourselves change, never enters. The null is a line,
p_c <= ratio * p_s + plus (limits.py). The alternative is fixed before the tick: p_s is what earlier ticks made expect
(baseline.py), p_c a multiple of the line there. The factor is the likelihood ratio of this alternative against its
projection on the line, the point of the null nearest to it in Kullback-Leibler divergence weighted by n_c and n_s
(`project`). For such a projection on a convex null the expectation of the ratio is at most 1 everywhere in the null
(Turner and Grünwald 2023, for two binomials; Grünwald, de Heide and Koolen 2024, in general); for our own limits every
possible table is summed up in tests/unit/analysis/stats/evidence/test_evidence_expectation.py. An absolute limit is the
same with the null at one rate: stable does not enter.

Why factors are multiplied and counts not pooled. Each factor is fair given everything before its tick, so their product
is an e-process even where stable's rate drifts from tick to tick. Counts summed over ticks are not: when the weight
goes from 5 % to 75 % while both versions get worse together, the candidate's requests are the later, worse ones, and
the pooled rates accuse it (Simpson 1951). Only where requests are few are some neighbouring ticks read as one, which
their totals decide and no change of weight may fall into (joining.py).

The mixture. Nobody knows how bad a bad candidate is: the stake is divided over a few multiples of the line
(parameters.BAD_ALTERNATIVES, with what each gets), and a mean of e-processes is one (Robbins 1970). It costs the log of
a part and finds 1.5 times the limit as well as 30 times: each alternative grows wherever the truth is nearer to it than
to the line. The good side is the same test turned round, its null "worse than twice the margin": a gate passes on
evidence, not on the absence of evidence.

Restarts. A product that has shrunk through a good hour needs another hour to climb back: a late regression would be
found late. So only a part of the stake is bet in the first tick. The rest enters at every tick, in proportion to the
time it covers and evenly over the first hour, then ever more slowly, so that it never runs out; a small part waits for
changes of weight (bets/mixture.py). A bet is fair if its tick and size are settled before that tick is seen; E is what
all bets have become, and what is not staked yet. Change detection by e-values works the same way (Shin, Ramdas and
Rinaldo 2022); the tick since when things are bad is the one from which the leading bet has risen most, as in CUSUM
(Page 1954; `began_at`). How near this comes to the least possible is measured in docs/decision-quality.md.

Tempering. Requests come in bursts, so that counts scatter more than binomial: by phi, estimated from stable's earlier
ticks where it is beyond what chance gives (baseline.py). The factor is taken to the power 1/phi. Since phi >= 1 is
known before the tick, Jensen's inequality keeps its expectation at most 1, whatever phi is; a phi estimated badly costs
speed, never the promise under the binomial.

One bad scrape. What a bet may become in one tick is bounded: 20 times the stake of 1 from however little, and 40 times
what it was beyond that (`log_mixture`). So one bad scrape cannot roll back by itself, and two suffice however small the
stake was that they met. A bound on the factor alone would make a small stake need as many ticks as it has logs.

What breaks it. (1) An alternative, a phi or a limit that has seen the tick it is used on: everything that enters a
factor must be known before, from earlier ticks alone. (2) Requests that hang together within a tick beyond what stable
shows, such as bursts of the candidate alone: the tempering does not know them, only the margin covers them. (3) A tick
counted twice, or left out because of what it says; a tick that is missing is a factor of 1. (4) A change of the limit
during a rollout: the old evidence speaks of another null, so an edit of the gates starts over. (5) A choice among
several gates after looking: the promise is split before (alpha_budget.py). (6) Windows and gauges are no counts: their
sequences are asymptotic and stand outside this promise (window_evidence.py).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from modelrollout.core.analysis.stats import parameters as d
from modelrollout.core.analysis.stats.arrays import between

if TYPE_CHECKING:
    from modelrollout.core.analysis.stats.arrays import Array
    from modelrollout.core.analysis.stats.limits import LimitLine

_STEPS = 200
"""A bound that is never met: halving alone needs about 120."""
_PRECISION = 1e-11
_THIN_OUT = 0.7
_CHUNK = 32768
"""Elements solved at once, so that the solver's arrays stay in the processor's cache."""
_TINY = 1e-300
_FEW = 24
"""Elements that are sooner solved one by one, as numbers."""


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
    if ts.size <= _FEW:
        rows = zip(*(one.tolist() for one in flat), strict=True)
        ts0 = np.array([_root_of_one(line, *row) for row in rows]).reshape(ts.shape)
        return line.ratio * ts0 + line.plus, ts0
    found: Array = np.empty(ts.size)
    for at in range(0, ts.size, _CHUNK):
        piece = slice(at, at + _CHUNK)
        found[piece] = _root(flat[0][piece], flat[1][piece], flat[2][piece], flat[3][piece], line)
    ts0 = found.reshape(ts.shape)
    return line.ratio * ts0 + line.plus, ts0


def _root(n_c: Array, n_s: Array, tc: Array, ts: Array, line: LimitLine) -> Array:
    """The projected stable rate, arguments (N,): Newton inside a bracket, halved (in log) where Newton lags.

    Every element stops on its own, so that its value does not depend on what else is in the batch.
    """
    a, b = n_c * line.ratio, n_s
    meet = between((tc - line.plus) / line.ratio, _TINY, 1.0)
    low, high = np.minimum(ts, meet), np.maximum(ts, meet)
    u, v = a * line.ratio / (tc * (1 - tc)), b / (ts * (1 - ts))
    x = between((u * meet + v * ts) / np.maximum(u + v, _TINY), low, high)
    last = high - low
    out: Array = x.copy()
    where, left = np.arange(len(x)), np.ones(len(x), dtype=bool)
    for _ in range(_STEPS):
        y = line.ratio * x + line.plus
        xx, yy, dc, ds = x * (1 - x), y * (1 - y), tc - y, ts - x
        value = a * dc * xx + b * ds * yy
        slope = a * (dc * (1 - 2 * x) - line.ratio * xx) + b * (ds * line.ratio * (1 - 2 * y) - yy)
        low, high = np.where(value > 0, x, low), np.where(value < 0, x, high)
        step = value / np.where(slope < 0, slope, np.inf)
        ahead = between(x - step, low, high)
        arrived = (slope < 0) & (np.abs(step) <= _PRECISION * x)  # the step is quadratic: what is left is rounding
        newton = (slope < 0) & (ahead == x - step) & (np.abs(step) <= 0.5 * last)
        following = np.where(newton | arrived, ahead, np.sqrt(low) * np.sqrt(high))
        last = np.abs(following - x)
        x = out[where] = np.where(left & (value != 0), following, x)
        left &= ~arrived & (last > 0) & (value != 0)
        if not left.any():
            break
        if left.mean() < _THIN_OUT:
            where, kept = where[left], left
            a, b, tc, ts, x, low, high, last = (z[kept] for z in (a, b, tc, ts, x, low, high, last))
            left = left[kept]
    return out


def _root_of_one(line: LimitLine, n_c: float, n_s: float, tc: float, ts: float) -> float:
    """As `_root`, the same operations in the same order on plain numbers: a few take a tenth of the time."""
    ratio, plus = line.ratio, line.plus
    a, b = n_c * ratio, n_s
    meet = min(max((tc - plus) / ratio, _TINY), 1.0)
    low, high = min(ts, meet), max(ts, meet)
    u, v = a * ratio / (tc * (1 - tc)), b / (ts * (1 - ts))
    x = min(max((u * meet + v * ts) / max(u + v, _TINY), low), high)
    last = high - low
    for _ in range(_STEPS):
        y = ratio * x + plus
        xx, yy, dc, ds = x * (1 - x), y * (1 - y), tc - y, ts - x
        value = a * dc * xx + b * ds * yy
        slope = a * (dc * (1 - 2 * x) - ratio * xx) + b * (ds * ratio * (1 - 2 * y) - yy)
        low, high = (x if value > 0 else low), (x if value < 0 else high)
        step = value / (slope if slope < 0 else math.inf)
        ahead = min(max(x - step, low), high)
        arrived = slope < 0 and abs(step) <= _PRECISION * x
        newton = slope < 0 and ahead == x - step and abs(step) <= 0.5 * last
        following = ahead if newton or arrived else math.sqrt(low) * math.sqrt(high)
        last = abs(following - x)
        x, found = (x if value == 0 else following), value == 0
        if arrived or last <= 0 or found:
            break
    return x


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
    ts = between(rate, 1e-12, 1 - 1e-12)
    limit = line.at(ts)
    tc = np.minimum(d.TOP_RATE, multiple * limit)
    usable = np.where(multiple > 1, tc > limit, (tc < limit) & (limit < 1)) & (n_c > 0)
    if line.relative:
        usable = usable & (n_s > 0)
    tc = between(tc, 1e-12, 1 - 1e-12)
    tc0, ts0 = project(n_c, n_s, tc, ts, line)
    tc0, ts0 = between(tc0, 1e-15, 1 - 1e-15), between(ts0, 1e-15, 1 - 1e-15)
    total = y_c * np.log(tc / tc0) + (n_c - y_c) * (np.log1p(-tc) - np.log1p(-tc0))
    if line.relative:
        total = total + y_s * np.log(ts / ts0) + (n_s - y_s) * (np.log1p(-ts) - np.log1p(-ts0))
    return np.where(usable, total, 0.0)


def temper(log_e: Array, phi: Array) -> Array:
    """e^(1/phi), still an e-value since phi >= 1 is known before the tick."""
    return np.maximum(log_e / phi, d.LOG_FLOOR)
