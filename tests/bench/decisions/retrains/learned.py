"""Margins learned from promoted versions: whom they accuse, and whether a loss in one layer is found in time.

Each network in turn is stable, the newest of m promoted versions; the older ones are drawn from the others, and all
that were not drawn come as candidates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import RandomState

from modelrollout.core.analysis.stats.arrays import Array
from modelrollout.core.analysis.stats.margins.retrain import DefaultMargin, LearnedMargin, learn
from modelrollout.core.analysis.stats.window_evidence import Margin
from tests.bench.decisions.retrains.judged import Loss, judge, loss_found
from tests.bench.decisions.retrains.recorded import Group, Network

KNOWN = (3, 4, 6, 10)
"""Promoted versions, stable among them."""
DRAWS = 2
"""Of the older versions, for each stable."""


@dataclass(frozen=True)
class Learned:
    """One group of networks with so many promoted versions."""

    group: Group
    known: int
    drifted: bool
    """Whether one more, a drifted network, was promoted long ago."""
    pairs: int
    accused: int
    loss: Loss

    @property
    def percent(self) -> float:
        """Of the pairs, accused."""
        return 100 * self.accused / self.pairs


@dataclass(frozen=True)
class _Trial:
    stable: Network
    candidate: Network
    margins: tuple[LearnedMargin | None, ...]
    """Per layer; None where too few versions are alike to learn from."""


@dataclass(frozen=True)
class _Margins:
    """One margin for each trial."""

    each: Sequence[Margin]

    @property
    def slope(self) -> Array:
        return np.array([[one.slope] for one in self.each], dtype=float)

    def limit(self, stable: Array, room: Array) -> Array:
        return np.stack([one.limit(*both) for one, *both in zip(self.each, stable, room, strict=True)])


def learned(random: RandomState, group: Group, known: int, drifted: Network | None = None) -> Learned:
    """Every candidate's hour against the margin of `known` promoted versions."""
    trials = list(_trials(random, group.networks, known, () if drifted is None else (drifted,)))
    accused = _failing(random, trials, group.window)[0].any(axis=-1)
    margins = [(one, layer, margin) for one in trials for layer, margin in enumerate(one.margins)]
    lost = [replace(one, candidate=_with_loss(one, layer, margin)) for one, layer, margin in margins if margin]
    loss = loss_found(*_failing(random, lost, group.window))
    return Learned(group, known, drifted is not None, len(trials), int(accused.sum()), loss)


def _trials(
    random: RandomState, networks: tuple[Network, ...], known: int, oldest: tuple[Network, ...]
) -> Iterator[_Trial]:
    for stable in range(len(networks)):
        for _ in range(DRAWS):
            others = [int(one) for one in random.permutation(len(networks)) if one != stable]
            past = (*oldest, *(networks[one] for one in others[: known - 1]), networks[stable])
            widths = enumerate(networks[stable].widths)
            margins = tuple(learn([one.share(layer) for one in past], width) for layer, width in widths)
            yield from (_Trial(networks[stable], networks[one], margins) for one in others[known - 1 :])


def _failing(random: RandomState, trials: list[_Trial], window: int) -> tuple[Array, Array]:
    pairs = [(one.stable, one.candidate) for one in trials]
    widths = enumerate(pairs[0][0].widths)
    found = [
        judge(random, pairs, window, at, _Margins([one.margins[at] or DefaultMargin(width) for one in trials]))
        for at, width in widths
    ]
    return np.logical_or.reduce([e.failing for e in found]), found[0].samples


def _with_loss(trial: _Trial, layer: int, margin: LearnedMargin) -> Network:
    """Stable in all layers but one, where the candidate has its own windows, at a mean that is a loss too high."""
    own = trial.candidate.share(layer)
    wanted = max(trial.stable.share(layer), margin.mean) + margin.loss
    return trial.stable.with_layer(layer, trial.candidate, float(wanted) - own)
