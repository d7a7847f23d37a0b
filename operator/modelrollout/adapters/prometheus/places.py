"""A call in a thread of its own: a place is held until that thread has really ended, and none outlives the process."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Places(Generic[T]):
    """So many calls at a time; more of them wait. A thread that hangs keeps its place, so nothing piles up."""

    def __init__(self, number: int, name: str) -> None:
        self.number = number
        self._free = asyncio.Semaphore(number)
        self._name = name

    async def begin(self, call: Callable[[], T], patience: float) -> asyncio.Future[T]:
        """Start `call` when a place is free; raises TimeoutError when none was in `patience` seconds.

        `call` must not raise. The future is cancelled by whoever gives up; the thread goes on, with its place.
        """
        async with asyncio.timeout(patience):
            await self._free.acquire()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def ended(result: T) -> None:
            self._free.release()
            if not future.done():
                future.set_result(result)

        def work() -> None:
            result = call()
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(ended, result)

        try:
            threading.Thread(target=work, name=self._name, daemon=True).start()
        except RuntimeError:  # no more threads on this machine
            self._free.release()
            raise
        return future
