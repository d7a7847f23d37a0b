"""Which candidates pass a latency gate, and how often the claim of such a PASS is false.

A PASS names a quantile and an edge. The share of a lognormal candidate beyond that edge is known here, as is what is
claimed of it: less than the line at stable's true share beyond its own edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erf, log, sqrt

import numpy as np

from modelrollout.core.analysis.stats.latency_evidence import LatencyEvidence
from modelrollout.core.analysis.stats.parameters import PASS_ODDS
from tests.bench.decisions.rules import latency_evidence
from tests.bench.decisions.traces import EDGES, SIGMA, draw_latency
from tests.draws import Random

SLOWER = (1.0, 1.1, 1.2, 1.28)
AT_ONCE = 100


@dataclass(frozen=True)
class SlowPasses:
    """Of `runs` hours, those with a PASS at any tick, and those in which what it claimed first was false."""

    runs: int
    passed: int
    false: int


def measure(rng: Random, slower: float, runs: int) -> SlowPasses:
    """Hours of a candidate that takes so many times as long."""
    passed = false = 0
    for at in range(0, runs, AT_ONCE):
        for found in latency_evidence(draw_latency(rng, min(AT_ONCE, runs - at), slower)):
            firsts = np.where(found.passing.any(axis=1), found.passing.argmax(axis=1), -1)
            passed += int((firsts >= 0).sum())
            false += sum(_is_false(found, row, int(tick), slower) for row, tick in enumerate(firsts) if tick >= 0)
    return SlowPasses(runs, passed, false)


def _is_false(found: LatencyEvidence, row: int, tick: int, slower: float) -> bool:
    """As gates/checks/latency names it: the gate's own quantile where that is enough alone, else the leading one."""
    own = found.parts[-1]
    alone = own.evidence.log_good[row, tick] - np.log(len(found.parts)) >= np.log(PASS_ODDS)
    leading = max(found.parts, key=lambda part: float(part.evidence.log_good[row, tick]))
    part = own if alone or own.evidence.rare[row, tick] else leading
    candidate = _beyond(float(EDGES[part.good_allowed[row, tick]]), slower)
    stable = _beyond(float(EDGES[part.edge[row, tick]]), 1.0)
    return bool(candidate >= part.ratio[row, tick] * max(stable, part.floor))


def _beyond(edge: float, slower: float) -> float:
    return 0.5 * (1 - erf(log(edge / (0.1 * slower)) / (SIGMA * sqrt(2))))
