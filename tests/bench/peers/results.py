"""What was measured is kept, one file for a tool, its setting and a seed, so that a round may be broken off."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.bench.peers.costs import Cost
from tests.bench.peers.outcomes import Count, Outcome, judge
from tests.bench.peers.story import Moments
from tests.lab import cache_folder


@dataclass(frozen=True)
class Watched:
    """One canary's record."""

    name: str
    scenario: str
    weights: list[tuple[float, int]]
    counts: list[Count]


@dataclass(frozen=True)
class Record:
    """One tool in one round; `busy` is the machine's load average while it was measured, per core."""

    tool: str
    setting: str
    version: str
    shown: str
    seed: int
    quick: bool
    busy: float
    moments: Moments
    cost: Cost
    canaries: list[Watched] = field(default_factory=list)
    unanswered: int = 0
    restarts: int = 0

    @property
    def title(self) -> str:
        return f"{self.tool}, {self.setting}"

    def outcomes(self) -> list[Outcome]:
        return [judge(each.scenario, each.weights, each.counts, self.moments) for each in self.canaries]


def folder() -> Path:
    found = cache_folder() / "peers-results"
    found.mkdir(exist_ok=True)
    return found


def path_of(title: str, seed: int, quick: bool) -> Path:
    words = title.lower().replace(",", "").replace(" ", "-")
    return folder() / f"{words}-{seed}{'-quick' if quick else ''}.json"


def keep(record: Record) -> None:
    path = path_of(record.title, record.seed, record.quick)
    half = path.with_suffix(".half")
    half.write_text(json.dumps(asdict(record)))
    half.rename(path)


def kept(quick: bool, seeds: int) -> list[Record]:
    """Everything measured with the seeds 1 to `seeds`, oldest first."""
    files = sorted(folder().glob("*.json"), key=lambda path: path.stat().st_mtime)
    found = [read(path) for path in files]
    return [each for each in found if each.quick == quick and each.seed <= seeds]


def read(path: Path) -> Record:
    raw = json.loads(path.read_text())
    moments, cost = raw.pop("moments"), raw.pop("cost")
    outage = tuple(moments.pop("outage") or ()) or None
    canaries = [
        Watched(
            each["name"],
            each["scenario"],
            [(at, share) for at, share in each["weights"]],
            [(second, version, status, number) for second, version, status, number in each["counts"]],
        )
        for each in raw.pop("canaries")
    ]
    return Record(**raw, moments=Moments(**moments, outage=outage), cost=Cost(**cost), canaries=canaries)
