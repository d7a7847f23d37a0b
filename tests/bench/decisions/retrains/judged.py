"""An hour of windows drawn for each pair of networks, and one layer judged by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import RandomState

from modelrollout.core.analysis.stats import alpha_budget, limits
from modelrollout.core.analysis.stats.limits import LimitLine
from modelrollout.core.analysis.stats.parameters import LOSS_WINDOWS
from modelrollout.core.analysis.stats.replicates import ReplicateHistory, Replicates, windows
from modelrollout.core.analysis.stats.window_evidence import (
    Margin,
    WindowEvidence,
    WindowSettings,
    window_evidence,
)
from tests.bench.decisions.retrains.recorded import POOL, Network
from tests.bench.decisions.rules import FALSE_ROLLBACK
from tests.bench.decisions.traces import HISTORY, HOUR, INTERVAL, REQUESTS, WEIGHT


@dataclass(frozen=True)
class Loss:
    """Candidates that have lost so many more units of one layer than they may."""

    runs: int
    found: int
    """Within LOSS_WINDOWS windows."""
    ever: int
    """Within the hour."""


def loss_found(failing: np.ndarray, samples: np.ndarray) -> Loss:
    """From where any layer fails and the windows so far, both (runs, T)."""
    soon = (failing & (samples <= LOSS_WINDOWS)).any(axis=-1)
    return Loss(len(failing), int(soon.sum()), int(failing.any(axis=-1).sum()))


def judge(
    random: RandomState,
    pairs: Sequence[tuple[Network, Network]],
    window: int,
    layer: int,
    margin: LimitLine | Margin,
) -> WindowEvidence:
    """Evidence on one layer of pairs of (stable, candidate), shape (pairs, T)."""
    stable, candidate = (np.stack([pair[arm].dead[layer] for pair in pairs]) for arm in (0, 1))
    width = pairs[0][0].widths[layer]
    line = margin if isinstance(margin, LimitLine) else limits.DEAD_RETRAIN  # the margin takes its place
    settings = WindowSettings(
        alpha=alpha_budget.gauge_alpha(1.0, len(pairs[0][0].dead), FALSE_ROLLBACK),
        spread_floor=0.5 / width,
        margin=None if isinstance(margin, LimitLine) else margin,
    )
    arms = [
        _stream(random, pool, ticks, REQUESTS * share / window, width)
        for pool, ticks, share in ((candidate, HOUR, WEIGHT), (stable, HOUR, 1 - WEIGHT), (stable, HISTORY, 1.0))
    ]
    now, before = np.arange(1, HOUR + 1) * INTERVAL, np.arange(1 - HISTORY, 1) * INTERVAL
    return window_evidence(now, arms[0], arms[1], line, settings, history=ReplicateHistory(before, arms[2]))


def _stream(random: RandomState, pool: np.ndarray, ticks: int, per_tick: float, width: int) -> Replicates:
    """Windows drawn from each pair's pool (pairs, POOL), as counter increments (pairs, T)."""
    ended = np.floor(np.arange(1, ticks + 1) * per_tick) - np.floor(np.arange(ticks) * per_tick)
    most = max(int(ended.max()), 1)
    picked = np.take_along_axis(pool, random.randint(0, POOL, (len(pool), ticks * most)), axis=1)
    picked = np.where(np.arange(most) < ended[:, None], picked.reshape(len(pool), ticks, most), 0).astype(float)
    count = np.broadcast_to(ended, (len(pool), ticks))
    return windows(count, picked.sum(axis=-1), (picked**2).sum(axis=-1), width)
