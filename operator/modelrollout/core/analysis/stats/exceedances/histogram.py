"""A histogram can only be asked at its edges: every limit is rounded up to one, and the rounding is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from modelrollout.core.analysis.stats.arrays import Array, Index


def edge_at_or_above(edges: Array, limit: float) -> int:
    """Index of the smallest edge >= `limit`; the last one where there is none."""
    return min(int(np.searchsorted(edges, limit * (1 - 1e-12)).item()), len(edges) - 1)


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
    if edge.ndim == 1 and histogram.ndim == edge.ndim + 1:  # as a rule, and a tenth of the time
        row: Array = above[np.arange(len(edge)), edge + 1]
        return row
    counts: Array = np.take_along_axis(above, edge[..., None] + 1, axis=-1)[..., 0]
    return counts
