"""One pass over the exponent bits of a float array yields every element-wise count; nothing is estimated.

The top bits of an IEEE 754 number are its sign and exponent, so one `bincount` over them is a histogram of
magnitudes in powers of two, and tells which of the rare cases (negative zero, NaN, Inf) need a second look.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

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


@dataclass(frozen=True, slots=True)
class ElementCounts:
    """Counts over one array; `buckets[i]` counts the values of a magnitude below `EDGES[i]`, the last all."""

    elements: int
    zeros: int
    negatives: int
    nans: int
    infs: int
    buckets: Counts


def count_elements(values: Floats, *, nonzero: int) -> ElementCounts:
    """Count a C-contiguous float16/32/64 array of any shape.

    `nonzero` is the number of values that are not exactly 0 (NaN included), which the caller has at hand.
    """
    layout = LAYOUTS[values.dtype]
    codes = _exponent_codes(values, layout)
    half = layout.half
    not_finite = int(codes[half - 1] + codes[-1])
    nans = int(np.count_nonzero(np.isnan(values))) if not_finite else 0
    if codes[half] or codes[-1]:  # -0.0, negative subnormals, -Inf or -NaN: the exponent alone cannot tell
        negatives = int(np.count_nonzero(values < 0))
    else:
        negatives = int(codes[half + 1 : -1].sum())
    below = np.cumsum(codes[:half] + codes[half:])
    buckets = np.append(below[_edge_codes(layout.bias)], values.size).astype(np.int64)
    return ElementCounts(values.size, values.size - nonzero, negatives, nans, not_finite - nans, buckets)


def _exponent_codes(values: Floats, layout: Layout) -> Counts:
    flat = values.reshape(-1).view(layout.bits)
    codes = np.zeros(2 * layout.half, np.int64)
    scratch = _scratch()
    for start in range(0, flat.size, _CHUNK):
        part = flat[start : start + _CHUNK]
        index = np.right_shift(part, layout.mantissa, out=scratch[: part.size], casting="unsafe")
        codes += np.bincount(index, minlength=codes.size)
    return codes


def _scratch() -> npt.NDArray[np.intp]:
    buffer: npt.NDArray[np.intp] | None = getattr(_local, "buffer", None)
    if buffer is None:
        buffer = _local.buffer = np.empty(_CHUNK, np.intp)
    return buffer


@lru_cache(maxsize=len(LAYOUTS))
def _edge_codes(bias: int) -> npt.NDArray[np.intp]:
    """The last exponent code below each edge: code c covers magnitudes in [2^(c-bias), 2^(c-bias+1))."""
    codes = [math.frexp(edge)[1] - 1 + bias - 1 for edge in EDGES]
    return np.array(codes, np.intp)
