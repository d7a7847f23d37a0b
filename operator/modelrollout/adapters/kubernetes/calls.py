"""Which call to the API server is sent next: by turns of namespaces, so many a second; a lowering waits for none."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from modelrollout.fair.line import Line
from modelrollout.fair.rate import Rate
from modelrollout.fair.tenant import is_urgent, tenant
from modelrollout.ports import Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PATIENCE = 30.0
"""Seconds that a call waits for its turn among those of its namespace."""
UNDER_WAY, MOST_OF_ONE = 64, 32
"""Calls that were sent and are not answered, and those for one namespace; the client has 100 connections."""


class Calls:
    """For one event loop; `per_second` and `burst` are the configuration's apiCalls."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._rate, self._line = Rate(per_second, burst), Line(UNDER_WAY, MOST_OF_ONE)

    @asynccontextmanager
    async def turn(self, method: str, path: str) -> AsyncIterator[None]:
        """Around a call. Raises Unreachable where its turn does not come in PATIENCE seconds."""
        whose = tenant()
        if is_urgent():
            await self._rate.turn(whose, urgent=True)
            yield
            return
        try:
            async with asyncio.timeout(PATIENCE):
                await self._rate.turn(whose, urgent=False)
                await self._line.enter(whose)
        except TimeoutError:
            raise self._refusal(method, path) from None
        try:
            yield
        finally:
            self._line.leave(whose)

    def _refusal(self, method: str, path: str) -> Unreachable:
        why = f"{method} {path} was not sent: the calls of this namespace alone take longer than {PATIENCE:g} s at"
        fix = f"{self._per_second:g} calls a second; the operator's configuration can allow more: apiCalls.perSecond"
        return Unreachable("ApiThrottled", f"{why} {fix}")
