"""Accuracy is counted, never averaged: how many answers could be judged, how many were right, by source."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

SOURCES = ("labels", "golden", "shadow")
LOST = ("expired", "evicted", "unmatched", "mismatched", "unanswered")


class EvalCounters:
    """Thread-safe `model_eval_*` counters by source: labels, golden (a fixed set), shadow (agreement)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total = dict.fromkeys(SOURCES, 0)
        self._correct = dict.fromkeys(SOURCES, 0)
        self._lost = dict.fromkeys(LOST, 0)

    def add(self, source: str, *, correct: int, total: int) -> None:
        """Count judged answers. Raises ValueError for an unknown source or impossible counts."""
        if source not in self._total:
            raise ValueError(f"source {source!r} is unknown: use one of {', '.join(SOURCES)}")
        if not 0 <= correct <= total:
            raise ValueError(f"correct={correct!r} must lie between 0 and total={total!r}")
        with self._lock:
            self._total[source] += int(total)
            self._correct[source] += int(correct)

    def compare(self, source: str, answers: npt.ArrayLike, expected: npt.ArrayLike) -> None:
        """Count answers equal to what was expected, one by one; unequal shapes are lost as `mismatched`."""
        given, wanted = np.asarray(answers), np.asarray(expected)
        if given.shape != wanted.shape:
            self.lose("mismatched", max(given.size, 1))
            return
        self.add(source, correct=int(np.count_nonzero(given == wanted)), total=given.size)

    def lose(self, reason: str, count: int = 1) -> None:
        """Count answers that cannot be judged; `reason` is one of LOST."""
        with self._lock:
            self._lost[reason] += count

    def totals(self) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
        """Copies of (judged, correct) by source and of lost answers by reason."""
        with self._lock:
            return dict(self._total), dict(self._correct), dict(self._lost)
