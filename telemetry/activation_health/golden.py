"""A golden set is replayed: it needs no traffic, and only answers that were given are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from activation_health.evals import EvalCounters


class GoldenSet:
    """Inputs, shape (rows, ...), and the class expected of each row, shape (rows,)."""

    def __init__(self, inputs: npt.NDArray[Any], expected: npt.ArrayLike) -> None:
        self.inputs, self.expected = np.array(inputs), np.array(expected)  # nobody changes them afterwards
        if self.expected.ndim != 1 or len(self.inputs) != len(self.expected) or not len(self.expected):
            raise ValueError(
                f"inputs of shape {self.inputs.shape} and expected of shape {self.expected.shape}: "
                "give one expected class for each of at least one row"
            )

    def replay(
        self,
        predict: Callable[[npt.NDArray[Any]], npt.ArrayLike],
        counters: EvalCounters,
        *,
        batch: int = 32,
    ) -> int:
        """Ask `predict` for every row, `batch` at a time; returns how many rows got no answer.

        `predict` gives the classes of its rows: the model itself, or a call to a version-addressed endpoint.
        OSError and TimeoutError from it mean no answer (lost as `unanswered`); anything else is a bug and raised.
        """
        if batch < 1:
            raise ValueError(f"batch={batch!r} must be at least 1")
        unanswered = 0
        for start in range(0, len(self.expected), batch):
            expected = self.expected[start : start + batch]
            try:
                answers = predict(self.inputs[start : start + batch].copy())
            except OSError:  # TimeoutError is one
                unanswered += len(expected)
                counters.lose("unanswered", len(expected))
                continue
            counters.compare("golden", answers, expected)
        return unanswered
