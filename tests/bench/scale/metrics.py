"""What its own metrics cost the operator: two side by side over two equal fleets, one with metrics, one without.

    python -m tests.bench.scale.metrics 100:12       # two minutes

CPU of each process over the same seconds, so that a busy machine makes both alike. The one with metrics is scraped
every 15 s, as Prometheus does, with gzip; the other has no port and makes no samples. `--swap` gives the first fleet
the metrics: what comes from the order is then seen.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import requests

from tests import ROOT
from tests.bench.scale.processes import Operator, World
from tests.lab import free_port, say

SCRAPE = 15.0
SETTLED = 45.0
"""Seconds that do not count: what a process does once after its start is no cost of metrics."""


@dataclass(frozen=True)
class Window:
    """CPU seconds of both between two scrapes."""

    without: float
    with_metrics: float

    @property
    def more(self) -> float:
        """By what share of the one without."""
        return self.with_metrics / self.without - 1


@dataclass(frozen=True)
class Scrape:
    """Bytes as sent, and seconds until they were there."""

    size: int
    took: float


class Side:
    """One fleet with its operator; `port` 0: without metrics."""

    def __init__(self, stack: ExitStack, number: int, port: int) -> None:
        self.world = World(6, 3600.0)
        stack.callback(self.world.stop)
        self.world.order("create", first=0, last=number, gates=3)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.operator = stack.enter_context(Operator(self.world, folder, ROOT / "operator", metrics=port))

    def until(self, phase: str, number: int) -> None:
        end = time.monotonic() + 300
        while self.world.order("phases").get(phase, 0) < number:
            if time.monotonic() > end:
                raise TimeoutError(f"not {number} {phase} after 300 s")
            time.sleep(1)


def measured(number: int, active: int, windows: int, *, swap: bool) -> tuple[list[Window], list[Scrape]]:
    """That many windows of SCRAPE seconds, one scrape in each."""
    with ExitStack() as stack:
        port, scrapes, over = free_port(), list[Scrape](), threading.Event()
        sides = [Side(stack, number, with_port) for with_port in ((port, 0) if swap else (0, port))]
        for side in sides:
            side.until("Serving 0", number)
        for side in sides:
            side.world.order("begin", first=0, last=active)
        for side in sides:
            side.until("Stepping 20", active)
        scraper = threading.Thread(target=_scrape, args=(port, over, scrapes))
        scraper.start()
        stack.callback(scraper.join)
        stack.callback(over.set)
        say(f"{number} rollouts are set up twice, {active} of them are under way")
        time.sleep(SETTLED)
        before = len(scrapes)
        used = [_used(sides)]
        for _ in range(windows):
            time.sleep(SCRAPE)
            used.append(_used(sides))
        spent = [tuple(b - a for a, b in zip(old, new, strict=True)) for old, new in itertools.pairwise(used)]
        return [Window(*(pair[::-1] if swap else pair)) for pair in spent], scrapes[before:]


def _used(sides: list[Side]) -> tuple[float, ...]:
    return tuple(side.operator.usage().cpu for side in sides)


def _scrape(port: int, over: threading.Event, found: list[Scrape]) -> None:
    """As Prometheus does, until it is over."""
    while not over.wait(SCRAPE):
        began = time.monotonic()
        url, headers = f"http://127.0.0.1:{port}/metrics", {"Accept-Encoding": "gzip"}
        answer = requests.get(url, headers=headers, timeout=30, stream=True)
        found.append(Scrape(len(answer.raw.read(decode_content=False)), time.monotonic() - began))


def sentence(what: str, windows: list[Window], scrapes: list[Scrape]) -> str:
    """The figures in words."""
    without, on = (sum(column) for column in zip(*((one.without, one.with_metrics) for one in windows), strict=True))
    each = sorted(one.more for one in windows)
    size, took = (statistics.median(column) for column in zip(*((s.size, s.took) for s in scrapes), strict=True))
    return (
        f"{what}: {100 * (on / without - 1):+.1f} % CPU with metrics ({without:.2f} s, {on:.2f} s in {len(windows)} "
        f"windows of {SCRAPE:.0f} s, {100 * each[0]:+.1f} to {100 * each[-1]:+.1f} %); "
        f"a scrape is {size / 1024:.0f} KiB, {1000 * took:.0f} ms"
    )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.scale.metrics",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("fleet", nargs="?", default="100:12", help="ALL:ACTIVE (100:12)")
    parser.add_argument("--windows", type=int, default=4, help="of 15 s each (4)")
    parser.add_argument("--swap", action="store_true", help="metrics for the first fleet instead of the second")
    given = parser.parse_args()
    number, active = (int(part) for part in given.fleet.split(":"))
    found = measured(number, active, given.windows, swap=given.swap)
    print(sentence(f"{number} rollouts, {active} of them under way", *found), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
