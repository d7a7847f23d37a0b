"""What waits to leave the cluster, for one sink: bounded, by turns of namespaces, at a rate, tried again with back-off.

Nothing here is waited for: `post` only puts something down, and one task hands it over. A sink that hangs costs this
task its time, and nobody else anything.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from contextvars import Context
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelrollout.fair.rate import Rate
from modelrollout.ports import Undelivered

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelrollout.core.notice import Notice
    from modelrollout.ports import Channel

log = logging.getLogger(__name__)
MOST_EACH, MOST_NAMESPACES = 20, 50
"""Notices of one namespace that wait, and namespaces; beyond it the oldest that nobody must act on goes."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before the second try, twice as many before each further one, and their end."""
URGENT = frozenset({"RolledBack", "NeedsPerson"})


@dataclass(frozen=True)
class Terms:
    """Of one sink. Seconds."""

    wants: Callable[[Notice], bool]
    per_minute: int = 20
    timeout: float = 10.0
    keep_trying: float = 600.0


class Outbox:
    """For one event loop. `count` is told how each notice ended: sent, failed or dropped."""

    def __init__(
        self,
        name: str,
        channel: Channel,
        terms: Terms,
        count: Callable[[str, str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._channel, self._terms, self._count, self._clock = channel, terms, count, clock
        self._rate = Rate(terms.per_minute / 60, terms.per_minute, clock)
        self._lines: dict[str, deque[tuple[float, Notice]]] = {}
        """(when it was put down, notice) by namespace, in the order in which these had their last turn."""
        self._work: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many notices wait."""
        return sum(map(len, self._lines.values()))

    def post(self, notice: Notice) -> None:
        """Put it down if this sink wants it, and return at once."""
        if not self._terms.wants(notice):
            return
        line = self._lines.get(notice.namespace)
        if line is None:
            if len(self._lines) >= MOST_NAMESPACES:
                self._count(self.name, "dropped")
                return
            line = self._lines.setdefault(notice.namespace, deque())
        line.append((self._clock(), notice))
        if len(line) > MOST_EACH:
            line.remove(next((one for one in line if one[1].kind not in URGENT), line[0]))
            self._count(self.name, "dropped")
        if self._work is None or self._work.done():
            # Of a context of its own: it outlives the pass that began it, and works for others as well.
            self._work = asyncio.create_task(self._deliver_all(), context=Context())

    async def close(self) -> None:
        """What still waits is dropped."""
        if self._work is not None:
            self._work.cancel()
        await self._channel.close()

    async def _deliver_all(self) -> None:
        while self._lines:
            await self._rate.turn("", urgent=False)
            namespace = next(iter(self._lines))
            line = self._lines.pop(namespace)
            posted, notice = line.popleft()
            if line:
                self._lines[namespace] = line
            await self._deliver(notice, posted)

    async def _deliver(self, notice: Notice, posted: float) -> None:
        """Until it was taken, was refused for good, or is too old."""
        pause = FIRST_PAUSE
        if self._clock() - posted > self._terms.keep_trying:
            self._count(self.name, "dropped")
            return
        while True:
            error = await self._try(notice)
            if error is None:
                self._count(self.name, "sent")
                return
            wait = min(max(error.retry_after or 0.0, pause), LONGEST_PAUSE)
            if error.final or self._clock() + wait - posted > self._terms.keep_trying:
                about = f"{notice.namespace}/{notice.name}: {notice.facts['reason']}"
                log.warning("%s was not told to sink %s: %s", about, self.name, error)
                self._count(self.name, "failed")
                return
            self._count(self.name, "retried")
            await asyncio.sleep(wait)
            pause *= 2

    async def _try(self, notice: Notice) -> Undelivered | None:
        try:
            async with asyncio.timeout(self._terms.timeout):
                await self._channel.deliver(notice)
        except Undelivered as error:
            return error
        except TimeoutError:
            return Undelivered(f"it took longer than {self._terms.timeout:g} s")
        except Exception as error:  # noqa: BLE001 - whatever a library raises; its text may hold an address
            return Undelivered(f"{type(error).__name__}, of which no more is said")
        return None
