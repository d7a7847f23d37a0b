"""What a rule did over many rollouts, as numbers with their uncertainty."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from modelrollout.core.analysis.stats.arrays import Array, Index
from tests.bench.decisions.traces import PER_MINUTE, Trace


def first_at_least(values: Array, threshold: float) -> Index:
    """Index of the first tick at or above `threshold` along the last axis, -1 where there is none."""
    hit = values >= threshold
    return np.where(hit.any(axis=-1), hit.argmax(axis=-1), -1)


@dataclass(frozen=True)
class Outcome:
    """`hits` of `runs` rolled back (or passed); `after` the minutes from the onset, `harmed` per rollout."""

    hits: int
    runs: int
    after: np.ndarray
    harmed: np.ndarray | None = None

    @property
    def percent(self) -> float:
        """Share of hits in percent."""
        return 100 * self.hits / self.runs

    @property
    def median(self) -> float:
        """Minutes; NaN where nothing was hit."""
        return float(np.median(self.after)) if len(self.after) else math.nan

    @property
    def p90(self) -> float:
        """Minutes within which 90 % of the hits came."""
        return float(np.quantile(self.after, 0.9)) if len(self.after) else math.nan

    @property
    def harm(self) -> float:
        """Median number of failed candidate requests up to the rollback, or the end where there was none."""
        return math.nan if self.harmed is None else float(np.median(self.harmed))

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the share of hits, in percent."""
        return wilson(self.hits, self.runs)


def outcome(stop: np.ndarray, trace: Trace | None = None, onset: int = 0) -> Outcome:
    """From the tick of each decision (-1 for none); `onset` is the tick at which the regression began."""
    hit = stop >= 0
    harmed = None
    if trace is not None:
        bad = np.cumsum(trace.candidate_bad[:, onset:], axis=-1)
        last = np.clip(np.where(hit, stop - onset, bad.shape[1] - 1), 0, bad.shape[1] - 1)
        harmed = bad[np.arange(len(bad)), last]
    return Outcome(int(hit.sum()), len(stop), (stop[hit] + 1 - onset) / PER_MINUTE, harmed)


def wilson(hits: int, runs: int, z: float = 1.96) -> tuple[float, float]:
    """(lower, upper) in percent."""
    share, square = hits / runs, z * z / runs
    middle = (share + square / 2) / (1 + square)
    half = z * math.sqrt(share * (1 - share) / runs + square / (4 * runs)) / (1 + square)
    return 100 * max(0.0, middle - half), 100 * min(1.0, middle + half)
