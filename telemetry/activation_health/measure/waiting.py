"""Rows of small requests wait together: one pass over many values costs little more than one over few.

A pass is some twenty calls whatever its size. A reader of the totals first has the waiting rows counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Rows = npt.NDArray[Any]

LIMIT = 16384  # values: 64 KiB of float32


class Waiting:
    """A copy of rows not measured yet, all of one type and shape, in order. Not thread-safe."""

    def __init__(self) -> None:
        self._buffer: Rows = np.empty((0, 0), np.float32)
        self._filled = 0

    def take(self, rows: Rows) -> bool:
        """Copy `rows` behind those that wait; False, with nothing done, where they do not fit."""
        buffer, start = self._buffer, self._filled
        stop = start + rows.shape[0]
        if stop > buffer.shape[0] or rows.shape[1:] != buffer.shape[1:] or rows.dtype != buffer.dtype:
            return False
        buffer[start:stop] = rows
        self._filled = stop
        return True

    def release(self) -> Rows | None:
        """The rows that wait, None without any; they are to be read before the next `take`."""
        filled, self._filled = self._filled, 0
        return self._buffer[:filled] if filled else None

    def take_first(self, rows: Rows) -> bool:
        """As `take` where none wait, of any type and shape; False where waiting gains nothing."""
        if 2 * rows.size > LIMIT:
            return False
        if self.take(rows):
            return True
        self._buffer = np.empty((LIMIT // (rows.size // len(rows)), *rows.shape[1:]), rows.dtype)
        return self.take(rows)
