"""Who keeps setting the weights of a route of Git's back: counted, so that the operator stops raising and says so.

Only raises wait for an end of it. What lowers is written each time, however often somebody else writes.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelrollout.core.observation import ObservedRoute

MOST = 3
"""Times within WITHIN; once it was contested, one more is enough for as long again."""
WITHIN = 180.0
"""Seconds."""
QUIET = 300.0
"""Seconds without a change by others after which a raise is tried again."""


@dataclass
class Contests:
    """What others did to the weights that this process left on one route."""

    _left: dict[str, int] | None = None
    _times: deque[float] = field(default_factory=lambda: deque(maxlen=64))
    _who: str = ""
    _until: float = 0.0
    _again_until: float = 0.0

    def left(self, route: ObservedRoute) -> None:
        """A write of ours has left the route so."""
        self._left = _weights(route)

    def observed(self, route: ObservedRoute | None, now: float) -> str:
        """What to say of it at `now` (epoch seconds); "" where nobody contests the weights."""
        if route is None or not route.adopted or route.foreign:
            self._left = None
            return ""
        found = _weights(route)
        if self._left is not None and found != self._left:
            self._times.append(now)
            self._who = "somebody unknown" if route.ours or not route.manager else route.manager
        self._left = found if self._left is not None else None
        recent = [at for at in self._times if 0 <= now - at <= WITHIN]
        needed = 1 if now < self._again_until else MOST
        if len(recent) >= needed and self._times and self._times[-1] == now:
            self._until, self._again_until = now + QUIET, now + 2 * QUIET
        if now >= self._until:
            return ""
        counted = len([at for at in self._times if now - at <= QUIET])
        return f"{self._who} again and again ({counted} times within {QUIET / 60:.0f} min)"


def _weights(route: ObservedRoute) -> dict[str, int]:
    return {backend.version: route.weight_of(backend.version) for backend in route.backends}
