"""The promise, checked on many rollouts: candidates within their limits that are rolled back, or pass beyond them.

`python -m tests.bench.decisions --promise` writes data/promise.json, which the page shows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from modelrollout.core.analysis.stats import alpha_budget
from modelrollout.core.analysis.stats.count_evidence import CountEvidence
from modelrollout.core.analysis.stats.limits import ACCURACY, ERROR_RATE, EXCEEDANCE, NON_FINITE, LimitLine
from modelrollout.core.analysis.stats.parameters import FALSE_ROLLBACK, REFUSED_PART
from tests.bench.decisions.outcome import wilson
from tests.bench.decisions.speed.looks import looked_at, rising
from tests.bench.decisions.speed.measure import GATES
from tests.bench.decisions.speed.within import REQUESTS, SCRAPES, World, evidence
from tests.bench.decisions.table import table
from tests.draws import Random

DATA = Path(__file__).parents[1] / "data" / "promise.json"
SEED = 20260103
ROLLOUTS = 10_000
AT_ONCE = 250
SHOWN = 2_500
RESTARTS = 12
"""Restarts of the operator in the hour, at random scrapes."""
FEW = 5.0
"""Requests a scrape of both versions together where they are few: one a second."""
Judge = Callable[[Random, int], np.ndarray]


@dataclass(frozen=True)
class Checked:
    """How many of `rollouts` were rolled back (or passed), by when the operator looked."""

    case: str
    wanted: float
    """Percent, at most."""
    rollouts: int
    every_interval: int
    every_scrape: int
    as_looked: int
    restarted: int


def check(rollouts: int, say: Callable[[str], None], path: Path = DATA) -> bool:
    """Draw, judge, write after every case; whether all are within what is wanted."""
    found = []
    for number, (case, wanted, judge) in enumerate(cases()):
        rng = np.random.default_rng([SEED, number])
        counts = np.zeros(4, dtype=int)
        for done in range(0, rollouts, AT_ONCE):
            counts += judge(rng, min(AT_ONCE, rollouts - done))
            if (done + AT_ONCE) % SHOWN == 0 or done + AT_ONCE >= rollouts:
                at = min(done + AT_ONCE, rollouts)
                say(f"{case}: {counts[1]} of {at:,} at every scrape (wanted: at most {wanted:g} %)")
        found.append(Checked(case, wanted, rollouts, *(int(one) for one in counts)))
        path.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n", encoding="utf-8")
    return all(met(one) for one in found)


def met(one: Checked) -> bool:
    """Whether what was seen is what is wanted, give or take chance."""
    return wilson(one.every_scrape, one.rollouts)[0] <= one.wanted


def cases() -> Iterator[tuple[str, float, Judge]]:
    """(what the rollouts are, percent that may be wrong, who judges some of them)."""
    time = np.arange(SCRAPES)
    incident = np.where((time >= 240) & (time < 360), 0.06, 0.01)
    drift = 0.006 + 0.012 * (time / SCRAPES) ** 2
    ramp = np.repeat([0.05, 0.25, 0.5, 0.75], SCRAPES // 4)
    yield "as good as stable, all count gates", 2.0, _all_gates
    yield "6 % errors in both versions for 10 min", 0.5, _errors(World(incident, incident))
    yield "bursts in both versions, phi = 2", 2.0, _errors(World(0.01, 0.01, burst=2.0))
    yield "weight raised 5 to 75 % while both drift", 2.0, _errors(World(drift, drift, weight=ramp))
    yield "on the very limit, errors alone (promised 0.8 %)", 0.8, _errors(World(_limit(0.01), 0.01))
    # few requests: ticks are joined, while what both versions have moves between 2 and 20 % every four minutes
    wave = 0.11 + 0.09 * np.sin(2 * np.pi * time / 48)
    for name, weight, crowds in (
        ("20 % of them to the candidate", 0.2, False),
        ("20 %, ten at a time", 0.2, True),
        ("95 %", 0.95, False),
    ):
        what = f"on a limit that moves, one request a second, {name} (0.8 %)"
        yield what, 0.8, _errors(World(_limit(wave), wave, weight=weight, requests=FEW, crowds=crowds))
    for name, crowds in (("one request a second", False), ("ten at a time", True)):
        world = World(_good(wave), wave, weight=0.2, requests=FEW, crowds=crowds)
        yield f"PASS of one on a good line that moves, {name} (5 %)", 5.0, _passes(world)


def _limit(stable: object) -> np.ndarray:
    return ERROR_RATE.at(np.asarray(stable))


def _good(stable: object) -> np.ndarray:
    return ERROR_RATE.good.at(np.asarray(stable))


def _errors(world: World) -> Judge:
    needed = np.log(alpha_budget.odds_needed((1 - REFUSED_PART) / GATES, FALSE_ROLLBACK))

    def judge(rng: Random, rollouts: int) -> np.ndarray:
        found = evidence(rng, world, rollouts)
        return _counts(rng, found.log_bad >= needed, (found,))

    return judge


def _passes(world: World) -> Judge:
    def judge(rng: Random, rollouts: int) -> np.ndarray:
        found = evidence(rng, world, rollouts, both_sides=True)
        return _counts(rng, found.passing, (found,))

    return judge


def _all_gates(rng: Random, rollouts: int) -> np.ndarray:
    """Errors, refusals, wrong answers, NaN and slow requests at two edges, combined as the operator does."""
    share = 1 / GATES
    worlds = (
        World(0.01, 0.01),
        World(0.002, 0.002, LimitLine(1.25, 0.01)),
        World(0.05, 0.05, ACCURACY, requests=0.2 * REQUESTS),
        World(2e-4, 2e-4, NON_FINITE),
        *(World(p, p, EXCEEDANCE, slow=True) for p in (0.1, 0.01)),
    )
    found = [evidence(rng, world, rollouts) for world in worlds]
    odds = [*(one.log_bad for one in found[:-2]), alpha_budget.log_mean(np.stack([one.log_bad for one in found[-2:]]))]
    shares = [share * (1 - REFUSED_PART), share * REFUSED_PART, share, share, share]
    together = alpha_budget.log_combined(np.stack(odds), shares)
    return _counts(rng, together >= alpha_budget.log_threshold(FALSE_ROLLBACK), tuple(found))


def _counts(rng: Random, reached: np.ndarray, parts: tuple[CountEvidence, ...]) -> np.ndarray:
    """Rollouts in which it was reached: looked at every interval, every scrape, as the operator does, with restarts."""
    soon = rising(parts)
    intervals = looked_at(np.zeros(soon.shape, dtype=bool))
    restarts = rng.random(soon.shape) < RESTARTS / SCRAPES
    ways = (intervals, np.ones(soon.shape, dtype=bool), looked_at(soon), looked_at(soon, restarts))
    return np.array([(reached & looks).any(axis=1).sum() for looks in ways])


def promise_section(path: Path = DATA) -> str:
    """The table of what was checked last."""
    if not path.exists():
        return "Not checked yet."
    found = [Checked(**one) for one in json.loads(path.read_text(encoding="utf-8"))]
    rows = []
    for one in found:
        ways = (one.every_interval, one.every_scrape, one.as_looked, one.restarted)
        low, high = wilson(one.every_scrape, one.rollouts)
        shares = [f"{100 * way / one.rollouts:.2f} %" for way in ways]
        shares[1] += f" ({one.every_scrape}/{one.rollouts:,}; {low:.2f} to {high:.2f})"
        rows.append([one.case, f"at most {one.wanted:g} %", *shares, "met" if met(one) else "**missed**"])
    head = ["candidate", "wanted", "every 15 s", "every scrape", "as the operator looks", "with 12 restarts", ""]
    return table(head, rows)
