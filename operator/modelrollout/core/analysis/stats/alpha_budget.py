"""The promise is split before anything is seen: 4/5 to the count tests, 1/5 to windows and gauges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from modelrollout.core.analysis.stats.parameters import COUNT_PART, FALSE_ROLLBACK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelrollout.core.analysis.stats.arrays import Array


def split_shares(wanted: Sequence[float | None]) -> tuple[float, ...]:
    """The share of each gate of one family: what it asks for, the others the rest in equal parts; sum <= 1.

    Where the asked shares leave nothing (or exceed 1) they are scaled so that the others keep an equal part.
    """
    free = sum(w is None for w in wanted)
    asked = sum(w for w in wanted if w is not None)
    room = 1.0 - free / len(wanted) if wanted else 1.0
    limit = 1.0 if free == 0 else (asked if asked < 1 else room)
    scale = limit / asked if asked > limit else 1.0
    rest = (1.0 - asked * scale) / free if free else 0.0
    return tuple(rest if w is None else w * scale for w in wanted)


def log_threshold(false_rollback: float = FALSE_ROLLBACK) -> float:
    """Log of the weighted evidence over all count tests at which to roll back: 1 / (.8 alpha)."""
    return -float(np.log(COUNT_PART * false_rollback))


def odds_needed(share: float, false_rollback: float = FALSE_ROLLBACK) -> float:
    """The odds that one test of this share needs alone: 25 with the whole of the count part at 5 %."""
    return float(np.inf) if share <= 0 else 1.0 / (share * COUNT_PART * false_rollback)


def log_combined(log_evidence: Array, shares: Sequence[float]) -> Array:
    """Log of sum_k share_k E_k over the first axis: valid under any dependence between the tests."""
    weights = np.reshape(np.asarray(shares, dtype=float), (-1, *(1,) * (log_evidence.ndim - 1)))
    with np.errstate(divide="ignore"):
        total: Array = np.logaddexp.reduce(log_evidence + np.log(weights), axis=0)
    return total


def log_mean(log_evidence: Array) -> Array:
    """Log of the mean over the first axis: one test from several (P90 and P99)."""
    return log_combined(log_evidence, [1 / len(log_evidence)] * len(log_evidence))


def gauge_alpha(share: float, layers: int, false_rollback: float = FALSE_ROLLBACK) -> float:
    """The error allowed to one layer of one window or gauge gate (union bound over gates and layers)."""
    return (1 - COUNT_PART) * false_rollback * share / max(layers, 1)
