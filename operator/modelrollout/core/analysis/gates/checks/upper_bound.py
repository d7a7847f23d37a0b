"""The highest share of bad ones that the evidence does not exclude: the gate's own test, asked of every limit at once.

Formula. For a limit p let E(p) be the evidence of the good side against "the candidate's share is at least p", as in
count_evidence with the absolute limit p: an e-process (eprocess.py). The bound is the least p with E(p) >= 1 / alpha.
All shares above it are rejected too: for every alternative r p with r < 1 the factor of a tick,
y ln r + (n - y) ln((1 - r p) / (1 - p)), rises with p, and tempering, cap and mixture keep that order.

Valid at any time. If the share never was below some p, E(p) ever reaches 1 / alpha with probability at most alpha
(Ville 1939), however often one looks; so the bound ever lies below such a p with probability at most alpha. This is the
duality of tests and confidence sequences (Robbins 1970; Howard, Ramdas, McAuliffe and Sekhon 2021), with the same
tempering by stable's bursts as the verdicts have. It bounds the lowest share that the candidate had, as a share that
did not change would have had it, and each gate's for itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from modelrollout.core.analysis.stats.count_evidence import count_evidence
from modelrollout.core.analysis.stats.limits import absolute
from modelrollout.core.analysis.stats.parameters import PASS_ODDS

if TYPE_CHECKING:
    from modelrollout.core.analysis.stats.arrays import CountTicks

CONFIDENCE = 1 - 1 / PASS_ODDS
"""Of the bound: the odds at which a gate passes, as a probability."""
_HIGHEST = 0.97
_LOWEST = 1e-7
_PRECISION = 0.01
"""Of the bound, as a part of it."""


def upper_bound(ticks: CountTicks) -> float:
    """The bound on the candidate's share after the last of `ticks` (T,); 1 where nothing is excluded."""
    low, high = np.log(_LOWEST), np.log(_HIGHEST)
    if not _excluded(ticks, _HIGHEST):
        return 1.0
    while high - low > _PRECISION:
        middle = (low + high) / 2
        low, high = (low, middle) if _excluded(ticks, float(np.exp(middle))) else (middle, high)
    return float(np.exp(high))


def _excluded(ticks: CountTicks, share: float) -> bool:
    return float(count_evidence(ticks, absolute(share)).log_good[-1]) >= float(np.log(PASS_ODDS))
