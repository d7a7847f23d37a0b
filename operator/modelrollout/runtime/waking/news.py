"""What wakes a pass: an event about a version of an object that a pass has read or written itself is no news."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["resource", "route"]
Version = tuple[Kind, str]
"""What the event is about, and its resourceVersion: another kind of object may have the same one."""
REMEMBERED = 32
"""Versions that are known; an older one that is shown again is news, which costs one pass and nothing else."""


@dataclass
class News:
    """Wakes one resource's worker. What is told during a pass is settled at its end: it may be of the pass's own."""

    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _seen: deque[Version] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _told: deque[Version] | None = None
    """What was told since the pass under way began; None between passes."""

    def told(self, version: Version | None) -> None:
        """An event came; None where it is news whatever is known, such as a deletion."""
        if version is None or not version[1]:
            self.wake.set()
        elif self._told is not None:
            self._told.append(version)
        elif version not in self._seen:
            self.wake.set()

    def seen(self, kind: Kind, version: object) -> None:
        """A pass has read this version, or its own write has made it and left nothing to be done."""
        self._seen.append((kind, str(version or "")))

    def begin(self) -> None:
        """A pass begins: whatever was told before, it sees the world as it is now."""
        self.wake.clear()
        self._told = deque(maxlen=REMEMBERED)

    def end(self) -> None:
        """The pass is over, however it ended: what it has not seen of what was told meanwhile is for the next."""
        told, self._told = self._told or (), None
        if any(version not in self._seen for version in told):
            self.wake.set()
