"""A healthy hour under every required gate at once: errors, latency, accuracy, non-finite values, dead neurons."""

from __future__ import annotations

import numpy as np

from modelrollout.core.analysis.stats import alpha_budget, limits
from modelrollout.core.analysis.stats.count_evidence import count_evidence
from modelrollout.core.analysis.stats.limits import LimitLine
from modelrollout.core.analysis.stats.replicates import ReplicateHistory, Replicates, windows
from modelrollout.core.analysis.stats.window_evidence import WindowEvidence, WindowSettings, window_evidence
from tests.bench.decisions.outcome import first_at_least
from tests.bench.decisions.rules import COUNT_GATES, FALSE_ROLLBACK, latency_evidence
from tests.bench.decisions.traces import HISTORY, INTERVAL, REQUESTS, WEIGHT, Trace, draw, draw_latency

NEURONS = 512
ROWS = 200
"""Requests of one window."""
LAYERS = 2
LABELLED = 0.2
WRONG = 0.05
NOT_FINITE = 2e-4


def rollbacks(rng: np.random.Generator, runs: int) -> tuple[np.ndarray, np.ndarray]:
    """(tick of a rollback, tick at which every gate passes) of healthy rollouts, -1 for never."""
    counts = [
        _counts(draw(rng, runs, 0.01), limits.ERROR_RATE),
        _counts(draw(rng, runs, WRONG, WRONG, past=WRONG, requests=REQUESTS * LABELLED), limits.ACCURACY),
        _counts(draw(rng, runs, NOT_FINITE, NOT_FINITE, past=NOT_FINITE), limits.NON_FINITE),
    ]
    found = list(latency_evidence(draw_latency(rng, runs, 1.0)))
    counts.append((np.concatenate([p.log_bad for p in found]), np.concatenate([p.passing for p in found])))
    shares = alpha_budget.split_shares([None] * COUNT_GATES)
    together = alpha_budget.log_combined(np.stack([bad for bad, _ in counts]), shares)
    dead = dead_neurons(rng, runs)
    failing = (together >= alpha_budget.log_threshold(FALSE_ROLLBACK)) | dead.failing.any(axis=1)
    passing = np.logical_and.reduce([good for _, good in counts]) & dead.passing.all(axis=1)
    return first_at_least(failing.astype(float), 1), first_at_least((passing & ~failing).astype(float), 1)


def _counts(trace: Trace, line: LimitLine) -> tuple[np.ndarray, np.ndarray]:
    found = count_evidence(trace.ticks, line, history=trace.history)
    return found.log_bad, found.passing


def dead_neurons(
    rng: np.random.Generator,
    runs: int,
    candidate: float = 40.0,
    stable: float = 40.0,
    line: LimitLine = limits.DEAD_RETRAIN,
) -> WindowEvidence:
    """Evidence on `LAYERS` layers with so many dead units on average and a spread of 4.4, shape (runs, layers, T)."""
    shape, ticks = (runs, LAYERS), 240
    now = np.arange(1, ticks + 1) * INTERVAL
    arms = [
        _windows(rng, shape, ticks, REQUESTS * share / ROWS, mean)
        for share, mean in ((WEIGHT, candidate), (1 - WEIGHT, stable))
    ]
    past = _windows(rng, shape, HISTORY, REQUESTS / ROWS, stable)
    settings = WindowSettings(
        alpha=alpha_budget.gauge_alpha(1.0, LAYERS, FALSE_ROLLBACK),
        min_excess=limits.DEAD_RETRAIN_UNITS / NEURONS if line == limits.DEAD_RETRAIN else 0.0,
        spread_floor=0.5 / NEURONS,
    )
    history = ReplicateHistory(np.arange(1 - HISTORY, 1) * INTERVAL, past)
    return window_evidence(now, arms[0], arms[1], line, settings, history=history)


def _windows(rng: np.random.Generator, shape: tuple[int, ...], ticks: int, per_tick: float, mean: float) -> Replicates:
    ended = np.floor(np.arange(1, ticks + 1) * per_tick) - np.floor(np.arange(ticks) * per_tick)
    dead = np.maximum(np.round(rng.normal(mean, 4.4, (*shape, ticks, max(int(ended.max()), 1)))), 0)
    dead = np.where(np.arange(dead.shape[-1]) < ended[:, None], dead, 0)
    return windows(np.broadcast_to(ended, (*shape, ticks)), dead.sum(axis=-1), (dead**2).sum(axis=-1), NEURONS)
