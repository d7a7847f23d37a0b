"""What is drawn: one change, at one moment, at one rate of requests, scrape by scrape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modelrollout.core.analysis.stats.arrays import CountTicks, StableHistory
from tests.draws import Random

SCRAPE = 5.0
"""Seconds between two scrapes, each a look."""
INTERVAL = 15.0
"""Seconds between two looks of the operator while nothing leans bad."""
STABLE = 4
"""Requests to stable for each to the candidate: a weight of 20 %."""
HISTORY = 1800.0
ONSETS = (0, 2, 10, 60)
"""Minutes after the rollout's start."""
RATES = (1, 4, 20, 100)
"""Candidate requests a second."""
CHANGES = ((0.001, 0.01), (0.005, 0.05), (0.01, 0.05))
"""(share of errors before the change and of stable, share after it)."""
SLOWER = 1.5
"""Of the latency, in the cells whose change is None."""
AFTER = {1: 2400.0, 4: 900.0, 20: 300.0, 100: 120.0}
"""Seconds that are watched after the change, by rate: about three times what it takes."""


@dataclass(frozen=True)
class Cell:
    """One line of the table. `change` None: latency times SLOWER."""

    change: tuple[float, float] | None
    rate: int
    onset: int

    @property
    def at(self) -> float:
        """When it changes, in seconds after the start."""
        return 60.0 * self.onset

    @property
    def scrapes(self) -> int:
        """Until the end of what is watched."""
        return int((self.at + AFTER[self.rate]) / SCRAPE)

    @property
    def name(self) -> str:
        if self.change is None:
            return f"latency x{SLOWER:g}"
        return f"{100 * self.change[0]:g} to {100 * self.change[1]:g} % errors"


@dataclass(frozen=True)
class Drawn:
    """Rollouts of one cell: `began` (B,) seconds at which each changed."""

    ticks: CountTicks
    history: StableHistory
    began: np.ndarray


def cells() -> list[Cell]:
    """Every change at every rate and moment."""
    changes = (*CHANGES, None)
    return [Cell(change, rate, onset) for change in changes for rate in RATES for onset in ONSETS]


def moments(rng: Random, cell: Cell, runs: int) -> np.ndarray:
    """When each rollout changes: at the start, or anywhere within a scrape."""
    return cell.at + (rng.uniform(0, SCRAPE, runs) if cell.onset else np.zeros(runs))


def share_after(cell: Cell, began: np.ndarray) -> np.ndarray:
    """The part of every scrape's time that lies after the change, (B, T)."""
    ends = np.arange(1, cell.scrapes + 1) * SCRAPE
    return np.clip((ends - began[:, None]) / SCRAPE, 0, 1)


def draw(rng: Random, cell: Cell, runs: int) -> Drawn:
    """Errors of a cell with such a change."""
    assert cell.change is not None, "latency has histograms"
    before, after = cell.change
    shape, past = (runs, cell.scrapes), (runs, int(HISTORY / SCRAPE))
    began = moments(rng, cell, runs)
    n_c, n_s = rng.poisson(cell.rate * SCRAPE, shape), rng.poisson(STABLE * cell.rate * SCRAPE, shape)
    bad = rng.binomial(n_c, before + (after - before) * share_after(cell, began))
    seen = rng.poisson((1 + STABLE) * cell.rate * SCRAPE, past)
    counts = (a.astype(float) for a in (bad, n_c, rng.binomial(n_s, before), n_s))
    ends = np.arange(1, cell.scrapes + 1) * SCRAPE
    history = StableHistory(
        np.arange(1 - past[1], 1) * SCRAPE, rng.binomial(seen, before).astype(float), seen.astype(float)
    )
    return Drawn(CountTicks(ends, *counts), history, began)
