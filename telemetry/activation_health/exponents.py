"""One pass over the exponent bits of a float array yields every element-wise count; nothing is estimated.

The top bits of an IEEE 754 number are its sign and exponent, so one `bincount` over them is a histogram of
magnitudes in powers of two, and tells which of the rare cases (negative zero, NaN, Inf) need a second look.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable

Floats = npt.NDArray[Any]
Counts = npt.NDArray[np.int64]

# Chosen so that the lab's and ordinary networks' activations spread over several buckets; all powers of two.
EDGES: tuple[float, ...] = tuple(2.0**e for e in (-10, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 10))
LE_LABELS: tuple[str, ...] = (*(str(edge) for edge in EDGES), "+Inf")

_CHUNK = 16384  # values per step: the scratch stays in the CPU's cache, and memory stays bounded
_local = threading.local()


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a float type keeps its sign and exponent."""

    bits: npt.DTypeLike
    mantissa: int
    bias: int

    @property
    def half(self) -> int:
        """Number of exponent codes; codes from here on carry a minus sign."""
        return 2 * (self.bias + 1)


LAYOUTS: dict[np.dtype[Any], Layout] = {
    np.dtype(np.float16): Layout(np.uint16, 10, 15),
    np.dtype(np.float32): Layout(np.uint32, 23, 127),
    np.dtype(np.float64): Layout(np.uint64, 52, 1023),
}


@dataclass(slots=True)
class ElementCounts:
    """Counts over one array, still by exponent: `tally` turns their sums into the numbers people read.

    `slots` is (2 * SLOTS,): per sign, the code of 0 and subnormals, one slot up to each edge, one beyond the last,
    one for what is not finite. `negative_fix` is what the negative slots say too little or too much.
    """

    slots: Counts
    nonzero: int
    nans: int
    negative_fix: int


@dataclass(frozen=True, slots=True)
class Tally:
    """`buckets[i]` counts the values of a magnitude below `EDGES[i]`, the last all."""

    elements: int
    zeros: int
    negatives: int
    nans: int
    infs: int
    buckets: tuple[int, ...]


SLOTS = len(EDGES) + 3


def count_elements(values: Floats, *, nonzero: int) -> ElementCounts:
    """Count a C-contiguous float16/32/64 array of any shape.

    `nonzero` is the number of values that are not exactly 0 (NaN included), which the caller has at hand.
    """
    layout = LAYOUTS[values.dtype]
    return counts_from_codes(
        _exponent_codes(values.reshape(-1).view(layout.bits), layout),
        nonzero=nonzero,
        count_nans=lambda: int(np.count_nonzero(np.isnan(values))),
        count_negatives=lambda: int(np.count_nonzero(values < 0)),
    )


def counts_from_codes(
    codes: Counts, *, nonzero: int, count_nans: Callable[[], int], count_negatives: Callable[[], int]
) -> ElementCounts:
    """Read a histogram of sign and exponent codes; the callables settle the rare cases.

    -0.0 shares its code with negative subnormals, and -Inf with -NaN: only a second look tells them apart.
    """
    slots: Counts = np.add.reduceat(codes, _slot_starts(codes.size))
    subnormal, not_finite = slots[SLOTS], slots[-1]
    nans = count_nans() if not_finite or slots[SLOTS - 1] else 0
    fix = count_negatives() - int(slots[SLOTS + 1 :].sum()) if subnormal or not_finite else 0
    return ElementCounts(slots, nonzero, nans, fix)


def tally(slots: Counts, nonzero: int, nans: int, negative_fix: int) -> Tally:
    """The numbers behind sums of ElementCounts."""
    positive, negative = slots[:SLOTS], slots[SLOTS:]
    elements = int(slots.sum())
    below = (positive + negative).cumsum()[1:-2]
    not_finite = int(positive[-1] + negative[-1])
    return Tally(
        elements,
        elements - nonzero,
        int(negative[1:].sum()) + negative_fix,
        nans,
        not_finite - nans,
        (*below.tolist(), elements),
    )


def _exponent_codes(bits: npt.NDArray[Any], layout: Layout) -> Counts:
    scratch, width = _scratch(), 2 * layout.half
    codes: Counts | None = None
    for start in range(0, bits.size, _CHUNK):
        part = bits[start : start + _CHUNK]
        index = np.right_shift(part, layout.mantissa, out=scratch[: part.size], casting="unsafe")
        found = np.bincount(index, minlength=width)
        codes = found if codes is None else codes + found
    return np.zeros(width, np.int64) if codes is None else codes


def _scratch() -> npt.NDArray[np.intp]:
    buffer: npt.NDArray[np.intp] | None = getattr(_local, "buffer", None)
    if buffer is None:
        buffer = _local.buffer = np.empty(_CHUNK, np.intp)
    return buffer


@lru_cache(maxsize=len(LAYOUTS))
def _slot_starts(codes: int) -> npt.NDArray[np.intp]:
    """The first code of each slot; code c covers magnitudes from 2^(c - bias) up to the next power of two."""
    half = codes // 2
    bias = half // 2 - 1
    starts = np.array([0, 1, *(math.frexp(edge)[1] - 1 + bias for edge in EDGES), half - 1], np.intp)
    return np.concatenate([starts, starts + half])
