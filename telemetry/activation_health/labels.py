"""Labels that arrive late meet their answers by request id; memory is bounded and every loss is counted.

Join where both are seen: with several model instances that is the client or a process beside them, not the model.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from activation_health.locks import new_lock

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from activation_health.evals import EvalCounters

MAX_ID = 256
MAX_ANSWER = 1 << 20


class _Answer(NamedTuple):
    given: npt.NDArray[Any]
    at: float


class LabelJoiner:
    """Holds answers until their labels come, at most `capacity` of them for at most `ttl` seconds. Thread-safe.

    An answer that waits too long is counted as `expired`, one pushed out by newer ones as `evicted`, a label
    without an answer or an id as `unmatched`, a label of another shape and an answer that is no array as
    `mismatched`. An answer is an array of classes, one per row, of at most MAX_ANSWER bytes; nothing else of the
    request is kept. Nothing here raises after the joiner is made. `clock` gives seconds and never runs backwards.
    """

    def __init__(
        self,
        counters: EvalCounters,
        *,
        capacity: int = 10_000,
        ttl: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"capacity={capacity!r} must be at least 1")
        if not ttl > 0:
            raise ValueError(f"ttl={ttl!r} must be above 0 seconds")
        self._counters, self._capacity, self._ttl, self._clock = counters, capacity, ttl, clock
        self._waiting: OrderedDict[str, _Answer] = OrderedDict()
        self._lock = new_lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def answered(self, request_id: str, answers: npt.ArrayLike) -> None:
        """Remember what the model said to a request; a repeated id replaces the former (a retry)."""
        key, given = _key(request_id), _copied(answers)
        if key is None or given is None:
            self._counters.lose("unmatched" if key is None else "mismatched")
            return
        with self._lock:
            self._expire()
            self._waiting.pop(key, None)
            self._waiting[key] = _Answer(given, self._clock())
            if len(self._waiting) > self._capacity:
                self._waiting.popitem(last=False)
                self._counters.lose("evicted")

    def labelled(self, request_id: str, labels: npt.ArrayLike) -> bool:
        """Judge a request's answer; False where there is none (never was, expired, evicted or judged already)."""
        with self._lock:
            self._expire()
            key = _key(request_id)
            answer = None if key is None else self._waiting.pop(key, None)
        if answer is None:
            self._counters.lose("unmatched")
            return False
        self._counters.compare("labels", answer.given, labels)
        return True

    def _expire(self) -> None:
        horizon = self._clock() - self._ttl
        while self._waiting:
            oldest = next(iter(self._waiting))
            if self._waiting[oldest].at > horizon:
                return
            del self._waiting[oldest]
            self._counters.lose("expired")


def _key(request_id: object) -> str | None:
    """The id, a long one by its digest; None for what can be nobody's."""
    if not isinstance(request_id, str) or not request_id:
        return None
    if len(request_id) <= MAX_ID:
        return request_id
    return hashlib.sha256(request_id.encode(errors="surrogatepass")).hexdigest()


def _copied(answers: npt.ArrayLike) -> npt.NDArray[Any] | None:
    """A copy that nobody can change or make large; None for what is no array of plain values."""
    try:
        given = np.array(answers, copy=True)
    except Exception:  # noqa: BLE001 - ragged lists, an object's own conversion
        return None
    return given if given.nbytes <= MAX_ANSWER else None
