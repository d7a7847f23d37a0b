"""A histogram can only be asked at its edges: every limit is rounded up to one, and the rounding is shown."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from modelrollout.core.analysis.stats.arrays import Array, Index

_PRIOR = 100.0
"""Weight c of the beta prior of the quantile sequence: a = c p, b = c (1 - p)."""


def edge_at_or_above(edges: Array, limit: float) -> int:
    """Index of the smallest edge >= `limit`; the last one where there is none."""
    return min(int(np.searchsorted(edges, limit * (1 - 1e-12)).item()), len(edges) - 1)


def bucket_growth(edges: Array, index: int) -> float:
    """Width of the bucket above edges[index] as a factor; above about 1.25 a relative gate is blunt."""
    return float(edges[index + 1] / edges[index]) if index + 1 < len(edges) and edges[index] > 0 else np.inf


def choose_edge(past: Array, quantile: float, buckets: int) -> Index:
    """Index of b per tick, (..., T): the smallest edge with at most 1-q of stable's past (..., T, B+1) above.

    Kept low enough that b + buckets still is an edge. From earlier ticks only, so any choice is valid.
    """
    total = past.sum(axis=-1, keepdims=True)
    below = np.cumsum(past[..., :-1], axis=-1)
    enough = below >= quantile * total - 1e-9
    last = past.shape[-1] - 2
    index: Index = np.where(enough.any(axis=-1), enough.argmax(axis=-1), last)
    return np.clip(index, 0, max(last - buckets, 0))


def over(histogram: Array, edge: Index) -> Array:
    """Requests above the edge with index `edge` (..., T), of per-bucket counts (..., T, B+1)."""
    above = histogram[..., ::-1].cumsum(axis=-1)[..., ::-1]
    counts: Array = np.take_along_axis(above, edge[..., None] + 1, axis=-1)[..., 0]
    return counts


def quantile_counts(requests: float, quantile: float, alpha: float = 0.05) -> tuple[float, float]:
    """How many of `requests` may lie at or below the true quantile, valid at every look; for the display.

    Keeps k with logB(a+k, b+n-k) - logB(a, b) - k ln p - (n-k) ln(1-p) < ln(1/alpha)
    (a beta mixture against p).
    Returns (lowest, highest) k; (0, n) with too few requests to exclude anything.
    """
    n, p = max(requests, 0.0), quantile
    low = _edge_of(n, p, 0.0, n * p, alpha)
    high = _edge_of(n, p, n, n * p, alpha)
    return low, high


def quantile_interval(edges: Array, histogram: Array, quantile: float, alpha: float = 0.05) -> tuple[float, float]:
    """(lower, upper) bounds in seconds on the quantile from one histogram (B+1,); inf above the last edge."""
    n = float(histogram.sum())
    low, high = quantile_counts(n, quantile, alpha)
    below = np.cumsum(histogram)
    first = int(np.searchsorted(below, low).item())
    last = int(np.searchsorted(below, high).item())
    bounds = np.concatenate([[0.0], edges, [np.inf]])
    return float(bounds[min(first, len(edges))]), float(bounds[min(last + 1, len(edges) + 1)])


def _edge_of(n: float, p: float, outer: float, inner: float, alpha: float) -> float:
    """The k between `inner` (always kept) and `outer` at which the mixture reaches 1/alpha, by bisection."""
    if _log_mixture(outer, n, p) < -math.log(alpha):
        return outer
    for _ in range(60):
        middle = 0.5 * (outer + inner)
        if _log_mixture(middle, n, p) < -math.log(alpha):
            inner = middle
        else:
            outer = middle
    return inner


def _log_mixture(k: float, n: float, p: float) -> float:
    a, b = _PRIOR * p, _PRIOR * (1 - p)
    after = math.lgamma(a + k) + math.lgamma(b + n - k) - math.lgamma(a + b + n)
    before = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    return after - before - k * math.log(p) - (n - k) * math.log1p(-p)
