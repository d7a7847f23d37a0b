"""A call in a thread of its own: a place is held until that thread has really ended, and none outlives the process.

Places are given fairly by tenant, and one tenant never has all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from modelrollout.fair.line import Line

T = TypeVar("T")


class Places(Generic[T]):
    """So many calls at a time; more of them wait. A thread that hangs keeps its place, so nothing piles up."""

    def __init__(self, number: int, most: int, name: str) -> None:
        """`number` of them, of which one tenant has `most` at a time."""
        self.number = number
        self._line = Line(number, most)
        self._name = name

    def held(self, tenant: str) -> int:
        """Places that a tenant has."""
        return self._line.held(tenant)

    async def begin(self, tenant: str, call: Callable[[], T], patience: float) -> asyncio.Future[T]:
        """Start `call` when a place is free; raises TimeoutError when none was in `patience` seconds.

        `call` must not raise. The future is cancelled by whoever gives up; the thread goes on, with its place.
        """
        async with asyncio.timeout(patience):
            await self._line.enter(tenant)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def ended(result: T) -> None:
            self._line.leave(tenant)
            if not future.done():
                future.set_result(result)

        def work() -> None:
            result = call()
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(ended, result)

        try:
            threading.Thread(target=work, name=self._name, daemon=True).start()
        except RuntimeError:  # no more threads on this machine
            self._line.leave(tenant)
            raise
        return future
