"""Rollouts simulated on a real network's activations: who is accused of dead units, and how soon the guilty are.

A window's dead units are counted as the telemetry does it, over n rows drawn from the 1,797 real digits; verdicts come
from the operator's own engine with the margins of its profiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from modelrollout.core.analysis.stats import limits
from modelrollout.core.analysis.stats.alpha_budget import gauge_alpha
from modelrollout.core.analysis.stats.replicates import ReplicateHistory, Replicates, windows
from modelrollout.core.analysis.stats.window_evidence import WindowEvidence, WindowSettings, window_evidence
from tests.draws import Random, fixed
from tests.lab.models import RETRAINS, Training, images, split, stored

TICK = 15.0
POOL = 4000
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Traffic:
    """Rows per second of the candidate, times `ratio` on stable, capped as the monitor caps; rows per window."""

    candidate: float = 0.5
    ratio: float = 100.0
    cap: float = 50.0
    window: int = 200
    minutes: float = 60.0


def fired(training: Training, layer: int = 0, kill: float = 0.0, seed: int = 0) -> Array:
    """(rows, units): whether each unit of a hidden layer fires on each digit, a share of the units killed."""
    train, holdout, _, _ = split()
    rows = images(training, np.concatenate([train, holdout]))
    activations = next(islice(stored(training).hidden(rows), layer, None))
    flags: Array = activations.reshape(len(rows), -1) > 0
    width = flags.shape[1]
    flags[:, fixed(seed).permutation(width)[: round(width * kill)]] = False
    return flags


def dead_pool(flags: Array, n: int, seed: int, size: int = POOL) -> Array:
    """Dead units of `size` windows of n rows drawn at random."""
    random = fixed(seed)
    counts = [
        flags.shape[1] - np.count_nonzero(flags[random.randint(0, len(flags), n)].any(axis=0)) for _ in range(size)
    ]
    return np.array(counts)


def rollouts(
    candidate: Array,
    stable: Array,
    units: int,
    traffic: Traffic,
    profile: str,
    *,
    number: int,
    share: float = 1.0,
    layers: int = 2,
    seed: int = 0,
) -> WindowEvidence:
    """`number` rollouts of one layer: evidence arrays (number, ticks). Pools are dead units per window."""
    random = fixed(seed)
    ticks = int(traffic.minutes * 60 / TICK)
    seconds = (np.arange(ticks) + 1) * TICK
    busy = min(traffic.candidate * traffic.ratio, traffic.cap)
    tested = _replicates(random, candidate, units, min(traffic.candidate, traffic.cap), traffic.window, (number, ticks))
    serving = _replicates(random, stable, units, busy, traffic.window, (number, ticks))
    past = _replicates(random, stable, units, busy, traffic.window, (number, int(1800 / TICK)))
    history = ReplicateHistory(seconds[: past.count.shape[1]] - 1800 - TICK, past)
    retrain = profile == "Retrain"
    line = limits.DEAD_RETRAIN if retrain else limits.DEAD_SAME_WEIGHTS
    settings = WindowSettings(
        alpha=gauge_alpha(share, layers),
        spread_floor=0.5 / units,
        min_excess=limits.DEAD_RETRAIN_UNITS / units if retrain else 0.0,
    )
    return window_evidence(seconds, tested, serving, line, settings, history=history)


def naive_accusations(
    candidate: Array, stable_dead: float, units: int, *, ratio: float = 1.25, plus: float = 0.005
) -> float:
    """Share of candidates accused where dead units over n rows are held against stable's over all its rows."""
    return float((candidate / units > ratio * stable_dead / units + plus).mean())


def retrains(number: int) -> list[Training]:
    """Equally good networks that differ in their seed alone."""
    return list(RETRAINS[:number])


def windows_to_failure(evidence: WindowEvidence) -> Array:
    """Candidate windows at each rollout's first FAIL; infinite where there is none."""
    failing = evidence.failing
    first = failing.argmax(axis=1)
    rows = np.arange(len(failing))
    return np.where(failing.any(axis=1), evidence.samples[rows, first], np.inf)


def _replicates(
    random: Random, pool: Array, units: int, rate: float, window: int, shape: tuple[int, int]
) -> Replicates:
    """Windows end when their rows are in: a fixed count a tick on the whole, with a random start."""
    start = random.uniform(0, window, (shape[0], 1))
    rows = start + rate * TICK * np.arange(shape[1] + 1)
    ended = np.diff(np.floor(rows / window).astype(int), axis=1)
    most = max(int(ended.max()), 1)
    drawn = random.choice(pool, (*shape, most)).astype(float)
    drawn[np.arange(most) >= ended[..., None]] = 0
    return windows(ended.astype(float), drawn.sum(axis=-1), (drawn**2).sum(axis=-1), units)
