"""How much the process may hold of answers that are read: half of it is divided by server, the other half is lent.

Nobody waits for room. A server that needs more than its part while the rest is lent is refused, and is asked for less:
so one server's answers, however large or slow, cost no other server's answer a second. Of what a server may have one
namespace has half at the most.
"""

from __future__ import annotations

import threading
from collections import defaultdict

from modelrollout.adapters.prometheus.failures import Refused
from modelrollout.adapters.prometheus.limits import MOST_HELD, SMALL

MOST_IN_FLIGHT = 64 * 2**20
"""Bytes of all answers together: what was received of them and what was read out of it, until they are handed on and
let go."""


class Room:
    """Bytes by server; for any thread."""

    def __init__(self, most: int = MOST_IN_FLIGHT) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._held: dict[str, int] = defaultdict(int)
        self._servers: set[str] = set()
        self._tenants: dict[tuple[str, str], int] = defaultdict(int)

    @property
    def held(self) -> int:
        """Bytes of all servers together."""
        with self._lock:
            return sum(self._held.values())

    def expect(self, server: str) -> None:
        """From now on `server` has a part of its own."""
        with self._lock:
            self._servers.add(server)

    def take(self, server: str, number: int, tenant: str = "") -> None:
        """`number` more bytes. Raises Refused where the server has used up its part and all the rest is lent.

        Also where a namespace would have more than half of what the server may have.
        """
        with self._lock:
            part = self.most // 2 // max(len(self._servers), 1)
            mine = self._tenants.get((server, tenant), 0) + number
            if tenant and mine > (part + self.most // 2) // 2:
                raise Refused("AnswerTooLarge", f"no room for more than {mine // 2**20} MiB of one namespace's answers")
            wanted = self._held[server] + number
            others = sum(max(held - part, 0) for name, held in self._held.items() if name != server)
            if wanted > part and wanted - part + others > self.most // 2:
                raise Refused("AnswerTooLarge", f"no room for more than {wanted // 2**20} MiB of answers at once")
            self._held[server] = wanted
            self._tenants[server, tenant] = mine

    def give(self, server: str, number: int, tenant: str = "") -> None:
        """`number` bytes are free again."""
        with self._lock:
            self._held[server] -= number
            if not self._held[server]:
                del self._held[server]
            self._tenants[server, tenant] -= number
            if not self._tenants[server, tenant]:
                del self._tenants[server, tenant]


class Lease:
    """The room of one answer: it is given back when nobody refers to it any more."""

    def __init__(self, room: Room, server: str, tenant: str = "") -> None:
        self._room, self._server, self._tenant = room, server, tenant
        self._taken = 0
        self.bytes = 0

    def take(self, number: int) -> None:
        """The answer holds `number` bytes more. Raises Refused."""
        if self.bytes + number > MOST_HELD:
            raise Refused("AnswerTooLarge", f"the answer takes more than {MOST_HELD // 2**20} MiB of memory")
        more = max(self.bytes + number - SMALL, 0) - self._taken
        if more > 0:
            self._room.take(self._server, more, self._tenant)
            self._taken += more
        self.bytes += number

    def give(self, number: int) -> None:
        """The answer holds `number` bytes less."""
        self.bytes -= number
        less = self._taken - max(self.bytes - SMALL, 0)
        if less > 0:
            self._taken -= less
            self._room.give(self._server, less, self._tenant)

    def __del__(self) -> None:
        if self._taken:
            self._room.give(self._server, self._taken, self._tenant)
