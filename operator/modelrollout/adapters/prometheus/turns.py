"""Whose large answer is read next: a piece of one at a time, first of the server and namespace that had least.

Reading holds the interpreter, so as many threads as there are answers would each get a small part of it, and whoever
else has something to do as well. With one at a time everybody else waits for one piece.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Self

from modelrollout.adapters.prometheus.pieces import PIECE

PATIENCE = 0.25
"""Seconds between two looks whether somebody still waits for the answer."""
MANY = 1000
"""Names that are remembered before those that wait for nothing are forgotten."""
PAUSE = 0.0002
"""Seconds after each piece in which other threads get the interpreter."""


class Turns:
    """A lock that is fair by server and namespace, one name of both: seconds it has had count against it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy = False
        self._waiting: list[tuple[str, threading.Event]] = []
        self._had: dict[str, float] = {}
        self._now = 0.0  # what the server had that was let in last: who comes after a rest starts from there

    def enter(self, server: str, check: Callable[[], None] = lambda: None) -> None:
        """Wait for a turn; `check` is asked now and then, and what it raises ends the wait."""
        with self._lock:
            if len(self._had) > MANY:  # those that have less than everybody begin from there when they come again
                waiting = {name for name, _ in self._waiting}
                self._had = {name: had for name, had in self._had.items() if had > self._now or name in waiting}
            self._had[server] = max(self._had.get(server, 0.0), self._now)
            if not self._busy:
                self._busy = True
                self._now = self._had[server]
                return
            come = threading.Event()
            self._waiting.append((server, come))
        try:
            while not come.wait(PATIENCE):
                check()
        except BaseException:
            self._give_up(server, come)
            raise

    def _give_up(self, server: str, come: threading.Event) -> None:
        """Leave the line; a turn that came just now is handed on."""
        with self._lock:
            if (server, come) in self._waiting:
                self._waiting.remove((server, come))
                return
        self.leave(server, 0.0)

    def leave(self, server: str, seconds: float) -> None:
        """The turn took `seconds`; the next one begins."""
        with self._lock:
            self._had[server] = self._had.get(server, self._now) + seconds
            if not self._waiting:
                self._busy = False
                return
            first = min(range(len(self._waiting)), key=lambda at: self._had[self._waiting[at][0]])
            name, come = self._waiting.pop(first)
            self._now = max(self._now, self._had[name])
            come.set()


class Pace:
    """The turns of one answer: `step` after each part of it. `check` raises where the answer has no more time."""

    def __init__(self, turns: Turns, server: str, check: Callable[[], None]) -> None:
        self._turns, self._server, self._check = turns, server, check
        self._at = 0
        self._since: float | None = None

    def __enter__(self) -> Self:
        self._begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def step(self, at: int) -> None:
        """The answer was read up to byte `at`: after each PIECE of it others have their turn."""
        if at - self._at < PIECE:
            return
        self._at = at
        self._end()
        time.sleep(PAUSE)
        self._check()
        self._begin()

    def _begin(self) -> None:
        self._turns.enter(self._server, self._check)
        self._since = time.monotonic()

    def _end(self) -> None:
        if self._since is not None:
            since, self._since = self._since, None
            self._turns.leave(self._server, time.monotonic() - since)
