"""Who works on samples: so many at a time, by turns of namespaces; for many samples one thread for each of two.

Work on many samples holds the interpreter and copies what it works on, so more such threads would take memory and give
no time. Two, each for another namespace: nobody's many samples wait for the end of somebody else's.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from modelrollout.fair.line import Line
from modelrollout.fair.tenant import tenant

MANY = 100_000
"""Samples; six layers of a model for an hour are half as many."""
FEW_AT_ONCE, FEW_OF_ONE = 4, 3
MANY_AT_ONCE, MANY_OF_ONE = 2, 1
P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class _Hands:
    """Threads, and the line of those who wait for one."""

    threads: ThreadPoolExecutor
    line: Line

    @classmethod
    def called(cls, name: str, number: int, most: int) -> _Hands:
        return cls(ThreadPoolExecutor(number, thread_name_prefix=name), Line(number, most))


@dataclass
class Crew:
    """Two ways to have something done off the event loop."""

    _few: _Hands = field(default_factory=lambda: _Hands.called("samples", FEW_AT_ONCE, FEW_OF_ONE))
    _many: _Hands = field(default_factory=lambda: _Hands.called("many samples", MANY_AT_ONCE, MANY_OF_ONE))

    async def run(self, samples: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work` returns or raises; it looks at so many `samples`."""
        hands, whose = self._few if samples <= MANY else self._many, tenant()
        await hands.line.enter(whose)
        about = contextvars.copy_context()  # what is logged there says of which resource
        try:
            working = hands.threads.submit(about.run, lambda: work(*args, **kwargs))
        except BaseException:
            hands.line.leave(whose)
            raise
        loop = asyncio.get_running_loop()
        working.add_done_callback(lambda _: _later(loop, hands.line, whose))
        return await asyncio.wrap_future(working)


def _later(loop: asyncio.AbstractEventLoop, line: Line, whose: str) -> None:
    """The place is free when the thread is, also where nobody waited for the end of it."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(line.leave, whose)
