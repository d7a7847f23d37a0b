"""Equally good retrains of a real network: twenty seeds on the digits, every ordered pair as stable and candidate."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from modelrollout.core.analysis.stats import alpha_budget, limits
from modelrollout.core.analysis.stats.limits import LimitLine
from modelrollout.core.analysis.stats.replicates import ReplicateHistory, Replicates, windows
from modelrollout.core.analysis.stats.window_evidence import WindowEvidence, WindowSettings, window_evidence
from tests.bench.decisions.rules import FALSE_ROLLBACK
from tests.bench.decisions.traces import HISTORY, HOUR, INTERVAL, REQUESTS, WEIGHT
from tests.lab.models import BETTER, DEAD_UNITS, Training, split, weights

SEEDS = 20
ROWS = 200
POOL = 300
"""Windows drawn per network; the streams pick from these."""
TIGHT = LimitLine(1.25, 0.005)
"""The margin of the error gate, to show why activations need a wider one."""


@dataclass(frozen=True)
class Network:
    """Accuracy on the hold-out rows, and per layer the dead units of POOL windows of ROWS rows."""

    accuracy: float
    dead: tuple[np.ndarray, ...]
    widths: tuple[int, ...]


@dataclass(frozen=True)
class Retrains:
    """What the activation gates make of them."""

    pairs: int
    accused: int
    accused_tight: int
    """By the same rule with the margin TIGHT."""
    lowest: float
    highest: float
    broken_found: int
    broken_runs: int
    broken_windows: float
    """Median candidate windows until the network with dead layers is rolled back."""


def measure(rng: np.random.Generator, seeds: int = SEEDS) -> Retrains:
    """Train (once, then cached), draw an hour of windows for each pair, judge every layer."""
    good = [
        network(rng, Training(BETTER.solver, BETTER.learning_rate, BETTER.epochs, seed=seed + 1))
        for seed in range(seeds)
    ]
    pairs = list(permutations(range(seeds), 2))
    each = [(good[a], good[b]) for a, b in pairs]
    failing = {line: _failing(rng, each, line)[0].any(axis=-1) for line in (limits.DEAD_RETRAIN, TIGHT)}
    broken = network(rng, DEAD_UNITS)
    found, samples = _failing(rng, [(stable, broken) for stable in good], limits.DEAD_RETRAIN)
    first = found.argmax(axis=-1)
    until = np.take_along_axis(samples, first[:, None], axis=-1)[found.any(axis=-1), 0]
    accuracies = [100 * one.accuracy for one in good]
    return Retrains(
        pairs=len(pairs),
        accused=int(failing[limits.DEAD_RETRAIN].sum()),
        accused_tight=int(failing[TIGHT].sum()),
        lowest=min(accuracies),
        highest=max(accuracies),
        broken_found=int(found.any(axis=-1).sum()),
        broken_runs=len(good),
        broken_windows=float(np.median(until)) if len(until) else float("nan"),
    )


def network(rng: np.random.Generator, training: Training) -> Network:
    """The hidden activations of the hold-out rows decide which units are dead in a window."""
    _, rows, _, labels = split()
    stored = np.load(weights(training))
    depth = sum(name.startswith("w") for name in stored.files)
    hidden, dead, widths = rows, [], []
    picks = rng.integers(0, len(rows), (POOL, ROWS))
    for layer in range(depth - 1):
        hidden = np.maximum(hidden @ stored[f"w{layer}"] + stored[f"b{layer}"], 0)
        fired = hidden > 0
        dead.append(np.array([(~fired[pick].any(axis=0)).sum() for pick in picks]))
        widths.append(hidden.shape[1])
    answers = (hidden @ stored[f"w{depth - 1}"] + stored[f"b{depth - 1}"]).argmax(axis=1)
    return Network(float((answers == labels).mean()), tuple(dead), tuple(widths))


def _failing(
    rng: np.random.Generator, pairs: list[tuple[Network, Network]], line: LimitLine
) -> tuple[np.ndarray, np.ndarray]:
    """(where any layer fails, candidate windows so far) for pairs of (stable, candidate), both (pairs, T)."""
    depth = len(pairs[0][0].dead)
    found = [_judge(rng, pairs, layer, line) for layer in range(depth)]
    return np.logical_or.reduce([e.failing for e in found]), found[0].samples


def _judge(
    rng: np.random.Generator, pairs: list[tuple[Network, Network]], layer: int, line: LimitLine
) -> WindowEvidence:
    stable, candidate = (np.stack([pair[arm].dead[layer] for pair in pairs]) for arm in (0, 1))
    width = pairs[0][0].widths[layer]
    settings = WindowSettings(
        alpha=alpha_budget.gauge_alpha(1.0, len(pairs[0][0].dead), FALSE_ROLLBACK),
        min_excess=limits.DEAD_RETRAIN_UNITS / width if line == limits.DEAD_RETRAIN else 0.0,
        spread_floor=0.5 / width,
    )
    arms = [
        _stream(rng, pool, ticks, REQUESTS * share / ROWS, width)
        for pool, ticks, share in ((candidate, HOUR, WEIGHT), (stable, HOUR, 1 - WEIGHT), (stable, HISTORY, 1.0))
    ]
    now, before = np.arange(1, HOUR + 1) * INTERVAL, np.arange(1 - HISTORY, 1) * INTERVAL
    return window_evidence(now, arms[0], arms[1], line, settings, history=ReplicateHistory(before, arms[2]))


def _stream(rng: np.random.Generator, pool: np.ndarray, ticks: int, per_tick: float, width: int) -> Replicates:
    """Windows drawn from each pair's pool (pairs, POOL), as counter increments (pairs, T)."""
    ended = np.floor(np.arange(1, ticks + 1) * per_tick) - np.floor(np.arange(ticks) * per_tick)
    most = max(int(ended.max()), 1)
    picked = np.take_along_axis(pool, rng.integers(0, POOL, (len(pool), ticks * most)), axis=1)
    picked = np.where(np.arange(most) < ended[:, None], picked.reshape(len(pool), ticks, most), 0).astype(float)
    count = np.broadcast_to(ended, (len(pool), ticks))
    return windows(count, picked.sum(axis=-1), (picked**2).sum(axis=-1), width)
