"""One row of the table: a fleet is set up, left alone for a while and measured, and then hit twice."""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.scale.processes import Operator, World
from tests.lab import say

INTERVAL = 15.0
"""Seconds of analysis.interval, the default."""
LONGEST = 900.0
"""Seconds that the setting-up may take."""


@dataclass(frozen=True)
class Fleet:
    """How many rollouts there are, how many of them are under way, and with how many gates (0: the defaults)."""

    all: int
    active: int
    gates: int
    layers: int = 6
    seconds: float = 60.0
    """For so long it is measured."""


@dataclass(frozen=True)
class Figures:
    """What one process spent per second, and how late it was; None where nothing was active."""

    fleet: Fleet
    cpu: float
    """Percent of a core."""
    memory: float
    """MiB, the most that was seen."""
    reads: float
    writes: float
    queries: float
    """Per rollout under way and second."""
    late: float | None
    """Seconds by which the latest evaluation came after its time."""
    abort: float | None
    breach: float | None
    """Seconds from the command, or from the answer that showed it, to the write of the route."""
    load: float
    """Processes that wanted a core, on average."""


def measured(fleet: Fleet, source: Path) -> Figures:
    """Set it up and measure the operator in the folder `source`. TimeoutError where it is not set up in time."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(fleet.layers, 3600.0)
        try:
            world.order("create", first=0, last=fleet.all, gates=fleet.gates)
            with Operator(world, Path(folder), source) as operator:
                try:
                    return _measured(fleet, world, operator)
                except TimeoutError:
                    say(operator.log.read_text()[-2000:])
                    raise
        finally:
            world.stop()


def _measured(fleet: Fleet, world: World, operator: Operator) -> Figures:
    _wait(world, "Serving 0", fleet.all)
    world.order("begin", first=0, last=fleet.active)
    _wait(world, "Stepping 20", fleet.active)
    say(f"{fleet.all} rollouts are set up, {fleet.active} of them are under way")
    time.sleep(1.5 * INTERVAL if fleet.active else INTERVAL / 2)
    before, used, began = world.order("told"), operator.usage(), time.time()
    most, loads = used.memory, list[float]()
    while (left := began + fleet.seconds - time.time()) > 0:
        time.sleep(min(5.0, left))
        most = max(most, operator.usage().memory)
        loads.append(os.getloadavg()[0])
    later, after, took = operator.usage(), world.order("told"), time.time() - began
    spent = {name: after["counts"].get(name, 0) - before["counts"].get(name, 0) for name in after["counts"]}
    kinds = {name: after["kinds"][name] - before["kinds"].get(name, 0) for name in after["kinds"]}
    each = [f"{name} {count / took:.2f}" for name, count in sorted((kinds | spent).items()) if count]
    say(f"a second: {', '.join(each)}")
    abort, breach = _hit(fleet, world) if fleet.active > 1 else (None, None)
    return Figures(
        fleet=fleet,
        cpu=100 * (later.cpu - used.cpu) / took,
        memory=most / 2**20,
        reads=spent.get("reads", 0) / took,
        writes=spent.get("writes", 0) / took,
        queries=spent.get("queries", 0) / took / max(fleet.active, 1),
        late=lateness(after["answered"], began) if fleet.active else None,
        abort=abort,
        breach=breach,
        load=sum(loads) / max(len(loads), 1),
    )


def lateness(answered: dict[str, list[float]], since: float) -> float:
    """By how much the longest gap between two evaluations of a rollout is longer than the interval; at least 0.

    An evaluation asks twice, and asks again soon where a sample was still missing: that belongs to it.
    """
    longest = 0.0
    for times in answered.values():
        begins = [at for before, at in itertools.pairwise([0.0, *sorted(times)]) if at - before > INTERVAL / 3]
        gaps = [at - before for before, at in itertools.pairwise(begins) if at >= since]
        longest = max([longest, *gaps])
    return max(longest - INTERVAL, 0.0)


def _hit(fleet: Fleet, world: World) -> tuple[float, float]:
    """(an abort, a breach), seconds to the write of the route."""
    aborted, broken = fleet.active - 1, fleet.active - 2
    at = world.order("abort", number=aborted)
    abort = _lowered(world, aborted, 30)[0] - at
    world.order("spoil", number=broken)
    written, told = _lowered(world, broken, 240)
    shown = max(each for each in told["answered"][f"m-{broken:04}"] if each <= written)
    return abort, written - shown


def _lowered(world: World, number: int, patience: float) -> tuple[float, dict[str, Any]]:
    end = time.monotonic() + patience
    while True:
        told: dict[str, Any] = world.order("told")
        times = told["lowered"].get(f"m-{number:04}")
        if times:
            return times[-1], told
        if time.monotonic() > end:
            raise TimeoutError(f"rollout {number} was not lowered in {patience:g} s")
        time.sleep(0.5)


def _wait(world: World, phase: str, number: int) -> None:
    end = time.monotonic() + LONGEST
    while (found := world.order("phases")).get(phase, 0) < number:
        if time.monotonic() > end:
            raise TimeoutError(f"{found} after {LONGEST:g} s, and not {number} {phase}")
        time.sleep(1)
