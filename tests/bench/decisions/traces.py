"""Seeded traffic of a stable version and a candidate, tick by tick: what every rule is judged on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from modelrollout.core.analysis.stats.arrays import CountTicks, StableHistory
from modelrollout.core.analysis.stats.latency_evidence import LatencyHistory, LatencyTicks
from tests.draws import Random

INTERVAL = 15.0
PER_MINUTE = 4
HOUR = 240
HISTORY = 120
REQUESTS = 750.0
"""Requests per tick of both versions together: 3,000 a minute."""
WEIGHT = 0.05
BASE = 0.01
"""Stable's share of errors."""
EDGES = 0.020 * 1.09 ** np.arange(40)
"""Latency buckets in seconds, growing by 1.09."""
SIGMA = 0.5


@dataclass(frozen=True)
class Trace:
    """Counts of B rollouts, shape (B, T); `past` are stable's ticks before, shape (B, H)."""

    candidate_bad: np.ndarray
    candidate_total: np.ndarray
    stable_bad: np.ndarray
    stable_total: np.ndarray
    past_bad: np.ndarray
    past_total: np.ndarray
    present: np.ndarray | None = None
    restart: np.ndarray | None = None

    @property
    def seconds(self) -> np.ndarray:
        """End of every tick."""
        return np.arange(1, self.candidate_bad.shape[-1] + 1) * INTERVAL

    @property
    def ticks(self) -> CountTicks:
        """As the engine takes them."""
        counts = (self.candidate_bad, self.candidate_total, self.stable_bad, self.stable_total)
        return CountTicks(self.seconds, *counts, self.present, self.restart)

    @property
    def history(self) -> StableHistory | None:
        """Stable before the rollout; None where the start is cold."""
        length = self.past_bad.shape[-1]
        return StableHistory(np.arange(1 - length, 1) * INTERVAL, self.past_bad, self.past_total) if length else None

    @property
    def cold(self) -> Trace:
        """The same rollouts without any history."""
        return replace(self, past_bad=self.past_bad[:, :0], past_total=self.past_total[:, :0])


def minutes(values: np.ndarray) -> np.ndarray:
    """Sums over whole minutes, (B, T) -> (B, T / 4)."""
    whole = values.shape[-1] // PER_MINUTE * PER_MINUTE
    return values[..., :whole].reshape(*values.shape[:-1], -1, PER_MINUTE).sum(axis=-1)


def draw(
    rng: Random,
    runs: int,
    candidate: object,
    stable: object = BASE,
    *,
    weight: object = WEIGHT,
    requests: float = REQUESTS,
    ticks: int = HOUR,
    past: object = BASE,
    burst: float = 1.0,
) -> Trace:
    """Rates and weight are numbers or arrays over ticks; `burst` is the overdispersion phi of both versions."""
    share = np.broadcast_to(np.asarray(weight, dtype=float), ticks)
    n_c, n_s = rng.poisson(requests * share, (runs, ticks)), rng.poisson(requests * (1 - share), (runs, ticks))
    before = rng.poisson(requests, (runs, HISTORY))
    raised = np.broadcast_to(np.diff(share, prepend=share[0]) != 0, (runs, ticks))
    return Trace(
        _bad(rng, n_c, candidate, burst), n_c, _bad(rng, n_s, stable, burst), n_s,
        _bad(rng, before, past, burst), before, restart=raised,
    )  # fmt: skip


def _bad(rng: Random, total: np.ndarray, rate: object, burst: float) -> np.ndarray:
    """Binomial, or beta-binomial with variance n p (1 - p) * burst in every tick."""
    mean = np.broadcast_to(np.asarray(rate, dtype=float), total.shape)
    if burst > 1:
        correlation = np.clip((burst - 1) / np.maximum(total - 1, 1), 1e-9, 0.9)
        strength = 1 / correlation - 1
        mean = rng.beta(np.maximum(mean * strength, 1e-9), np.maximum((1 - mean) * strength, 1e-9))
    return rng.binomial(total, mean)


@dataclass(frozen=True)
class LatencyTrace:
    """Latency histograms of B rollouts: candidate and stable (B, T, buckets), stable's past (B, H, buckets)."""

    candidate: np.ndarray
    stable: np.ndarray
    past: np.ndarray

    @property
    def ticks(self) -> LatencyTicks:
        """As the engine takes them."""
        return LatencyTicks(np.arange(1, self.candidate.shape[1] + 1) * INTERVAL, EDGES, self.candidate, self.stable)

    @property
    def history(self) -> LatencyHistory:
        """Stable before the rollout."""
        return LatencyHistory(np.arange(1 - self.past.shape[1], 1) * INTERVAL, self.past)


def draw_latency(rng: Random, runs: int, slower: object, ticks: int = HOUR) -> LatencyTrace:
    """Lognormal latencies, median 100 ms; the candidate's are `slower` times as long (a number, or one per tick)."""
    scale = np.broadcast_to(np.asarray(slower, dtype=float), ticks)
    return LatencyTrace(
        _histogram(rng, rng.poisson(REQUESTS * WEIGHT, (runs, ticks)), scale),
        _histogram(rng, rng.poisson(REQUESTS * (1 - WEIGHT), (runs, ticks)), np.ones(ticks)),
        _histogram(rng, rng.poisson(REQUESTS, (runs, HISTORY)), np.ones(HISTORY)),
    )


def _histogram(rng: Random, total: np.ndarray, scale: np.ndarray) -> np.ndarray:
    chances = np.array([bucket_chances(s) for s in np.unique(scale)])
    which = np.searchsorted(np.unique(scale), scale)
    return rng.multinomial(total, chances[which]).astype(np.float32)


def bucket_chances(scale: float) -> np.ndarray:
    """Chance of every bucket, the one above the last edge included."""
    from math import erf, log, sqrt  # noqa: PLC0415 - used here alone

    below = np.array([0.5 * (1 + erf(log(edge / (0.1 * scale)) / (SIGMA * sqrt(2)))) for edge in EDGES])
    return np.diff(np.concatenate([[0.0], below, [1.0]]))
