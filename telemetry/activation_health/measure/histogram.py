"""Sums of exponent codes become zeros, negatives, NaN, Inf and magnitude buckets; only reading costs time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from activation_health.measure.exponents import Counts, ElementCounts

# Chosen so that the lab's and ordinary networks' activations spread over several buckets; all powers of two.
EDGES: tuple[float, ...] = tuple(2.0**e for e in (-10, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 10))
LE_LABELS: tuple[str, ...] = (*(str(edge) for edge in EDGES), "+Inf")

# Per sign: the code of 0 and subnormals, one slot up to each edge, one beyond the last, one for what is not finite.
_SLOTS = len(EDGES) + 3


@dataclass(frozen=True, slots=True)
class Tally:
    """`buckets[i]` counts the values of a magnitude below `EDGES[i]`, the last all."""

    elements: int
    zeros: int
    negatives: int
    nans: int
    infs: int
    buckets: tuple[int, ...]


class Histogram:
    """Sums of ElementCounts of any float types; keeps the codes of one, at most 64 KiB. Not thread-safe."""

    def __init__(self) -> None:
        self._slots = np.zeros(2 * _SLOTS, np.int64)
        self._codes: Counts = np.zeros(0, np.int64)
        self._width = 0
        self._nonzero = self._nans = self._negative_fix = 0

    def add(self, counts: ElementCounts) -> None:
        """Add one array's counts; takes its `codes` as its own."""
        codes, width, nonzero, nans, negative_fix = counts
        if codes.size == self._codes.size and width == self._width:
            self._codes += codes
        else:  # the first, or the first after arrays of another float type
            self._fold()
            self._codes, self._width = codes, width
        self._nonzero += nonzero
        self._nans += nans
        self._negative_fix += negative_fix

    def tally(self) -> Tally:
        """The numbers so far."""
        self._fold()
        positive, negative = self._slots[:_SLOTS], self._slots[_SLOTS:]
        elements = int(self._slots.sum())
        below = (positive + negative).cumsum()[1:-2]
        not_finite = int(positive[-1] + negative[-1])
        return Tally(
            elements,
            elements - self._nonzero,
            int(negative[1:].sum()) + self._negative_fix,
            self._nans,
            not_finite - self._nans,
            (*below.tolist(), elements),
        )

    def _fold(self) -> None:
        if self._codes.size:
            codes = self._codes.reshape(-1, self._width).sum(axis=0)
            self._slots += np.add.reduceat(codes, slot_starts(self._width))
            self._codes[:] = 0


NO_VALUES = Histogram().tally()


@lru_cache
def slot_starts(width: int) -> npt.NDArray[np.intp]:
    """The first code of each slot; code c covers magnitudes from 2^(c - bias) up to the next power of two."""
    half = width // 2
    bias = half // 2 - 1
    starts = np.array([0, 1, *(math.frexp(edge)[1] - 1 + bias for edge in EDGES), half - 1], np.intp)
    return np.concatenate([starts, starts + half])
