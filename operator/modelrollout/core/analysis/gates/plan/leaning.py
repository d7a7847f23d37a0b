"""Where a step would wait: as checks/standing.py has it, at every tick of a forecast."""

from __future__ import annotations

import numpy as np

from modelrollout.core.analysis.stats.arrays import Flags
from modelrollout.core.analysis.stats.count_evidence import CountEvidence
from modelrollout.core.analysis.stats.parameters import CHANCE_RATIO, NOTHING, ROUNDING


def leans_bad(evidence: CountEvidence) -> Flags:
    """Whether nothing speaks for the candidate and something against it, shape (T,)."""
    counted = evidence.ticks
    rate, stable = (
        np.cumsum(bad, axis=-1) / np.maximum(np.cumsum(total, axis=-1), 1.0)
        for bad, total in (
            (counted.candidate_bad, counted.candidate_total),
            (counted.stable_bad, counted.stable_total),
        )
    )
    beyond = rate > np.maximum(evidence.limit, CHANCE_RATIO * stable) + ROUNDING
    flags: Flags = (evidence.log_good < -NOTHING) & ((evidence.log_bad > NOTHING) | beyond) & ~evidence.rare
    return flags
