"""What a pass looks at besides its object and its route: a part that cannot be read must not keep it from lowering."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass
class Parts:
    """Of one pass about the resource `name`. After a failure it decides less: it may lower and raises nothing."""

    name: str
    failure: Exception | None = None
    """The first one."""

    def read(self, part: Callable[[], T], otherwise: T) -> T:
        """The part, or `otherwise` where that fails."""
        try:
            return part()
        except Exception as error:  # noqa: BLE001 - any defect, and whatever made it come to light
            return self._failed(error, otherwise)

    async def ask(self, part: Callable[[], Awaitable[T]], otherwise: T) -> T:
        """As read(), of what must be waited for."""
        try:
            return await part()
        except Exception as error:  # noqa: BLE001 - as above
            return self._failed(error, otherwise)

    def _failed(self, error: Exception, otherwise: T) -> T:
        log.error("%s: a part of what it looks at cannot be read; only lowering is done", self.name, exc_info=error)
        self.failure = self.failure or error
        return otherwise
