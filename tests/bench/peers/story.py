"""What the canaries do, and when: the same for every tool, so that only the tools differ."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Self

RATE = 20.0
"""Requests/s of one canary's clients, Poisson."""
WEIGHT = 20
"""Percent for the candidate while the story runs; nobody is let beyond it."""
MEDIAN, SPREAD = 0.2, 0.3
"""Seconds that half of the requests take at least, and the standard deviation of their logarithm: P99 is 0.4 s, below
the half second of the peers' documentation, and 0.6 s when all takes 1.5 times as long. A busy machine adds little."""


@dataclass(frozen=True)
class Behaviour:
    """Of one backend: the share of requests it fails (503), how much slower it is, the share whose answer is NaN."""

    errors: float = 0.005
    slower: float = 1.0
    nan: float = 0.0


USUAL = Behaviour()


@dataclass(frozen=True)
class Scenario:
    """`canaries` of it run beside each other; `lasts` seconds after the onset all is as usual again (None: never)."""

    name: str
    canaries: int
    what: str
    candidate: Behaviour = USUAL
    stable: Behaviour = USUAL
    lasts: float | None = None

    @property
    def is_bad(self) -> bool:
        """Whether the candidate ought to be rolled back."""
        return self.candidate != self.stable

    @property
    def has_onset(self) -> bool:
        return (self.candidate, self.stable) != (USUAL, USUAL)


INCIDENT = Behaviour(errors=0.05)
SCENARIOS = (
    Scenario("equal", 4, "both versions fail 0.5 % of their requests"),
    Scenario("errors-5", 2, "the candidate's errors go from 0.5 to 5 %", Behaviour(errors=0.05)),
    Scenario("errors-1.5", 2, "the candidate's errors go from 0.5 to 1.5 %", Behaviour(errors=0.015)),
    Scenario("incident", 2, "both versions fail 5 % for two minutes", INCIDENT, INCIDENT, lasts=120),
    Scenario("latency", 1, "the candidate takes 1.5 times as long", Behaviour(slower=1.5)),
    Scenario("nan", 1, "5 % of the candidate's answers are NaN, with status 200", Behaviour(nan=0.05)),
)
BY_NAME = {each.name: each for each in SCENARIOS}
OUTAGE = "outage"
"""Of Prometheus: it is for all canaries at once, after the others."""


@dataclass(frozen=True)
class Timeline:
    """Seconds at WEIGHT before the onset, after it, without Prometheus, and after that; `settle`: to get there."""

    before: float = 90.0
    after: float = 420.0
    outage: float = 120.0
    recovery: float = 60.0
    settle: float = 420.0

    def without_outage(self) -> Self:
        return type(self)(self.before, self.after, 0.0, 0.0, self.settle)


FULL = Timeline()
QUICK = Timeline(before=60.0, after=150.0, outage=60.0, recovery=45.0)


@dataclass(frozen=True)
class Moments:
    """time.time() of what happened to all canaries of a round; the outage is (began, ended), or None."""

    onset: float
    until: float
    end: float
    outage: tuple[float, float] | None = None


@dataclass(frozen=True)
class Canary:
    """One of a tool's: addresses are those of its backends."""

    name: str
    scenario: str
    namespace: str
    addresses: dict[str, str] = field(default_factory=dict)
    rate: float = RATE

    @property
    def host(self) -> str:
        return f"{self.name}.{self.namespace}.example.com"


ARMS = ("stable", "candidate")
PORT = 8000


def addresses_of(tool: int, number: int) -> dict[str, str]:
    """Of the backends of a tool's canary: 127.x.TOOL.N, x being this process's, for two rounds may run at a time."""
    network = 64 + os.getpid() % 128
    return {arm: f"127.{network}.{tool}.{2 * number + index}" for index, arm in enumerate(ARMS)}


def canaries(tool: int, namespace: str, names: tuple[str, ...]) -> list[Canary]:
    """The canaries of the `tool`th tool."""
    chosen = [name for name in BY_NAME if name in names for _ in range(BY_NAME[name].canaries)]
    return [
        Canary(
            f"c{number:02}",
            scenario,
            namespace,
            addresses_of(tool, number),
        )
        for number, scenario in enumerate(chosen, start=1)
    ]
