"""Places for so many at a time; whoever holds fewest is let in next, and one tenant never has them all.

The places that one tenant cannot have are what another finds free at once, whatever the first is doing.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Line:
    """For one event loop. `number` places, of which one tenant has `most` at a time."""

    def __init__(self, number: int, most: int) -> None:
        self.number, self.most = number, most
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """In the order in which tenants had their last turn."""

    def held(self, tenant: str) -> int:
        """Places that a tenant has."""
        return self._held[tenant]

    async def enter(self, tenant: str) -> None:
        """Wait for a place, for as long as the caller's timeout lets it; then `leave` must be called once."""
        if self._may(tenant) and not self._waiting.get(tenant):
            self._held[tenant] += 1
            return
        come: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(come)
        try:
            await come
        except BaseException:
            self._give_up(tenant, come)
            raise

    def leave(self, tenant: str) -> None:
        """Give a place back."""
        self._held[tenant] -= 1
        if not self._held[tenant]:
            del self._held[tenant]
        self._let_in()

    @asynccontextmanager
    async def place(self, tenant: str) -> AsyncIterator[None]:
        """A place for as long as the body runs."""
        await self.enter(tenant)
        try:
            yield
        finally:
            self.leave(tenant)

    def _may(self, tenant: str) -> bool:
        return self._held.total() < self.number and self._held[tenant] < self.most

    def _let_in(self) -> None:
        while True:
            able = [tenant for tenant in self._waiting if self._may(tenant)]
            if not able:
                return
            first = min(able, key=self._held.__getitem__)  # of several the one whose turn is longest ago
            line = self._waiting.pop(first)
            come = line.popleft()
            if line:
                self._waiting[first] = line
            if not come.done():
                self._held[first] += 1
                come.set_result(None)

    def _give_up(self, tenant: str, come: asyncio.Future[None]) -> None:
        """Leave the line; a place that came at the same moment is handed on."""
        if come.done() and not come.cancelled():
            self.leave(tenant)
            return
        line = self._waiting.get(tenant)
        if line is not None and come in line:
            line.remove(come)
            if not line:
                del self._waiting[tenant]
