"""What is lost where requests are few: a tick in which one version has none says nothing of the other's."""

from __future__ import annotations

import numpy as np

from modelrollout.core.analysis.stats.joining import group
from modelrollout.core.analysis.stats.limits import ERROR_RATE
from modelrollout.core.analysis.stats.parameters import JOIN_REQUESTS
from modelrollout.core.analysis.stats.traffic.forecast import growth
from tests.bench.decisions.speed.cells import INTERVAL, SCRAPE
from tests.bench.decisions.table import table

RATES = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
WEIGHTS = (0.05, 0.2, 0.5, 0.8, 0.95)
TICKS = 24_000
SEED = 20260104


def few_section() -> str:
    """Percent lost at every rate and weight: ticks of a scrape / of an interval / joined."""
    rows = [[f"{rate:g}", *(_cell(rate, weight) for weight in WEIGHTS)] for rate in RATES]
    head = [f"{100 * weight:g} %" for weight in WEIGHTS]
    return table(["stable's requests a second", *head], rows) + (
        f"\n\nEach cell: % lost with ticks of {SCRAPE:g} s / of {INTERVAL:g} s / joined."
    )


def _cell(rate: float, weight: float) -> str:
    return " / ".join(f"{100 * max(part, 0.0):.0f}" for part in lost(rate, weight))


def lost(rate: float, weight: float, ticks: int = TICKS) -> tuple[float, float, float]:
    """Shares of the evidence that are lost, of what the same requests say in one tick that is endless."""
    rng = np.random.default_rng([SEED, round(1000 * rate), round(1000 * weight)])
    mean = SCRAPE * rate * weight / (1 - weight), SCRAPE * rate
    n_c, n_s = (rng.poisson(each, ticks).astype(float) for each in mean)
    whole = _says(np.array([mean[0]]), np.array([mean[1]])) * ticks
    groups = group(np.arange(1, ticks + 1) * SCRAPE, n_c + n_s, np.zeros(ticks, dtype=bool), JOIN_REQUESTS)
    parts = round(INTERVAL / SCRAPE)
    coarse = (one.reshape(-1, parts).sum(axis=1) for one in (n_c, n_s))
    return tuple(1 - _says(*pair) / whole for pair in ((n_c, n_s), coarse, (groups.of(n_c), groups.of(n_s))))  # type: ignore[return-value]


def _says(n_c: np.ndarray, n_s: np.ndarray) -> float:
    """Expected log evidence of all these ticks."""
    both = np.stack([n_c, n_s])[:, (n_c > 0) & (n_s > 0)]
    kinds, times = np.unique(both, axis=1, return_counts=True)
    rates = np.full(len(times), 0.05), np.full(len(times), 0.01)
    return float((times * kinds[0] * growth(*rates, kinds[1] / kinds[0], ERROR_RATE)).sum())
