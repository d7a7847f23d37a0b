"""A Gateway that routes may attach to, and where it listens."""

from __future__ import annotations

from dataclasses import dataclass

LISTENER = "web"
"""Name of its one listener."""


@dataclass(frozen=True)
class Door:
    """The Gateway `namespace`/`name`; `address` and `metrics` are HOST:PORT (send a Host header)."""

    namespace: str
    name: str
    address: str
    metrics: str

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])
