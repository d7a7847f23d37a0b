"""How far a good retrain's dead share may lie above: learned from the model's promoted versions, or the default.

Retrains of one network differ about as much as if each unit died independently. So a binomial spread is the prior,
and three versions that happen to be alike give no margin of zero. docs/decisions.md has the formula and why.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from modelrollout.core.analysis.stats import limits
from modelrollout.core.analysis.stats import parameters as d

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelrollout.core.analysis.stats.arrays import Array


@dataclass(frozen=True)
class DefaultMargin:
    """Twice stable's share and 10 points; in a small layer, what chance explains between two networks."""

    units: float | Array

    @property
    def slope(self) -> float:
        """As in window_evidence.Margin."""
        return limits.DEAD_RETRAIN.ratio

    def limit(self, stable: Array, _room: Array) -> Array:
        """The highest allowed share where stable's is `stable`."""
        stable = np.asarray(stable, dtype=float)
        chance = d.UNLEARNED_SIGMAS * np.sqrt(2 * _prior(stable, self.units, 1))
        return np.maximum(limits.DEAD_RETRAIN.at(stable), stable + chance)


@dataclass(frozen=True)
class LearnedMargin:
    """Shares as fractions, of one layer."""

    versions: int
    lowest: float
    highest: float
    mean: float | Array
    excess: float | Array
    """How far above the mean the next retrain may lie by chance."""
    loss: float | Array
    """What must be found: LOSS, or LOSS_UNITS units where they are more."""

    @property
    def slope(self) -> float:
        """As in window_evidence.Margin."""
        return 1.0

    def limit(self, stable: Array, room: Array) -> Array:
        """The highest allowed share where stable's is `stable`, and `room` of a loss is needed to prove it in time."""
        most = np.maximum(self.loss - room, d.PAST_LEAST)
        allowed: Array = np.maximum(stable, self.mean) + np.minimum(self.excess, most)
        return allowed


def together(margins: Sequence[DefaultMargin | LearnedMargin]) -> DefaultMargin | LearnedMargin | None:
    """Margins of one kind as one, for shares of shape (margins, T); None of none."""
    if not margins:
        return None

    def column(name: str) -> Array:
        return np.array([[getattr(one, name)] for one in margins], dtype=float)

    first = margins[0]
    if isinstance(first, DefaultMargin):
        return DefaultMargin(column("units"))
    return replace(first, mean=column("mean"), excess=column("excess"), loss=column("loss"))


def usable(shares: Sequence[float], units: float) -> Array:
    """The shares of versions that differ from their median by less than a loss: drift says nothing of good retrains."""
    given = np.array([one for one in shares if 0 <= one <= 1], dtype=float)
    if not len(given):
        return given
    near: Array = given[np.abs(given - np.median(given)) < _loss(units)]
    return near


def learn(shares: Sequence[float], units: float) -> LearnedMargin | None:
    """From the dead shares of promoted versions in a layer of `units`; None from fewer than PAST_VERSIONS usable."""
    found = usable(shares, units)
    count = len(found)
    if count < d.PAST_VERSIONS:
        return None
    mean = float(found.mean())
    squares = float(((found - mean) ** 2).sum())
    variance = (d.PAST_PRIOR * float(_prior(mean, units, count)) + squares) / (d.PAST_PRIOR + count - 1)
    chance = d.PAST_SIGMAS * float(np.sqrt(variance * (1 + 1 / count)))
    return LearnedMargin(
        versions=count,
        lowest=float(found.min()),
        highest=float(found.max()),
        mean=mean,
        excess=max(chance, d.PAST_LEAST, d.LOSS_UNITS / units),
        loss=_loss(units),
    )


def _loss(units: float) -> float:
    return max(d.LOSS, d.LOSS_UNITS / units)


def _prior(share: Array | float, units: float | Array, versions: int) -> Array:
    """Variance of the shares of retrains; one dead and one live unit more, so that it is never 0."""
    seen = units * versions
    dead: Array = (np.asarray(share, dtype=float) * seen + 1) / (seen + 2)
    return d.PAST_OVERDISPERSION * dead * (1 - dead) / units
