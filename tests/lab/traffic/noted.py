"""What was recorded of answers and routes; judging it needs neither a client nor an API server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """`at`: time.time() of sending; `status` 0 with `failure` ("connection" or "timeout") where none came."""

    at: float
    seconds: float
    status: int
    version: str
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Weights:
    """`at`: time.time() of the event; `weights`: backend name to weight of the first rule; {} when deleted."""

    at: float
    weights: dict[str, int]
    generation: int
