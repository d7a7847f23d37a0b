"""What a controller spends: its own CPU and memory, and what it asks of the API server and of Prometheus."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from tests.lab import WRITES

if TYPE_CHECKING:
    from tests.bench.peers.tools import Tool


@dataclass(frozen=True)
class Cost:
    """Of the controller alone, over `seconds`; watches and Leases are not counted."""

    seconds: float
    cpu: float
    """Seconds."""
    memory: float
    """Bytes, at the end."""
    reads: int
    writes: int
    queries: int

    @classmethod
    def so_far(cls, tool: Tool) -> Self:
        """Since it started; `seconds` is the moment."""
        cpu, memory = tool.usage()
        calls = [each for each in list(tool.seat.api.seen) if not each.watch and "/leases" not in each.path]
        writes = sum(each.method in WRITES for each in calls)
        return cls(time.monotonic(), cpu, memory, len(calls) - writes, writes, len(tool.seat.prometheus.seen))

    def since(self, then: Self) -> Self:
        return type(self)(
            self.seconds - then.seconds,
            self.cpu - (then.cpu if self.cpu >= then.cpu else 0.0),  # one started again has begun to count anew
            self.memory,
            self.reads - then.reads,
            self.writes - then.writes,
            self.queries - then.queries,
        )
