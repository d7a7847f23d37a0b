"""Events too rare for odds of 20: a test passes with 0 bad in enough requests, and says what that bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from modelrollout.core.analysis.stats.parameters import RARE_BOUND, RARE_REQUESTS_CAP

if TYPE_CHECKING:
    from modelrollout.core.analysis.stats.arrays import Array, CountTicks, Flags
    from modelrollout.core.analysis.stats.limits import LimitLine


def rare_requests(line: LimitLine, minimum_requests: float) -> float:
    """Requests without a bad one that pass: 3/plus, at most 3,000, but never fewer than `minimum_requests`.

    `plus` of an absolute line is its limit. A line without `plus` (ratio only) needs the cap.
    """
    wanted = RARE_BOUND / line.plus if line.plus > 0 else RARE_REQUESTS_CAP
    return max(float(minimum_requests), min(float(np.ceil(wanted - 1e-9)), float(RARE_REQUESTS_CAP)))


def rare_bound(requests: Array) -> Array:
    """The rate that 0 bad in `requests` excludes with 95 % confidence (1 for none)."""
    return np.minimum(1.0, RARE_BOUND / np.maximum(requests, RARE_BOUND))


def rare_pass(ticks: CountTicks, line: LimitLine, minimum_requests: float) -> Flags:
    """Where the candidate has had enough requests and no bad one yet, (..., T), of cleaned ticks."""
    none = np.cumsum(ticks.candidate_bad, axis=-1) == 0
    enough = np.cumsum(ticks.candidate_total, axis=-1) >= rare_requests(line, minimum_requests)
    flags: Flags = none & enough
    return flags
