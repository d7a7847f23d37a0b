"""The least possible with the same promise: who knows both rates exactly bets their likelihood ratio, and looks always.

Nobody who keeps the promise can be sooner at every moment. Whoever rolls a candidate within its limits back in at most
alpha of all rollouts, and finds a change at any moment of the hour within d seconds in half of them, needs

    d * I >= ln(1 / alpha) + ln(hour / d), about,

I being the evidence of a second: the hour has hour / d stretches of such a length, in the one in which a false rollback
is least likely it comes in at most alpha * d / hour of the rollouts, and evidence of I a second turns that into a half
no sooner. So there are two floors. At the start, where a candidate is most likely to be bad, one may stake everything:
the odds needed are reached by the likelihood ratio alone (`knowing`). Later one may not know the moment: who knows all
but that stakes evenly on every second of the hour, which is the best there is against the worst moment (`waiting`,
Shiryaev 1963). The first is printed for the later moments too; there it is what no rule can reach at all of them.

Both look every second. Who sees only scrapes, as the operator does, and lets no single one decide, is later by what
that costs (`scraped`): one scrape may be broken, so its odds are bounded, and two are the least.
"""

from __future__ import annotations

import numpy as np

from modelrollout.core.analysis.stats.bets.mixture import log_mixture
from modelrollout.core.analysis.stats.eprocess import project
from modelrollout.core.analysis.stats.limits import LimitLine
from modelrollout.core.analysis.stats.parameters import LOG_LEAP, LOG_ONE_LOOK
from tests.bench.decisions.speed.cells import AFTER, SCRAPE, STABLE, Cell
from tests.draws import Random

HOUR = 3600.0
LOOKED_BACK = 900.0
"""Seconds before the change that still matter to who stakes on each."""
CAP = 60.0
"""Log odds of one second, beyond which nothing changes."""


def knowing(
    rng: Random, cell: Cell, rates: tuple[float, float], line: LimitLine, runs: int, needed: float
) -> np.ndarray:
    """Seconds until the odds are reached from the very moment of the change; inf where that takes too long."""
    run = np.cumsum(_evidence(rng, cell, rates, line, (runs, int(AFTER[cell.rate])), rates[1]), axis=1)
    return _first(run >= needed)


def waiting(
    rng: Random, cell: Cell, rates: tuple[float, float], line: LimitLine, runs: int, needed: float
) -> np.ndarray:
    """Seconds from the change on, with an equal stake on every second of the hour."""
    before = int(min(cell.at, LOOKED_BACK))
    parts = [
        _evidence(rng, cell, rates, line, (runs, length), rate)
        for length, rate in ((before, rates[0]), (int(AFTER[cell.rate]), rates[1]))
    ]
    evidence = np.minimum(np.concatenate(parts, axis=1), CAP)
    odds = np.full(runs, -np.inf)
    reached = np.zeros(evidence.shape, dtype=bool)
    for second in range(evidence.shape[1]):
        odds = np.logaddexp(odds, -np.log(HOUR)) + evidence[:, second]
        reached[:, second] = odds >= needed
    return _first(reached[:, before:])


def scraped(
    rng: Random, cell: Cell, rates: tuple[float, float], line: LimitLine, runs: int, needed: float
) -> np.ndarray:
    """Seconds from the change to the end of a scrape, of whom knows as much as the floor of this moment does."""
    every = int(SCRAPE)
    before = int(min(cell.at, LOOKED_BACK)) // every * every
    late = np.floor(rng.uniform(0, every, runs)) if cell.onset else np.zeros(runs)
    usual = _evidence(rng, cell, rates, line, (runs, before + every), rates[0])
    changed = _evidence(rng, cell, rates, line, (runs, int(AFTER[cell.rate]) // every * every), rates[1])
    changed[:, :every] = np.where(np.arange(every) >= late[:, None], changed[:, :every], usual[:, before:])
    seconds = np.concatenate([usual[:, :before], changed], axis=1)
    evidence = np.minimum(seconds.reshape(runs, -1, every).sum(axis=2), CAP * every)
    stakes = np.full(evidence.shape, SCRAPE / HOUR)
    if not cell.onset:
        stakes = np.broadcast_to(np.where(np.arange(evidence.shape[1]) == 0, 1.0, 0.0), evidence.shape)
    reached = log_mixture(evidence[None], stakes, (1.0,), LOG_ONE_LOOK, LOG_LEAP) >= needed
    reached = reached[:, before // every :]
    return np.where(reached.any(axis=1), (reached.argmax(axis=1) + 1) * SCRAPE - late, np.inf)


def _evidence(
    rng: Random, cell: Cell, rates: tuple[float, float], line: LimitLine, shape: tuple[int, int], now: float
) -> np.ndarray:
    """Log likelihood ratio of every second, while the candidate's rate is `now`; `rates`: stable's and the bad one."""
    stable, bad = rates
    weights = np.array(1.0), np.array(float(STABLE))
    tc0, ts0 = (float(a) for a in project(*weights, np.array(bad), np.array(stable), line))
    n_c, n_s = rng.poisson(cell.rate, shape), rng.poisson(STABLE * cell.rate, shape)
    y_c, y_s = rng.binomial(n_c, now), rng.binomial(n_s, stable)
    candidate = y_c * np.log(bad / tc0) + (n_c - y_c) * np.log((1 - bad) / (1 - tc0))
    found: np.ndarray = candidate + y_s * np.log(stable / ts0) + (n_s - y_s) * np.log((1 - stable) / (1 - ts0))
    return found


def _first(reached: np.ndarray) -> np.ndarray:
    return np.where(reached.any(axis=1), reached.argmax(axis=1) + 1.0, np.inf)
