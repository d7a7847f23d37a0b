"""A batch is rows of one layer's activations that can be reduced where they live: host memory or a device.

Only reductions leave a batch: counts of values, and one flag or one number per unit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from activation_health.measure.exponents import ElementCounts, count_elements

if TYPE_CHECKING:
    import numpy.typing as npt


class Batch(Protocol):
    """Activations of shape (rows, units, positions); positions are a convolution's pixels, else there is one."""

    @property
    def rows(self) -> int: ...

    def counts(self) -> ElementCounts:
        """Element-wise counts over all rows."""
        ...

    def fired(self, start: int, stop: int) -> npt.NDArray[np.bool_]:
        """Per unit: whether any value of rows start..stop differs from 0 (NaN does)."""
        ...

    def magnitude(self, start: int, stop: int) -> npt.NDArray[np.float64]:
        """Per unit: sum over rows start..stop of the mean over positions of |h|; not finite where h is not."""
        ...


class NumpyBatch:
    """A Batch in host memory; `array` is C-contiguous, native, (rows, units) or (rows, units, positions)."""

    def __init__(self, array: npt.NDArray[Any]) -> None:
        self.rows: int = array.shape[0]
        self._array = array
        self._nonzero = array != 0

    def counts(self) -> ElementCounts:
        return count_elements(self._array, nonzero=int(np.count_nonzero(self._nonzero)))

    def fired(self, start: int, stop: int) -> npt.NDArray[np.bool_]:
        flags: npt.NDArray[np.bool_] = np.logical_or.reduce(self._nonzero[start:stop], axis=0)
        return flags if flags.ndim == 1 else np.logical_or.reduce(flags, axis=1)

    def magnitude(self, start: int, stop: int) -> npt.NDArray[np.float64]:
        # float16 sums would overflow at 65504: everything is added up in float64.
        values = np.abs(self._array[start:stop])
        total: npt.NDArray[np.float64] = values.sum(axis=0, dtype=np.float64)
        if total.ndim > 1:
            total = total.mean(axis=1)
        return total
