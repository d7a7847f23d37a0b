"""The expected counts lead where simulated rollouts go: within a factor of 1.6 and two ticks of their middle.

The middle is the fifth around the median; where a verdict hangs on whether the first bad request comes before or after
a number of them, half of the rollouts are much sooner than the other half, and the middle is the middle half.
"""

from __future__ import annotations

import numpy as np
import pytest

from modelrollout.core.analysis.gates.plan.counts import CountPlan, CountTest
from modelrollout.core.analysis.gates.plan.path import Path, first
from modelrollout.core.analysis.gates.plan.slow import LatencyPlan, LatencyTest
from modelrollout.core.analysis.stats import limits
from modelrollout.core.analysis.stats.arrays import CountTicks, StableHistory
from modelrollout.core.analysis.stats.count_evidence import count_evidence
from modelrollout.core.analysis.stats.latency_evidence import LatencyHistory, LatencyTicks, versus_stable
from tests.draws import fixed

pytestmark = pytest.mark.slow
FACTOR, TICK = 1.6, 15.0
NEEDED = float(np.log(125))
TICKS, RUNS, WEIGHT = 480, 151, 0.2
BEFORE = TICK * np.arange(-119.0, 1.0)
PATH = Path(TICK, np.full(TICKS, WEIGHT), (0,))


def middle(flags, part=0.2):
    """The part in the middle of the runs, by their first flagged tick: (soonest, latest), inf where there is none."""
    times = np.sort(np.where(flags.any(axis=-1), PATH.seconds[flags.argmax(axis=-1)], np.inf))
    return float(times[int((0.5 - part / 2) * len(times))]), float(times[int((0.5 + part / 2) * len(times))])


def agree(forecast, simulated):
    """A forecast of none in time agrees with runs that come close to the end or beyond it."""
    soonest, latest = simulated
    at = np.inf if forecast is None else forecast
    beyond = at >= PATH.seconds[-1] / FACTOR and latest >= PATH.seconds[-1] / FACTOR
    return beyond or soonest / FACTOR - 2 * TICK <= at <= latest * FACTOR + 2 * TICK


@pytest.mark.parametrize("per_second", [5, 20, 100])
@pytest.mark.parametrize(
    ("line", "share", "part"),
    [
        (limits.ERROR_RATE, 0.0, 0.2),
        (limits.ERROR_RATE, 0.0005, 0.2),
        (limits.ERROR_RATE, 0.005, 0.2),
        (limits.absolute(0.01), 0.005, 0.2),
        (limits.absolute(0.01), 0.002, 0.5),
        (limits.ACCURACY, 0.05, 0.2),
    ],
)
def test_counts(line, share, part, per_second):
    rng, before = fixed(per_second), np.full(120, float(per_second * TICK))
    history = StableHistory(BEFORE, rng.binomial(before.astype(int), share).astype(float), before)
    plan = CountPlan("errors", required=True, tests=(CountTest(line, NEEDED, per_second, share, history),), least=200)
    for multiple in (1.0, 2.0, 5.0, 10.0):
        mine = rng.poisson(per_second * TICK * WEIGHT, (RUNS, TICKS))
        other = rng.poisson(per_second * TICK * (1 - WEIGHT), (RUNS, TICKS))
        bad = rng.binomial(mine, min(share * multiple, 1.0)), rng.binomial(other, share)
        a, b, c, d = (each.astype(float) for each in (bad[0], mine, bad[1], other))
        ticks = CountTicks(PATH.seconds, a, b, c, d, restart=PATH.restarts)
        found = count_evidence(ticks, line, history=history, minimum_requests=200)
        course = plan.course(PATH, multiple)
        if multiple == 1:
            assert agree(first(course.passing, PATH), middle(found.passing, part))
        elif not plan.allows(multiple):
            assert agree(first(course.failing, PATH), middle(found.log_bad >= NEEDED)), multiple


@pytest.mark.parametrize("per_second", [5, 20, 100])
def test_latency(per_second):
    rng, edges = fixed(per_second + 1), np.array([0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1])
    shares = np.array([0.3, 0.3, 0.2, 0.1, 0.05, 0.042, 0.005, 0.002, 0.001])
    tails = 1 - np.cumsum(shares)[:-1]
    history = LatencyHistory(BEFORE, rng.multinomial(int(per_second * TICK), shares, size=120).astype(float))
    test = LatencyTest(None, 1, NEEDED, 5, 6)
    plan = LatencyPlan("latency", True, (test,), 200, 0.99, per_second, edges, tails, history)
    for multiple in (1.0, 2.0, 5.0, 10.0):
        slower = np.maximum(tails, tails[5] * multiple * (np.arange(8) <= 6)) if multiple > 1 else tails
        worse = -np.diff(np.concatenate([[1.0], slower, [0.0]]))
        mine = _drawn(rng, per_second * WEIGHT, worse)
        other = _drawn(rng, per_second * (1 - WEIGHT), shares)
        ticks = LatencyTicks(PATH.seconds, edges, mine, other, restart=PATH.restarts)
        found = versus_stable(ticks, 0.99, 1, history=history, minimum_requests=200)
        course = plan.course(PATH, multiple)
        if multiple == 1:
            assert agree(first(course.passing, PATH), middle(found.passing))
        else:
            assert agree(first(course.failing, PATH), middle(found.log_bad >= NEEDED)), multiple


def _drawn(rng, per_second, shares):
    return np.stack([rng.multinomial(round(per_second * TICK), shares, size=TICKS) for _ in range(41)]).astype(float)
