"""The gateway's counters of one rollout, read afterwards and judged scrape by scrape."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import requests

from modelrollout.api.spec import Analysis
from modelrollout.core.analysis.metrics.grid import Grid, make_grid
from modelrollout.core.analysis.metrics.increments import increments
from modelrollout.core.analysis.metrics.series import make_series
from modelrollout.core.analysis.stats import alpha_budget
from modelrollout.core.analysis.stats.arrays import CountTicks, StableHistory
from modelrollout.core.analysis.stats.count_evidence import count_evidence
from modelrollout.core.analysis.stats.latency_evidence import LatencyHistory, LatencyTicks, versus_stable
from modelrollout.core.analysis.stats.limits import ERROR_RATE
from modelrollout.core.analysis.stats.parameters import FALSE_ROLLBACK, REFUSED_PART
from tests.bench.decisions.speed.cells import SCRAPE, Cell
from tests.bench.peers.story import Canary

GATES = 3
"""Errors, latency and non-finite values: what is judged where the manifest names no gates."""
WARM_UP = Analysis().warmup
"""Seconds after a raise in which latency is not judged."""
RANGE = "30m"


def found_offline(prometheus: str, canary: Canary, cell: Cell, during: tuple[float, float]) -> float | None:
    """Epoch seconds of the scrape's end at which the odds were reached; None where they were not.

    `during`: (raised, the last counts that matter).
    """
    begin, until = during
    grid = make_grid(begin, SCRAPE, -round(600 / SCRAPE), int((until - begin) / SCRAPE))
    start = -grid.first
    judge = _slow if cell.change is None else _failed
    odds, needed = judge(prometheus, canary, grid, start)
    reached = np.flatnonzero(odds >= needed)
    return float(grid.ends[start + reached[0]]) if len(reached) else None


def _failed(prometheus: str, canary: Canary, grid: Grid, start: int) -> tuple[np.ndarray, float]:
    arms = []
    for version in (2, 1):
        codes = _counts(prometheus, "traefik_service_requests_total", canary, version, grid, "code")
        total = sum(codes.values(), np.zeros(grid.count))
        arms.append((sum((n for code, n in codes.items() if code.startswith("5")), np.zeros(grid.count)), total))
    (bad, all_of), (stable_bad, stable_all) = arms
    past, now = slice(0, start), slice(start, None)
    ticks = CountTicks(grid.ends[now], bad[now], all_of[now], stable_bad[now], stable_all[now])
    history = StableHistory(grid.ends[past], stable_bad[past], stable_all[past])
    needed = alpha_budget.odds_needed((1 - REFUSED_PART) / GATES, FALSE_ROLLBACK)
    return count_evidence(ticks, ERROR_RATE, history=history).log_bad, math.log(needed)


def _slow(prometheus: str, canary: Canary, grid: Grid, start: int) -> tuple[np.ndarray, float]:
    metric = "traefik_service_request_duration_seconds_bucket"
    found = [_counts(prometheus, metric, canary, version, grid, "le") for version in (2, 1)]
    edges = sorted({float(le) for each in found for le in each} - {math.inf})
    candidate, stable = (_per_bucket(each, edges) for each in found)
    now = grid.ends[start:]
    warming = now - SCRAPE < now[0] - SCRAPE + WARM_UP - 1e-6
    ticks = LatencyTicks(now, np.array(edges), candidate[start:], stable[start:], ignore=warming)
    history = LatencyHistory(grid.ends[:start], stable[:start])
    needed = alpha_budget.odds_needed(1 / GATES, FALSE_ROLLBACK)
    return versus_stable(ticks, history=history).log_bad, math.log(needed)


def _per_bucket(found: dict[str, np.ndarray], edges: list[float]) -> np.ndarray:
    below = {float(le): counts for le, counts in found.items()}
    at_most = np.stack([below[edge] for edge in [*edges, math.inf]], axis=1)
    return np.maximum(np.diff(at_most, axis=1, prepend=0.0), 0.0)


def _counts(url: str, metric: str, canary: Canary, version: int, grid: Grid, label: str) -> dict[str, np.ndarray]:
    """Growth per scrape by the value of `label`. The gateway was scraped all along: what is new began at 0."""
    selector = f'{metric}{{service=~".*{canary.namespace}-{canary.name}-v{version}-.*"}}'
    answer = requests.get(f"{url}/api/v1/query", params={"query": f"{selector}[{RANGE}]"}, timeout=60)
    answer.raise_for_status()
    out: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(grid.count))
    for one in answer.json()["data"]["result"]:
        series = make_series(one["metric"], ((float(at), float(value)) for at, value in one["values"]))
        out[one["metric"][label]] += increments(series, grid, from_zero=True)
    return dict(out)
