"""Accuracy is counted, never averaged: how many answers could be judged, how many were right, by source."""

from __future__ import annotations

import threading

SOURCES = ("labels", "golden", "shadow")
LOST = ("expired", "evicted", "unmatched")


class EvalCounters:
    """Thread-safe `model_eval_*` counters by source: labels, golden (a fixed set), shadow (agreement)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total = dict.fromkeys(SOURCES, 0)
        self._correct = dict.fromkeys(SOURCES, 0)
        self._lost = dict.fromkeys(LOST, 0)

    def add(self, source: str, *, correct: int, total: int) -> None:
        if source not in self._total:
            raise ValueError(f"source {source!r} is unknown: use one of {', '.join(SOURCES)}")
        if not 0 <= correct <= total:
            raise ValueError(f"correct={correct!r} must lie between 0 and total={total!r}")
        with self._lock:
            self._total[source] += int(total)
            self._correct[source] += int(correct)

    def lose(self, reason: str, count: int) -> None:
        with self._lock:
            self._lost[reason] += count

    def totals(self) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
        """Copies of (judged, correct) by source and of lost answers by reason."""
        with self._lock:
            return dict(self._total), dict(self._correct), dict(self._lost)
