"""Dead units are counted over tumbling windows of exactly n rows: a busy and a quiet version compare fairly.

The number of units that never fired in n rows falls with n (E[D(n)] = D0 + sum (1-p_i)^n), so both versions
need the same n. A unit is dead in a window when it is exactly 0 on every row, or, for activations that never
are exactly 0, when it is tau-dormant: mean|h_i| over the window <= tau times the mean of mean|h_k| over the
layer's units (Sokar et al., "The Dormant Neuron Phenomenon in Deep Reinforcement Learning", 2023). A unit
that gave NaN or Inf is not dead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[Any]


@dataclass(slots=True)
class WindowTotals:
    windows: int = 0
    neurons: int = 0
    dead: int = 0
    dead_squared: int = 0

    def add(self, units: int, dead: int) -> None:
        self.windows += 1
        self.neurons += units
        self.dead += dead
        self.dead_squared += dead * dead


class ZeroWindow:
    """Units that are exactly 0 on all of n rows. Keeps one byte per unit."""

    def __init__(self, size: int, units: int) -> None:
        self.size, self.units, self.filled = size, units, 0
        self._fired = np.zeros(units, np.bool_)

    def push(self, rows: Floats, nonzero: npt.NDArray[np.bool_], totals: WindowTotals) -> None:
        """Add `nonzero`, shape (batch, units, positions): whether each value differs from 0."""
        start = 0
        while start < len(rows):
            take = min(self.size - self.filled, len(rows) - start)
            self._fired |= nonzero[start : start + take].any(axis=(0, 2))
            start += take
            self.filled += take
            if self.filled == self.size:
                totals.add(self.units, self.units - int(np.count_nonzero(self._fired)))
                self._fired[:] = False
                self.filled = 0


class DormantWindow:
    """Units whose mean magnitude is at most tau times the layer's. Keeps nine bytes per unit."""

    def __init__(self, size: int, units: int, tau: float) -> None:
        self.size, self.units, self.tau, self.filled = size, units, tau, 0
        self._magnitude = np.zeros(units, np.float64)
        self._broken = np.zeros(units, np.bool_)

    def push(self, rows: Floats, nonzero: npt.NDArray[np.bool_], totals: WindowTotals) -> None:  # noqa: ARG002
        """Add `rows`, shape (batch, units, positions); `nonzero` is what ZeroWindow needs instead."""
        start = 0
        while start < len(rows):
            take = min(self.size - self.filled, len(rows) - start)
            part = np.abs(rows[start : start + take]).mean(axis=2, dtype=np.float64).sum(axis=0)
            finite = np.isfinite(part)
            self._broken |= ~finite
            self._magnitude += np.where(finite, part, 0.0)
            start += take
            self.filled += take
            if self.filled == self.size:
                totals.add(self.units, self._dormant())
                self._magnitude[:] = 0.0
                self._broken[:] = False
                self.filled = 0

    def _dormant(self) -> int:
        sound = self._magnitude[~self._broken]
        if not sound.size:
            return 0
        return int(np.count_nonzero(sound <= self.tau * sound.mean()))


Window = ZeroWindow | DormantWindow
