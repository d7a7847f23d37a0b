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
        self.one_in = one_in
        # Only statistics hang on it: the choice must be repeatable, not secret.
        self._random = random.Random(seed)  # noqa: S311
        self._clock = clock
        self._tokens = self._capacity
        self._wait = 0.0
        self._last = clock()
        self._chosen = self._random.randrange(one_in)
        self._gap = self._chosen + 1

    def grant(self, rows: int) -> slice | None:
        """Which of a request's rows to measure: all, an even part of them where it exceeds the cap, or None."""
        tokens, capacity = self._refill(), self._capacity
        need = rows if rows <= capacity else int(capacity)
        if tokens < need or (tokens < capacity and tokens < need + self._wait):
            return None
        left = self._tokens = tokens - need
        self._wait = self._random.random() * need if tokens < capacity and left < capacity / 2 else 0.0
        if need == rows:
            return slice(0, rows)
        step = -(-rows // need)  # every step-th row from a random one: each row has the same chance
        return slice(self._random.randrange(step), rows, step)

    def _refill(self) -> float:
        now = self._clock()
        passed = now - self._last
        self._last = now
        if passed > 0:
            self._tokens = min(self._capacity, self._tokens + passed * self._rate)
        return self._tokens

    def chooses(self) -> bool:
        """Whether the next request is the one of its block of `one_in`; call once a request, before `grant`."""
        self._gap -= 1
        if self._gap:
            return False
        before, self._chosen = self._chosen, self._random.randrange(self.one_in) if self.one_in > 1 else 0
        self._gap = self.one_in - before + self._chosen
        return True
