"""Requests as the model sees them: answered, failed, and how long they took, in fixed fine buckets.

Edges grow by 1.2 from 1 ms on, so that "one bucket slower" is a margin of 20 %.
"""

from __future__ import annotations

import bisect
import operator
from dataclasses import dataclass

from activation_health.locks import new_lock

GROWTH = 1.2
FIRST_EDGE = 0.001
EDGE_COUNT = 44  # up to about 2.5 s
LONGEST = 1e9  # seconds; sums stay finite


def _edges() -> tuple[float, ...]:
    return tuple(float(f"{FIRST_EDGE * GROWTH**i:.3g}") for i in range(EDGE_COUNT))


DURATION_EDGES: tuple[float, ...] = _edges()
DURATION_LABELS: tuple[str, ...] = (*(format(edge, "g") for edge in DURATION_EDGES), "+Inf")


@dataclass(frozen=True, slots=True)
class RequestTotals:
    requests: int
    errors: int
    seconds: float
    buckets: tuple[int, ...]


class RequestCounters:
    """Thread-safe counts of requests, errors and durations (seconds)."""

    def __init__(self) -> None:
        self._lock = new_lock()
        self._bins = [0] * len(DURATION_LABELS)
        self._requests = self._errors = 0
        self._seconds = 0.0

    def add(self, seconds: float, *, failed: bool, count: int) -> None:
        """Count requests answered together in `seconds`; a time that is none counts as the longest.

        Raises ValueError or TypeError where `count` is no whole number from 0 on.
        """
        number = operator.index(count)
        if number < 0:
            raise ValueError(f"count={count!r} must be 0 or more: counters never fall")
        took = _seconds(seconds)
        place = bisect.bisect_left(DURATION_EDGES, took) if took is not None else len(DURATION_EDGES)
        with self._lock:
            self._requests += number
            self._errors += number if failed else 0
            self._bins[place] += number
            self._seconds += took * number if took is not None else 0.0

    def totals(self) -> RequestTotals:
        with self._lock:
            bins, requests, errors, seconds = tuple(self._bins), self._requests, self._errors, self._seconds
        running = 0
        cumulative = []
        for one in bins:
            running += one
            cumulative.append(running)
        return RequestTotals(requests, errors, seconds, tuple(cumulative))


def _seconds(value: object) -> float | None:
    """A duration that can be added up; None for every other value."""
    try:
        seconds = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if 0 <= seconds < LONGEST else None
