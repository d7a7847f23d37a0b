"""One lab with some canaries at a time: each is raised to 20 %, turns bad, and is rolled back by the operator."""

from __future__ import annotations

import itertools
import os
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass

from tests.bench.decisions.live.offline import found_offline
from tests.bench.decisions.speed.cells import SCRAPE, SLOWER, STABLE, Cell
from tests.bench.peers.stage import Stage, set_behaviour
from tests.bench.peers.story import Behaviour, Canary, addresses_of
from tests.bench.peers.tools import TOOLS
from tests.lab import Lab

SETTLE = 180.0
"""Seconds until every canary must serve its stable version, and be raised after that."""
PAST = 60.0
"""Seconds of stable's traffic before the new version is asked for."""
WATCHED = {4: 300.0, 20: 150.0}
"""Seconds after the change, by rate."""
SCRAPED = 12.0
"""Seconds after the last rollback until its counts can be read."""
SHARE = 1.0 / (1 + STABLE)


@dataclass(frozen=True)
class Seen:
    """One rollout. Seconds from the change: `live` to the write of the route, `offline` to the end of the scrape at
    which the evidence of the same counts reached the odds; None for not in the time that was watched."""

    change: str
    rate: int
    onset: int
    live: float | None
    offline: float | None
    busy: float
    """Load of the machine, by core."""


@dataclass
class _Story:
    canary: Canary
    cell: Cell
    raised: float | None = None
    changed: float | None = None
    back: float | None = None

    @property
    def over(self) -> bool:
        """Whether it was rolled back, or its time is up."""
        limit = self.cell.at + WATCHED[self.cell.rate]
        return self.back is not None or (self.raised is not None and time.time() > self.raised + limit)


def run(cells: Sequence[Cell], seed: int, say: Callable[[str], None]) -> list[Seen]:
    """All of `cells` in one lab. TimeoutError where a canary cannot be set up."""
    with Lab(scrape=SCRAPE, traefik_kinds=True) as lab, ExitStack() as stack:
        stage, ours = Stage(lab, stack), TOOLS["ours"]
        stage.set_up([(ours, ours.settings[0])], lambda tool, at: _canaries(tool, at, cells), seed, SETTLE)
        stories = [_Story(each, cell) for each, cell in zip(stage.tools[0].seat.canaries, cells, strict=True)]
        for one in stories:
            usual, bad = behaviours(one.cell)
            set_behaviour(one.canary, "stable", usual)
            set_behaviour(one.canary, "candidate", usual if one.cell.onset else bad)
        say(f"{len(cells)} canaries; {PAST:.0f} s of stable's traffic")
        time.sleep(PAST)
        stage.begin(SETTLE)
        loads = _watch(stage, stories, say)
        time.sleep(SCRAPED)
        return [_seen(one, lab.prometheus.url, statistics.mean(loads)) for one in stories]


def behaviours(cell: Cell) -> tuple[Behaviour, Behaviour]:
    """(stable's, the bad candidate's)."""
    if cell.change is None:
        return Behaviour(), Behaviour(slower=SLOWER)
    return Behaviour(errors=cell.change[0]), Behaviour(errors=cell.change[1])


def _canaries(tool: int, namespace: str, cells: Sequence[Cell]) -> list[Canary]:
    return [
        Canary(
            f"c{number:02}",
            cell.name,
            namespace,
            addresses_of(tool, number),
            cell.rate / SHARE,
        )
        for number, cell in enumerate(cells, start=1)
    ]


def _watch(stage: Stage, stories: Sequence[_Story], say: Callable[[str], None]) -> list[float]:
    """Until all are over; the machine's loads meanwhile."""
    loads: list[float] = []
    for second in itertools.count():
        loads.append(os.getloadavg()[0] / (os.cpu_count() or 1))
        shares = dict(stage.recorders[0].shares())
        for one in stories:
            _follow(one, shares.get(one.canary.name, []))
        if all(one.over for one in stories):
            return loads
        if second > SETTLE and any(one.raised is None for one in stories):
            raise TimeoutError(
                f"not raised in {SETTLE:.0f} s: {[one.canary.name for one in stories if not one.raised]}"
            )
        if second % 30 == 0:
            say(f"{sum(one.back is not None for one in stories)} of {len(stories)} rolled back; load {loads[-1]:.1f}")
        time.sleep(1)
    return loads


def _follow(one: _Story, shares: Sequence[tuple[float, int]]) -> None:
    """Note when it was raised and rolled back; make it bad when its time has come."""
    if one.raised is None:
        one.raised = next((at for at, share in shares if share > 0), None)
        one.changed = one.raised if one.raised is not None and not one.cell.onset else None
    if one.raised is None:
        return
    if one.changed is None and time.time() >= one.raised + one.cell.at:
        set_behaviour(one.canary, "candidate", behaviours(one.cell)[1])
        one.changed = time.time()
    one.back = next((at for at, share in shares if at > one.raised and share == 0), None)


def _seen(one: _Story, prometheus: str, busy: float) -> Seen:
    assert one.raised is not None, "watched until it was"
    changed = one.changed or one.raised + one.cell.at
    until = (one.back or time.time()) + SCRAPE
    offline = found_offline(prometheus, one.canary, one.cell, (one.raised, until))
    live = None if one.back is None else one.back - changed
    found = None if offline is None else offline - changed
    return Seen(one.cell.name, one.cell.rate, one.cell.onset, live, found, busy)


def as_json(found: Sequence[Seen]) -> list[dict[str, object]]:
    """As it is kept."""
    return [asdict(one) for one in found]
