"""Dead units are counted over tumbling windows of exactly n rows: a busy and a quiet version compare fairly.

The number of units that never fired in n rows falls with n (E[D(n)] = D0 + sum (1-p_i)^n), so both versions
need the same n. A unit is dead in a window when it is exactly 0 on every row, or, for activations that never
are exactly 0, when it is tau-dormant: mean|h_i| over the window <= tau times the mean of mean|h_k| over the
layer's units (Sokar et al., "The Dormant Neuron Phenomenon in Deep Reinforcement Learning", 2023). A unit
that gave NaN or Inf is not dead.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from activation_health.measure.batches import Batch


@dataclass(slots=True)
class WindowTotals:
    """Sums over completed windows."""

    windows: int = 0
    neurons: int = 0
    dead: int = 0
    dead_squared: int = 0

    def add(self, units: int, dead: int) -> None:
        self.windows += 1
        self.neurons += units
        self.dead += dead
        self.dead_squared += dead * dead


class Window(ABC):
    """An open window over `units` units; it closes at `size` rows, whatever the batches are."""

    def __init__(self, size: int, units: int) -> None:
        self.size, self.units, self.filled = size, units, 0

    def push(self, batch: Batch, totals: WindowTotals) -> None:
        """Add a batch's rows, in order; completed windows go to `totals`."""
        start, rows = 0, batch.rows
        while start < rows:
            stop = start + self.size - self.filled
            stop = min(stop, rows)
            self._add(batch, start, stop)
            self.filled += stop - start
            start = stop
            if self.filled == self.size:
                totals.add(self.units, self._close())
                self.filled = 0

    @abstractmethod
    def _add(self, batch: Batch, start: int, stop: int) -> None: ...

    @abstractmethod
    def _close(self) -> int:
        """The number of dead units; forgets the window's rows."""


class ZeroWindow(Window):
    """Units that are exactly 0 on all of n rows. Keeps one byte per unit."""

    def __init__(self, size: int, units: int) -> None:
        super().__init__(size, units)
        self._fired = np.zeros(units, np.bool_)

    def _add(self, batch: Batch, start: int, stop: int) -> None:
        self._fired |= batch.fired(start, stop)

    def _close(self) -> int:
        dead = self.units - int(np.count_nonzero(self._fired))
        self._fired[:] = False
        return dead


class DormantWindow(Window):
    """Units whose mean magnitude is at most tau times the layer's. Keeps nine bytes per unit."""

    def __init__(self, size: int, units: int, tau: float) -> None:
        super().__init__(size, units)
        self._tau = tau
        self._magnitude = np.zeros(units, np.float64)
        self._broken = np.zeros(units, np.bool_)

    def _add(self, batch: Batch, start: int, stop: int) -> None:
        part = batch.magnitude(start, stop)
        finite = np.isfinite(part)
        self._broken |= ~finite
        self._magnitude += np.where(finite, part, 0.0)

    def _close(self) -> int:
        dormant = dormant_units(self._magnitude, self._broken, self._tau)
        self._magnitude[:] = 0.0
        self._broken[:] = False
        return dormant


def dormant_units(magnitude: npt.NDArray[np.float64], broken: npt.NDArray[np.bool_], tau: float) -> int:
    """How many units are tau-dormant, by each one's sum of magnitudes over a window; those `broken` are not asked."""
    sound = magnitude[~broken]
    return int(np.count_nonzero(sound <= tau * sound.mean())) if sound.size else 0
