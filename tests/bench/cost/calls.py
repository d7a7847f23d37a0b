"""Requests that a proxy has seen, sorted by what they are; watches and the Lease are no part of a pass."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab import WRITES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.lab import FaultProxy, Observation

#: First match wins: (kind, method, path).
_KINDS = (
    ("lease", ".*", r"/leases"),
    ("status", "PUT|PATCH", r"/modelrollouts/[^/?]+/status"),
    ("resource", "PUT|PATCH|POST", r"/modelrollouts"),
    ("route", "PUT|PATCH|POST", r"/httproutes"),
    ("Event", "POST", r"/events"),
    ("pass", "GET", r"/modelrollouts/[^/?]+$"),
)


def kind(seen: Observation) -> str:
    """What a request to the API server is: a kind of write, "pass" (its first read), or "read"."""
    for name, method, path in _KINDS:
        if re.fullmatch(method, seen.method) and re.search(path, seen.path):
            return name
    if seen.method not in WRITES:
        return "read"
    parts = [part for part in seen.path.split("?")[0].split("/") if part]
    return f"{seen.method} {'/'.join(parts[-2:])}"


@dataclass(frozen=True)
class Calls:
    """Requests in `seconds`: every pass starts with a read of the resource, which is among `reads`."""

    seconds: float
    passes: int
    reads: int
    writes: tuple[str, ...]
    queries: int

    @property
    def without_events(self) -> int:
        """Writes that move or record something."""
        return sum(write != "Event" for write in self.writes)


def count(api: FaultProxy, prometheus: FaultProxy, since: float, until: float) -> Calls:
    """What went through both proxies between two time.time()s."""
    kinds = [kind(seen) for seen in _between(api.seen, since, until) if not seen.watch]
    asked = sum(1 for _ in _between(prometheus.seen, since, until))
    reads = sum(each in ("pass", "read") for each in kinds)
    writes = tuple(each for each in kinds if each not in ("pass", "read", "lease"))
    return Calls(until - since, kinds.count("pass"), reads, writes, asked)


def count_for(api: FaultProxy, prometheus: FaultProxy, seconds: float) -> Calls:
    """What goes through both proxies in the next `seconds`."""
    since = time.time()
    time.sleep(seconds)
    return count(api, prometheus, since, time.time())


def _between(seen: Sequence[Observation], since: float, until: float) -> Iterable[Observation]:
    return (each for each in list(seen) if since <= each.at < until)
