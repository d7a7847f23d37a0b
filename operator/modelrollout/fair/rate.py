"""So many calls a second, by turns of tenants; what is urgent is let through at once and counts against the rest.

A token bucket: `burst` calls at once, then `per_second`. Urgent calls may put it into debt, by one burst at the most,
so that they are paid for by what can wait.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Rate:
    """For one event loop."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_second, self.burst = per_second, burst
        self._clock = clock
        self._tokens, self._at = float(burst), clock()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """In the order in which tenants had their last turn."""
        self._timer: asyncio.TimerHandle | None = None

    async def turn(self, tenant: str, *, urgent: bool) -> None:
        """Wait for a turn, for as long as the caller's timeout lets it."""
        self._fill()
        if urgent or (self._tokens >= 1 and not self._waiting):
            self._tokens = max(self._tokens - 1, -float(self.burst))
            return
        come: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(come)
        self._wait()
        try:
            await come
        finally:
            self._forget(tenant, come)

    def _fill(self) -> None:
        now = self._clock()
        self._tokens = min(self._tokens + (now - self._at) * self.per_second, float(self.burst))
        self._at = now

    def _wait(self) -> None:
        """Come back when there is a token for whoever waits."""
        if self._timer is None and self._waiting:
            seconds = max((1 - self._tokens) / self.per_second, 0.0)
            self._timer = asyncio.get_running_loop().call_later(seconds, self._let_through)

    def _let_through(self) -> None:
        self._timer = None
        self._fill()
        while self._waiting and self._tokens >= 1:
            tenant = next(iter(self._waiting))
            line = self._waiting.pop(tenant)
            come = line.popleft()
            if line:
                self._waiting[tenant] = line
            if not come.done():
                self._tokens -= 1
                come.set_result(None)
        self._wait()

    def _forget(self, tenant: str, come: asyncio.Future[None]) -> None:
        line = self._waiting.get(tenant)
        if line is not None and come in line:
            line.remove(come)
            if not line:
                del self._waiting[tenant]
