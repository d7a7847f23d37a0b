"""Equally good retrains: per architecture, data set and window, every ordered pair of twenty seeds for an hour.

Pairs share networks, so they are no independent sample: beside the share of pairs stands the worst stable version,
the one whose retrains are accused most.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.random import RandomState

from modelrollout.core.analysis.stats.limits import LimitLine
from modelrollout.core.analysis.stats.margins.retrain import DefaultMargin
from modelrollout.core.analysis.stats.parameters import LOSS
from modelrollout.core.analysis.stats.window_evidence import Margin
from tests.bench.decisions.retrains.judged import Loss, judge, loss_found
from tests.bench.decisions.retrains.learned import KNOWN, Learned, learned
from tests.bench.decisions.retrains.recorded import REFERENCE, Group, Network, broken, groups
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
    loss: Loss
    """Stable itself with LOSS more of one layer's units dead, one layer after the other."""

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
        return [100 * float(np.mean([one.share(layer) for one in self.group.networks])) for layer in layers]


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
    learned: list[Learned]


def measure() -> Retrains:
    """Draw an hour of windows for each pair, judge every layer."""
    random, again = fixed(SEED), fixed(SEED)
    cases, found, past = [], [], []
    for group in groups():
        cases.append(_case(random, group))
        if group.data == "digits" and group.architecture == REFERENCE:
            found.append(_broken(random, group))
            past += [learned(again, group, known, broken(group.window)) for known in KNOWN]
        past += [learned(again, group, known) for known in KNOWN]
    return Retrains(cases, found, past)


def _case(random: RandomState, group: Group) -> Case:
    pairs = list(permutations(group.networks, 2))
    by_default, tight = (
        _failing(random, pairs, group.window, margin)[0].any(axis=-1) for margin in (DefaultMargin, _tight)
    )
    beside_each = by_default.reshape(len(group.networks), -1).sum(axis=1)
    lost = [(one, one.with_layer(layer, one, LOSS)) for one in group.networks for layer in range(len(one.widths))]
    loss = loss_found(*_failing(random, lost, group.window, DefaultMargin))
    return Case(group, len(pairs), int(by_default.sum()), int(beside_each.max()), int(tight.sum()), loss)


def _broken(random: RandomState, group: Group) -> Broken:
    pairs = [(stable, broken(group.window)) for stable in group.networks]
    failing, samples = _failing(random, pairs, group.window, DefaultMargin)
    first = failing.argmax(axis=-1)
    until = np.take_along_axis(samples, first[:, None], axis=-1)[failing.any(axis=-1), 0]
    return Broken(group.window, len(until), len(pairs), float(np.median(until)) if len(until) else float("nan"))


def _failing(
    random: RandomState,
    pairs: list[tuple[Network, Network]],
    window: int,
    margin: Callable[[float], LimitLine | Margin],
) -> tuple[np.ndarray, np.ndarray]:
    """(where any layer fails, candidate windows so far) for pairs of (stable, candidate), both (pairs, T)."""
    widths = enumerate(pairs[0][0].widths)
    found = [judge(random, pairs, window, layer, margin(width)) for layer, width in widths]
    return np.logical_or.reduce([e.failing for e in found]), found[0].samples


def _tight(_width: float) -> LimitLine:
    return TIGHT
