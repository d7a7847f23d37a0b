"""Accuracy is counted, never averaged: how many answers could be judged, how many were right, by source."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

import numpy as np

from activation_health.locks import new_lock

if TYPE_CHECKING:
    import numpy.typing as npt

SOURCES = ("labels", "golden", "shadow")
LOST = ("expired", "evicted", "unmatched", "mismatched", "unanswered")


class EvalCounters:
    """Thread-safe `model_eval_*` counters by source: labels, golden (a fixed set), shadow (agreement)."""

    def __init__(self) -> None:
        self._lock = new_lock()
        self._total = dict.fromkeys(SOURCES, 0)
        self._correct = dict.fromkeys(SOURCES, 0)
        self._lost = dict.fromkeys(LOST, 0)

    def add(self, source: str, *, correct: int, total: int) -> None:
        """Count judged answers. Raises ValueError for an unknown source or impossible counts."""
        if source not in self._total:
            raise ValueError(f"source {source!r} is unknown: use one of {', '.join(SOURCES)}")
        right, judged = operator.index(correct), operator.index(total)  # TypeError for what is no whole number
        if not 0 <= right <= judged:
            raise ValueError(f"correct={correct!r} must lie between 0 and total={total!r}")
        with self._lock:
            self._total[source] += judged
            self._correct[source] += right

    def compare(self, source: str, answers: npt.ArrayLike, expected: npt.ArrayLike) -> None:
        """Count answers equal to what was expected, one by one; what cannot be compared is lost as `mismatched`."""
        if source not in self._total:
            raise ValueError(f"source {source!r} is unknown: use one of {', '.join(SOURCES)}")
        given = wanted = None
        try:
            given, wanted = np.asarray(answers), np.asarray(expected)
            equal = given == wanted if given.shape == wanted.shape else None
            right = None if equal is None else int(np.count_nonzero(np.asarray(equal, np.bool_).reshape(given.shape)))
        except Exception:  # noqa: BLE001 - ragged lists, types that do not compare, an object's own ==
            right = None
        size = max(1 if given is None else given.size, 1)
        if right is None:
            self.lose("mismatched", size)
        elif given is not None and given.size:
            self.add(source, correct=right, total=given.size)

    def lose(self, reason: str, count: int = 1) -> None:
        """Count answers that cannot be judged; `reason` is one of LOST."""
        with self._lock:
            self._lost[reason] += count

    def totals(self) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
        """Copies of (judged, correct) by source and of lost answers by reason."""
        with self._lock:
            return dict(self._total), dict(self._correct), dict(self._lost)
