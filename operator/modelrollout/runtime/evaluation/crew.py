"""Who works on samples: for many of them one thread, one rollout at a time; few wait for nobody.

Work on many samples holds the interpreter and copies what it works on, so a second such thread would take memory and
give no time.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

MANY = 100_000
"""Samples; six layers of a model for an hour are half as many."""
P = ParamSpec("P")
T = TypeVar("T")


def _one(name: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix=name)


@dataclass
class Crew:
    """Two ways to have something done off the event loop."""

    _many: ThreadPoolExecutor = field(default_factory=lambda: _one("many samples"))

    async def run(self, samples: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work` returns or raises; it looks at so many `samples`."""
        if samples <= MANY:
            return await asyncio.to_thread(work, *args, **kwargs)
        about = contextvars.copy_context()  # as to_thread does it: what is logged there says of which resource
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._many, lambda: about.run(work, *args, **kwargs))
