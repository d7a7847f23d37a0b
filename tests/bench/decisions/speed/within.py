"""Hours of a candidate that is within its limits (or on the good line), scrape by scrape, and their evidence."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from modelrollout.core.analysis.stats.arrays import CountTicks, StableHistory
from modelrollout.core.analysis.stats.count_evidence import CountEvidence, count_evidence
from modelrollout.core.analysis.stats.limits import ERROR_RATE, LimitLine
from modelrollout.core.analysis.stats.parameters import DEFAULTS, SLOWER
from tests.bench.decisions.speed.cells import HISTORY, SCRAPE
from tests.bench.decisions.speed.looks import APART
from tests.draws import Random

SCRAPES = 720
"""An hour."""
REQUESTS = 250.0
"""Requests a scrape of both versions together, 5 % of them to the candidate, as on the rest of the page."""
CROWD = 10
"""Requests that come together, where they come in crowds."""


@dataclass(frozen=True)
class World:
    """Shares of bad ones are numbers or one for every scrape, as the weight. `burst`: variance of the bad ones in an
    interval, as a multiple of the binomial's. `crowds`: requests come CROWD at a time."""

    candidate: object
    stable: object
    line: LimitLine = ERROR_RATE
    weight: object = 0.05
    requests: float = REQUESTS
    burst: float = 1.0
    crowds: bool = False
    slow: bool = False


def evidence(rng: Random, world: World, rollouts: int, *, both_sides: bool = False) -> CountEvidence:
    """Of so many rollouts; the good side costs as much again and is left out unless asked for."""
    shape = (rollouts, SCRAPES)
    share = np.broadcast_to(np.asarray(world.weight, dtype=float), SCRAPES)
    past = _requests(rng, world, (rollouts, int(HISTORY / SCRAPE)))
    total = _requests(rng, world, shape)
    n_c = rng.binomial(total, share)
    n_s = total - n_c
    before = float(np.ravel(np.asarray(world.stable))[0])
    rates = ((n_c, world.candidate), (n_s, world.stable), (past, before))
    y_c, y_s, y_past = (_bad(rng, n, rate, world.burst).astype(float) for n, rate in rates)
    raised = np.broadcast_to(np.diff(share, prepend=share[0]) != 0, shape)
    ends = np.arange(1, SCRAPES + 1) * SCRAPE
    ticks = CountTicks(ends, y_c, n_c.astype(float), y_s, n_s.astype(float), restart=raised)
    history = StableHistory(np.arange(1 - past.shape[1], 1) * SCRAPE, y_past, past.astype(float))
    settings = SLOWER if world.slow else DEFAULTS
    if not both_sides:
        settings = replace(settings, good=(), good_prior=())
    return count_evidence(ticks, world.line, history=history, settings=settings)


def _requests(rng: Random, world: World, shape: tuple[int, int]) -> np.ndarray:
    together = CROWD if world.crowds else 1
    found: np.ndarray = rng.poisson(world.requests / together, shape) * together
    return found


def _bad(rng: Random, total: np.ndarray, rate: object, burst: float) -> np.ndarray:
    """Binomial; or with bursts that last an interval, each version by itself, of variance n p (1 - p) * burst in it."""
    mean = np.broadcast_to(np.asarray(rate, dtype=float), total.shape)
    if burst > 1:
        whole = total.reshape(*total.shape[:-1], -1, APART).sum(axis=-1)
        strength = np.maximum(whole - 1, 1) / (burst - 1) - 1
        once = mean[..., ::APART]
        drawn = rng.beta(np.maximum(once * strength, 1e-9), np.maximum((1 - once) * strength, 1e-9))
        mean = np.repeat(drawn, APART, axis=-1)
    found: np.ndarray = rng.binomial(total, mean)
    return found
