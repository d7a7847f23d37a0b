"""Equally good retrains: per architecture, data set and window, every ordered pair of twenty seeds for an hour.

Pairs share networks, so they are no independent sample: beside the share of pairs stands the worst stable version,
the one whose retrains are accused most.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.random import RandomState

from modelrollout.core.analysis.stats import alpha_budget, limits
from modelrollout.core.analysis.stats.limits import LimitLine
from modelrollout.core.analysis.stats.replicates import ReplicateHistory, Replicates, windows
from modelrollout.core.analysis.stats.window_evidence import WindowEvidence, WindowSettings, window_evidence
from tests.bench.decisions.retrains.recorded import POOL, REFERENCE, Group, Network, broken, groups
from tests.bench.decisions.rules import FALSE_ROLLBACK
from tests.bench.decisions.traces import HISTORY, HOUR, INTERVAL, REQUESTS, WEIGHT
from tests.draws import fixed

SEED = 20260101
TIGHT = LimitLine(1.25, 0.005)
"""The margin of the error gate, to show why activations need a wider one."""


@dataclass(frozen=True)
class Case:
    """What the gate makes of one group's pairs, by the default margin."""

    group: Group
    pairs: int
    accused: int
    worst: int
    """Accused beside one and the same stable network, of all others."""
    accused_tight: int
    """By the same rule with the margin TIGHT."""

    @property
    def percent(self) -> float:
        """Of the pairs, accused."""
        return 100 * self.accused / self.pairs

    @property
    def accuracies(self) -> list[float]:
        """Of the networks, in percent."""
        return [100 * one.accuracy for one in self.group.networks]

    @property
    def dead(self) -> list[float]:
        """Per layer, the percentage of units that are dead in a window of the average network."""
        layers = range(len(self.group.architecture.hidden))
        return [
            100 * float(np.mean([one.dead[layer].mean() / one.widths[layer] for one in self.group.networks]))
            for layer in layers
        ]


@dataclass(frozen=True)
class Broken:
    """The network with dead layers against each of the reference architecture's, as accurate as it is."""

    window: int
    found: int
    runs: int
    windows: float
    """Median candidate windows until it is rolled back."""


@dataclass(frozen=True)
class Retrains:
    """All of it."""

    cases: list[Case]
    broken: list[Broken]


def measure() -> Retrains:
    """Draw an hour of windows for each pair, judge every layer."""
    random = fixed(SEED)
    cases, found = [], []
    for group in groups():
        cases.append(_case(random, group))
        if group.data == "digits" and group.architecture == REFERENCE:
            found.append(_broken(random, group))
    return Retrains(cases, found)


def _case(random: RandomState, group: Group) -> Case:
    pairs = list(permutations(group.networks, 2))
    by_default, tight = (
        _failing(random, pairs, group.window, line)[0].any(axis=-1) for line in (limits.DEAD_RETRAIN, TIGHT)
    )
    beside_each = by_default.reshape(len(group.networks), -1).sum(axis=1)
    return Case(group, len(pairs), int(by_default.sum()), int(beside_each.max()), int(tight.sum()))


def _broken(random: RandomState, group: Group) -> Broken:
    pairs = [(stable, broken(group.window)) for stable in group.networks]
    failing, samples = _failing(random, pairs, group.window, limits.DEAD_RETRAIN)
    first = failing.argmax(axis=-1)
    until = np.take_along_axis(samples, first[:, None], axis=-1)[failing.any(axis=-1), 0]
    return Broken(group.window, len(until), len(pairs), float(np.median(until)) if len(until) else float("nan"))


def _failing(
    random: RandomState, pairs: list[tuple[Network, Network]], window: int, line: LimitLine
) -> tuple[np.ndarray, np.ndarray]:
    """(where any layer fails, candidate windows so far) for pairs of (stable, candidate), both (pairs, T)."""
    depth = len(pairs[0][0].dead)
    found = [_judge(random, pairs, window, layer, line) for layer in range(depth)]
    return np.logical_or.reduce([e.failing for e in found]), found[0].samples


def _judge(
    random: RandomState, pairs: list[tuple[Network, Network]], window: int, layer: int, line: LimitLine
) -> WindowEvidence:
    stable, candidate = (np.stack([pair[arm].dead[layer] for pair in pairs]) for arm in (0, 1))
    width = pairs[0][0].widths[layer]
    settings = WindowSettings(
        alpha=alpha_budget.gauge_alpha(1.0, len(pairs[0][0].dead), FALSE_ROLLBACK),
        min_excess=limits.DEAD_RETRAIN_UNITS / width if line == limits.DEAD_RETRAIN else 0.0,
        spread_floor=0.5 / width,
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
