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
    half = layout.half
    codes = _exponent_codes(values.reshape(-1).view(layout.bits), layout)
    return counts_from_codes(
        codes,
        half,
        nonzero=nonzero,
        count_nans=lambda: int(np.count_nonzero(np.isnan(values))),
        count_negatives=lambda: int(np.count_nonzero(values < 0)),
    )


def counts_from_codes(
    codes: Counts,
    half: int,
    *,
    nonzero: int,
    count_nans: Callable[[], int],
    count_negatives: Callable[[], int],
) -> ElementCounts:
    """Read a histogram of sign and exponent codes, `half` of them positive; the callables settle rare cases."""
    positive, negative = codes.cumsum().take(_edge_codes(half))
    buckets: Counts = positive + (negative - positive[-1])
    elements = int(buckets[-1])
    # -0.0, negative subnormals, -Inf and -NaN share codes: the exponent alone cannot tell them apart.
    ambiguous = codes[half] or codes[-1]
    negatives = count_negatives() if ambiguous else elements - int(positive[-1])
    not_finite = int(codes[half - 1] + codes[-1])
    nans = count_nans() if not_finite else 0
    return ElementCounts(elements, elements - nonzero, negatives, nans, not_finite - nans, buckets)


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
def _edge_codes(half: int) -> npt.NDArray[np.intp]:
    """The last exponent code below each edge, then the last of all: first the positive codes, then the negative.

    Code c of `half` covers magnitudes from 2^(c - bias) up to the next power of two, bias = half / 2 - 1.
    """
    bias = half // 2 - 1
    codes = np.array([*(math.frexp(edge)[1] - 2 + bias for edge in EDGES), half - 1], np.intp)
    return np.stack([codes, codes + half])
