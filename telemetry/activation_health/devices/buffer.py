"""What lies in a layer's buffer on the device, as 64-bit words; the kernel writes it and the host reads it.

    0 .. 7      where it stands, see below
    8 .. 263    eight copies of 32 counters, to be added up: programs that write side by side do not wait for each other
    264 ..      a ring of open windows: per window and unit a sum of magnitudes (float64, tau-dormant layers alone),
                then one byte: whether the unit fired or, in a tau-dormant layer, gave what is not finite

Of the 32 counters, 0 counts magnitudes below 2^-10, 1 to 20 those from 2^-10 up to 2^10 by powers of two, and 21 those
above; then come infinities, zeros, NaN and negatives.
"""

from __future__ import annotations

import numpy as np

from activation_health.measure.exponents import ElementCounts

ALLOWED = 0  # rows that may have been measured in all; the only word that the host writes while kernels run
GRANT = 1  # how many rows the next launch may measure
BASE = 2  # rows measured so far
OFFERED = 3  # rows seen so far
CALLS = 4  # launches so far
TICKET = 5  # programs of this launch that are done
ARRIVED = 6  # programs that began to write, of all launches
DEPARTED = 7  # the same when a launch is over: equal where nobody writes
STATE = 8
COPIES = 8
COUNTERS = 32
LARGEST = 21
INFINITE, ZERO, NAN, NEGATIVE, PADDING = 22, 23, 24, 25, 31
HEAD = STATE + COPIES * COUNTERS
LOWEST = 116  # the biased exponent of float32 values from 2^-11 up to 2^-10

_RING_BYTES = 1 << 18
_FEWEST, _MOST = 4, 256


def ring_of(units: int, *, dormant: bool) -> int:
    """How many windows of so many units a ring holds: about 256 KiB of them, and always some."""
    return max(_FEWEST, min(_MOST, _RING_BYTES // (units * (9 if dormant else 1))))


def words_of(units: int, ring: int, *, dormant: bool) -> int:
    """The length of a whole buffer."""
    return HEAD + (ring * units if dormant else 0) + -(-ring * units // 8)


def element_counts(counters: np.ndarray[tuple[int], np.dtype[np.int64]]) -> ElementCounts:
    """The 32 counters in the form of a Histogram's: float32's codes, with nothing left in doubt."""
    codes = np.zeros(512, np.int64)
    codes[LOWEST : LOWEST + LARGEST + 1] = counters[: LARGEST + 1]
    codes[0] = counters[ZERO]
    codes[255] = counters[INFINITE] + counters[NAN]
    nonzero = int(counters[: INFINITE + 1].sum() + counters[NAN])
    return ElementCounts(codes, 512, nonzero, int(counters[NAN]), int(counters[NEGATIVE]))
