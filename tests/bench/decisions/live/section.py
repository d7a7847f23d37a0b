"""What is kept of the rollouts on the lab, and the page's part about them."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench.decisions.live import batch
from tests.bench.decisions.live.batch import Seen
from tests.bench.decisions.speed.cells import STABLE, Cell
from tests.bench.decisions.table import table

DATA = Path(__file__).parents[1] / "data" / "live.json"
CHANGES = ((0.005, 0.05), (0.01, 0.05), None)
RATES = (4, 20)
ONSETS = (0, 2)
COPIES = 3
AT_ONCE = 600.0
"""Requests/s of all canaries of one lab together."""
_TEXT = """\
The same changes in whole rollouts: a real API server, Traefik, Prometheus (scraping every 5 s) and the operator with
its default gates, which needs odds of 94:1 for errors and 75:1 for latency (three gates); stable has a minute of
history (`make bench-decisions-live`). *Live* is from the change to the write of the route that the API server shows;
*offline* is the scrape at which the evidence of the very counts of that run reached the odds. Median (least to most)
seconds, *later* where one gate alone did not reach its odds in those counts: the operator acts on all gates together,
too, and cuts time from its own start. What lies between is a scrape's own lag, the look, and the write; the default
warm-up leaves latency out for the first minute. Measured with a load of {least:.1f} to {most:.1f} a core ({machine});
{missing}.
{rows}
"""


def measure(copies: int, say: Callable[[str], None], rates: Sequence[int] = RATES, path: Path = DATA) -> None:
    """Run `copies` of every cell, some at a time; keep what was seen after each lab."""
    found: list[Seen] = []
    for number, cells in enumerate(batches(copies, rates), start=1):
        say(f"lab {number}: {', '.join(f'{one.name} at {one.rate}/s, minute {one.onset}' for one in cells)}")
        found += batch.run(cells, number, say)
        for one in found[-len(cells) :]:
            say(f"{one.change}, {one.rate}/s, minute {one.onset}: live {one.live}, offline {one.offline}")
        path.write_text(json.dumps(batch.as_json(found), indent=1) + "\n", encoding="utf-8")


def batches(copies: int, rates: Sequence[int]) -> list[list[Cell]]:
    """All cells, at most AT_ONCE requests/s in each batch; one cell may be more."""
    out: list[list[Cell]] = []
    for rate in rates:
        cells = [Cell(change, rate, onset) for _ in range(copies) for change in CHANGES for onset in ONSETS]
        each = max(1, int(AT_ONCE / (rate * (1 + STABLE))))
        out += [cells[at : at + each] for at in range(0, len(cells), each)]
    return out


def live_section(path: Path = DATA) -> str:
    """The table of what was seen last."""
    if not path.exists():
        return "Not measured yet."
    found = [Seen(**one) for one in json.loads(path.read_text(encoding="utf-8"))]
    rows = []
    for change in dict.fromkeys(one.change for one in found):
        for rate in RATES:
            for onset in ONSETS:
                here = [one for one in found if (one.change, one.rate, one.onset) == (change, rate, onset)]
                if here:
                    told = [_told([one.live for one in here]), _told([one.offline for one in here])]
                    rows.append([f"{rate}", change, f"{onset}", f"{len(here)}", *told])
    head = ["a second", "change", "minute", "rollouts", "live", "offline, the same counts"]
    busy = [one.busy for one in found]
    late = sum(one.live is None for one in found)
    return _TEXT.format(
        rows=table(head, rows),
        least=min(busy),
        most=max(busy),
        machine=f"{os.cpu_count()} cores, {platform.machine()}",
        missing="all were rolled back"
        if not late
        else f"{late} of {len(found)} were not rolled back in the time watched",
    )


def _told(seconds: Sequence[float | None]) -> str:
    known = sorted(math.inf if one is None else one for one in seconds)
    middle, *ends = (
        f"{one:.0f}" if math.isfinite(one) else "later" for one in (statistics.median(known), known[0], known[-1])
    )
    return f"{middle} ({ends[0]} to {ends[1]})"
