"""One pass over the exponent bits of a float array yields every element-wise count; nothing is estimated.

The top bits of an IEEE 754 number are its sign and exponent, so one `bincount` over them is a histogram of
magnitudes in powers of two, and tells which of the rare cases (negative zero, NaN, Inf) need a second look.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable

Floats = npt.NDArray[Any]
Counts = npt.NDArray[np.int64]

_CHUNK = 32768  # values per step: memory stays bounded, and in the processor's cache
_TABLES = 2
_local = threading.local()


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a float type keeps its sign and exponent, and how many codes the two have together."""

    bits: npt.DTypeLike
    mantissa: int
    width: int


LAYOUTS: dict[np.dtype[Any], Layout] = {
    np.dtype(np.float16): Layout(np.uint16, 10, 64),
    np.dtype(np.float32): Layout(np.uint32, 23, 512),
    np.dtype(np.float64): Layout(np.uint64, 52, 4096),
}


class ElementCounts(NamedTuple):
    """Counts over one array, still by code: a Histogram turns their sums into the numbers people read.

    `codes` is (k * width,), k tables to be added up: how often each sign and exponent came; the upper half of a
    table carries a minus sign. `negative_fix` is what that half says too little or too much of values below 0.
    """

    codes: Counts
    width: int
    nonzero: int
    nans: int = 0
    negative_fix: int = 0


def count_elements(values: Floats, *, nonzero: int) -> ElementCounts:
    """Count a C-contiguous float16/32/64 array of any shape.

    `nonzero` is the number of values that are not exactly 0 (NaN included), which the caller has at hand.
    """
    layout = LAYOUTS[values.dtype]
    return counts_from_codes(
        _exponent_codes(values.reshape(-1).view(layout.bits), layout),
        layout.width,
        nonzero,
        lambda: (int(np.count_nonzero(np.isnan(values))), int(np.count_nonzero(values < 0))),
    )


def counts_from_codes(
    codes: Counts, width: int, nonzero: int, second_look: Callable[[], tuple[int, int]]
) -> ElementCounts:
    """Settle what codes cannot tell: -0.0 has that of negative subnormals, -Inf that of -NaN.

    `second_look` gives the numbers of NaN and of values below 0; it is called only where they are in doubt.
    """
    if not any(map(codes.item, _doubtful(codes.size, width))):
        return ElementCounts(codes, width, nonzero)
    nans, negatives = second_look()
    signed = codes.reshape(-1, width)[:, width // 2 + 1 :].sum()
    return ElementCounts(codes, width, nonzero, nans, negatives - int(signed))


@lru_cache
def _doubtful(size: int, width: int) -> tuple[int, ...]:
    """The codes of what is not finite, of either sign, and of -0.0, in each table."""
    half = width // 2
    return tuple(start + code for start in range(0, size, width) for code in (half - 1, half, width - 1))


def _exponent_codes(bits: npt.NDArray[Any], layout: Layout) -> Counts:
    scratch, lanes = _scratch(), _lanes(layout.width)
    codes = np.zeros(0, np.int64)
    for start in range(0, bits.size, _CHUNK):
        part = bits[start : start + _CHUNK]
        index = scratch[: part.size]
        np.right_shift(part, layout.mantissa, out=index, casting="unsafe")
        np.bitwise_or(index, lanes[: part.size], out=index)
        found = np.bincount(index, minlength=_TABLES * layout.width)
        codes = found + codes if start else found
    return codes


def _scratch() -> npt.NDArray[np.uint32]:
    buffer: npt.NDArray[np.uint32] | None = getattr(_local, "buffer", None)
    if buffer is None:
        buffer = _local.buffer = np.empty(_CHUNK, np.uint32)
    return buffer


@lru_cache(maxsize=len(LAYOUTS))
def _lanes(width: int) -> npt.NDArray[np.uint32]:
    """Values take the tables in turns: counting the same code twice in a row stalls the processor."""
    return np.resize(np.arange(_TABLES, dtype=np.uint32) * width, _CHUNK).astype(np.uint32)
