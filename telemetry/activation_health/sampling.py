"""Every request is measured up to a rate cap, thinned above it: same seed and clock, same choice.

A token bucket bounds the cost; a seeded random wait between acceptances keeps the choice from falling in step
with periodic traffic.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class RateCap:
    """Grants rows of one layer. Not thread-safe: its owner holds a lock.

    `rows_per_second` bounds the long-run rate, `one_in` keeps one request in that many (a random one of each
    block), `clock` gives seconds and never runs backwards.
    """

    def __init__(self, rows_per_second: float, one_in: int, seed: int, clock: Callable[[], float]) -> None:
        self._rate = rows_per_second
        self._capacity = max(rows_per_second, 1.0)
        self._one_in = one_in
        # Only statistics hang on it: the choice must be repeatable, not secret.
        self._random = random.Random(seed)  # noqa: S311
        self._clock = clock
        self._tokens = self._capacity
        self._wait = 0.0
        self._last = clock()
        self._position = 0
        self._chosen = self._random.randrange(one_in)

    def grant(self, rows: int) -> slice | None:
        """Which of a request's rows to measure: all, a run of them where it exceeds the cap, or None."""
        now = self._clock()
        self._tokens = min(self._capacity, self._tokens + max(0.0, now - self._last) * self._rate)
        self._last = now
        need = min(rows, int(self._capacity))
        if self._tokens < need + min(self._wait, self._capacity - need):
            return None
        scarce = self._tokens < self._capacity
        self._tokens -= need
        self._wait = self._random.random() * need if scarce and self._tokens < self._capacity / 2 else 0.0
        offset = self._random.randrange(rows - need + 1) if need < rows else 0
        return slice(offset, offset + need)

    def chooses(self) -> bool:
        """Whether the next request is the one of its block of `one_in`; call once a request, before `grant`."""
        if self._one_in == 1:
            return True
        chosen = self._position == self._chosen
        self._position += 1
        if self._position == self._one_in:
            self._position = 0
            self._chosen = self._random.randrange(self._one_in)
        return chosen
