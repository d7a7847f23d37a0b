"""Every cell of the table: how soon it is found, and how soon it could be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import erf, log, sqrt

import numpy as np

from modelrollout.core.analysis.stats import alpha_budget
from modelrollout.core.analysis.stats.count_evidence import count_evidence
from modelrollout.core.analysis.stats.latency_evidence import LatencyHistory, LatencyTicks, tails, versus_stable
from modelrollout.core.analysis.stats.limits import ERROR_RATE, LimitLine
from modelrollout.core.analysis.stats.parameters import DEFAULTS, FALSE_ROLLBACK, REFUSED_PART
from modelrollout.core.analysis.stats.parameters import SLOWER as SLOWER_SETTINGS
from modelrollout.core.analysis.stats.traffic.forecast import growth
from tests.bench.decisions.speed import least, looks
from tests.bench.decisions.speed.cells import HISTORY, SCRAPE, SLOWER, STABLE, Cell, cells, draw, moments, share_after
from tests.bench.decisions.traces import EDGES, SIGMA, bucket_chances
from tests.draws import Random

GATES = 4
ERRORS_NEED = log(alpha_budget.odds_needed((1 - REFUSED_PART) / GATES, FALSE_ROLLBACK))
LATENCY_NEEDS = log(alpha_budget.odds_needed(1 / GATES, FALSE_ROLLBACK))
QUANTILE = 0.99
FACTOR = 1.3
"""Of the least possible; a scrape and a second come on top."""
AT_ONCE = 25
"""Rollouts whose histograms are held at a time."""
LEAST_RUNS = 500
"""Of the floors, so that the aim does not depend on chance."""
ERRORS = replace(DEFAULTS, good=(), good_prior=())
SLOW = replace(SLOWER_SETTINGS, good=(0.5,), good_prior=(1.0,))
"""The good side is not asked."""


@dataclass(frozen=True)
class Found:
    """Seconds from the change: (median, 95th percentile). `least` is the floor that counts at this moment."""

    cell: Cell
    knowing: tuple[float, float]
    waiting: tuple[float, float]
    scraped: tuple[float, float]
    every_scrape: tuple[float, float]
    as_looked: tuple[float, float]
    early: float
    """Share that was rolled back before anything had changed."""
    looked: float
    """Looks an interval while nothing had changed (1 without any that is sooner)."""

    @property
    def least(self) -> float:
        return self.waiting[0] if self.cell.onset else self.knowing[0]

    @property
    def aim(self) -> float:
        return FACTOR * self.least + SCRAPE + 1


def measure(seed: int, runs: int) -> list[Found]:
    """All cells, `runs` rollouts each."""
    seeds = np.random.SeedSequence(seed).spawn(len(cells()))
    return [_found(np.random.default_rng(one), cell, runs) for cell, one in zip(cells(), seeds, strict=True)]


def _found(rng: Random, cell: Cell, runs: int) -> Found:
    if cell.change is None:
        runs = max(runs, AT_ONCE)
        (rates, line), needed = _slow_rates(), LATENCY_NEEDS
        odds, soon, began = _latency(rng, cell, runs)
    else:
        rates, line, needed = cell.change, ERROR_RATE, ERRORS_NEED
        drawn = draw(rng, cell, runs)
        evidence = count_evidence(drawn.ticks, line, history=drawn.history, settings=ERRORS)
        odds, soon, began = evidence.log_bad, looks.rising((evidence,)), drawn.began
    shown = looks.looked_at(soon)
    before = shown[:, : int(cell.at / SCRAPE)]
    times = [looks.found_at(odds >= needed, one, began) for one in (np.ones(odds.shape, dtype=bool), shown)]
    floors = [
        each(rng, cell, rates, line, LEAST_RUNS, needed) for each in (least.knowing, least.waiting, least.scraped)
    ]
    pairs = [_pair(one) for one in (*floors, *times)]
    looked = float(before.mean()) * looks.APART if before.size else 1.0
    return Found(cell, pairs[0], pairs[1], pairs[2], pairs[3], pairs[4], float(np.isnan(times[0]).mean()), looked)


def _pair(seconds: np.ndarray) -> tuple[float, float]:
    """Median and 95th percentile of those not rolled back before; inf where they were not found in time."""
    ordered = np.sort(seconds[~np.isnan(seconds)])
    last = len(ordered) - 1
    middle = (ordered[last // 2] + ordered[(last + 1) // 2]) / 2
    return float(middle), float(ordered[int(np.ceil(0.95 * last))])


def _latency(rng: Random, cell: Cell, runs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    odds, soon, began = [], [], []
    for _ in range(0, runs, AT_ONCE):
        at = moments(rng, cell, AT_ONCE)
        shape = (AT_ONCE, cell.scrapes)
        usual, slow = bucket_chances(1.0), bucket_chances(SLOWER)
        part = share_after(cell, at)[..., None]
        candidate = rng.multinomial(rng.poisson(cell.rate * SCRAPE, shape), usual + (slow - usual) * part)
        stable = rng.multinomial(rng.poisson(STABLE * cell.rate * SCRAPE, shape), usual)
        scrapes = int(HISTORY / SCRAPE)
        past = rng.multinomial(rng.poisson((1 + STABLE) * cell.rate * SCRAPE, (AT_ONCE, scrapes)), usual)
        ends = np.arange(1, cell.scrapes + 1) * SCRAPE
        found = versus_stable(
            LatencyTicks(ends, EDGES, candidate.astype(float), stable.astype(float)),
            QUANTILE,
            history=LatencyHistory(np.arange(1 - scrapes, 1) * SCRAPE, past.astype(float)),
            settings=SLOW,
        )
        odds.append(found.log_bad)
        soon.append(looks.rising(tuple(one.evidence for one in found.parts)))
        began.append(at)
    return np.concatenate(odds), np.concatenate(soon), np.concatenate(began)


def _slow_rates() -> tuple[tuple[float, float], LimitLine]:
    """(stable's share over its edge, the slow one's over the allowed one) and what is allowed, where that says most.

    Allowed is what stable has, and never less than the quantile leaves.
    """
    found = []
    for tail, floor in tails(QUANTILE):
        edge = int(np.searchsorted(np.cumsum(bucket_chances(1.0)), 1 - tail))
        stable, slow = _over(EDGES[edge], 1.0), _over(EDGES[edge + 1], SLOWER)
        line = LimitLine(1.0, max(floor - stable, 0.0))
        says = float(growth(np.array(slow), np.array(stable), np.array(float(STABLE)), line))
        found.append((says, (stable, slow), line))
    best = max(found, key=lambda one: one[0])
    return best[1], best[2]


def _over(edge: float, scale: float) -> float:
    return 0.5 * (1 - erf(log(edge / (0.1 * scale)) / (SIGMA * sqrt(2))))
