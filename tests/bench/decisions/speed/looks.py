"""When the odds are looked at: at every scrape, or as the operator does, sooner while they rise."""

from __future__ import annotations

import numpy as np

from modelrollout.core.analysis.stats.bets.mixture import risen
from modelrollout.core.analysis.stats.count_evidence import CountEvidence
from modelrollout.core.analysis.stats.parameters import LOG_RISING
from tests.bench.decisions.speed.cells import INTERVAL, SCRAPE

APART = round(INTERVAL / SCRAPE)


def rising(parts: tuple[CountEvidence, ...]) -> np.ndarray:
    """Where the next scrape would be looked at, (B, T)."""
    return np.maximum.reduce([risen(one.log_bad_steps) for one in parts]) >= LOG_RISING


def looked_at(soon: np.ndarray, restarts: np.ndarray | None = None) -> np.ndarray:
    """Which scrapes the operator looks at, (B, T), the rollouts' intervals out of step with each other.

    `restarts` marks scrapes at which a new process starts: it looks at once, and knows of no odds that rise.
    """
    runs, scrapes = soon.shape
    out, eager = np.zeros(soon.shape, dtype=bool), np.zeros(runs, dtype=bool)
    phase = np.arange(runs) % APART
    for at in range(scrapes):
        new = np.zeros(runs, dtype=bool) if restarts is None else restarts[:, at]
        whole = (at + 1 + phase) % APART == 0
        out[:, at] = whole | eager | new
        eager = np.where(whole, soon[:, at], eager & ~new)
    return out


def found_at(reached: np.ndarray, looks: np.ndarray, began: np.ndarray) -> np.ndarray:
    """Seconds from the change until the look that saw the odds reached, (B,); inf for never, NaN for before it."""
    hit = reached & looks
    at = np.where(hit.any(axis=1), (hit.argmax(axis=1) + 1) * SCRAPE - began, np.inf)
    return np.where(at < 0, np.nan, at)
