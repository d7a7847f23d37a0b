"""What its own metrics cost the operator: the same fleet with and without them by turns, in CPU of its process.

    python -m tests.bench.scale.metrics --pairs 4 100:12      # a minute and a half a pair

Each side is an operator started anew over the same world. With metrics it is scraped every 15 s, as Prometheus does,
with gzip; without, it has no port and makes no samples. The first of a pair alternates, so that what drifts cancels.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import requests

from tests import ROOT
from tests.bench.scale.processes import Operator, World
from tests.bench.scale.row import INTERVAL
from tests.lab import free_port, say

SCRAPE = 15.0
WARM = 20.0
"""Seconds after the start that do not count: everything is read and judged once."""


@dataclass(frozen=True)
class Pair:
    """CPU seconds of the same time without metrics and with, and the scrapes in it."""

    without: float
    with_metrics: float
    scrapes: tuple[tuple[int, float], ...]
    """(bytes as sent, seconds) of each."""

    @property
    def more(self) -> float:
        """By what share of itself it grew."""
        return self.with_metrics / self.without - 1


def pair(world: World, seconds: float, *, first: bool) -> Pair:
    """`first`: with metrics first."""
    used, scrapes = dict[bool, float](), list[tuple[int, float]]()
    for on in (first, not first):
        port = free_port() if on else 0
        with (
            tempfile.TemporaryDirectory() as folder,
            Operator(world, Path(folder), ROOT / "operator", metrics=port) as one,
        ):
            over = threading.Event()
            scraper = threading.Thread(target=_scrape, args=(port, over, scrapes)) if on else None
            if scraper is not None:
                scraper.start()
            time.sleep(WARM)
            before = one.usage().cpu
            time.sleep(seconds)
            used[on] = one.usage().cpu - before
            over.set()
            if scraper is not None:
                scraper.join()
    return Pair(used[False], used[True], tuple(scrapes))


def _scrape(port: int, over: threading.Event, found: list[tuple[int, float]]) -> None:
    """As Prometheus does, until it is over."""
    while not over.wait(SCRAPE):
        began = time.monotonic()
        answer = requests.get(
            f"http://127.0.0.1:{port}/metrics", headers={"Accept-Encoding": "gzip"}, timeout=10, stream=True
        )
        found.append((len(answer.raw.read(decode_content=False)), time.monotonic() - began))


def sentence(pairs: list[Pair], what: str) -> str:
    """The figures in words."""
    each = [one.more for one in pairs]
    size, took = (statistics.median(column) for column in zip(*(s for one in pairs for s in one.scrapes), strict=True))
    spread = f"{100 * min(each):+.1f} to {100 * max(each):+.1f} %"
    whole = sum(one.with_metrics for one in pairs) / sum(one.without for one in pairs) - 1
    return (
        f"{what}: {100 * whole:+.1f} % CPU with metrics ({len(pairs)} pairs, {spread}); "
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
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=2 * INTERVAL, help="each side is measured for so long (30)")
    given = parser.parse_args()
    number, active = (int(part) for part in given.fleet.split(":"))
    world = World(6, 3600.0)
    try:
        world.order("create", first=0, last=number, gates=3)
        with tempfile.TemporaryDirectory() as folder, Operator(world, Path(folder), ROOT / "operator"):
            _until(world, "Serving 0", number)
            world.order("begin", first=0, last=active)
            _until(world, "Stepping 20", active)
        pairs = []
        for index in range(given.pairs):
            pairs.append(pair(world, given.seconds, first=bool(index % 2)))
            say(
                f"{pairs[-1].without:.2f} s without, {pairs[-1].with_metrics:.2f} s with: {100 * pairs[-1].more:+.1f} %"
            )
    finally:
        world.stop()
    print(sentence(pairs, f"{number} rollouts, {active} of them under way"), flush=True)
    return 0


def _until(world: World, phase: str, number: int) -> None:
    end = time.monotonic() + 300
    while world.order("phases").get(phase, 0) < number:
        if time.monotonic() > end:
            raise TimeoutError(f"not {number} {phase} after 300 s")
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
