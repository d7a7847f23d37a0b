"""Traffic that nobody has measured: an ordinary stable version at so many requests a second."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from modelrollout.api.gates import AccuracyGate, DeadNeuronsGate, ErrorRateGate, Gate, LatencyGate, NonFiniteGate
from modelrollout.api.spec import Spec
from modelrollout.core.analysis.gates import accuracy, error_rate, non_finite, registry
from modelrollout.core.analysis.gates.checks.latency.histograms import margin_of
from modelrollout.core.analysis.gates.checks.standing import LimitTest
from modelrollout.core.analysis.gates.evaluate import shares_of
from modelrollout.core.analysis.gates.outside.webhook import unforeseen
from modelrollout.core.analysis.gates.plan.answers import Plan, make_plan
from modelrollout.core.analysis.gates.plan.counts import CountPlan, CountTest
from modelrollout.core.analysis.gates.plan.path import GatePlan
from modelrollout.core.analysis.gates.plan.slow import LatencyPlan, LatencyTest
from modelrollout.core.analysis.gates.plan.stable import StableTraffic
from modelrollout.core.analysis.gates.plan.windows import LooksPlan
from modelrollout.core.analysis.stats import alpha_budget
from modelrollout.core.analysis.stats.arrays import Array, StableHistory
from modelrollout.core.analysis.stats.exceedances.histogram import edge_at_or_above
from modelrollout.core.analysis.stats.latency_evidence import LatencyHistory
from modelrollout.core.analysis.stats.parameters import BATCH_TICKS, HISTORY, LOOKS, PASS_WINDOWS
from modelrollout.core.finding import Finding

ERRORS, WRONG, NON_FINITE = 0.001, 0.05, 0.0
"""Shares of an ordinary stable version."""
_GROWTH = 1.09
"""Of the assumed histogram's buckets."""
_BUCKETS = 24


def assumed_plan(spec: Spec, per_second: float, *, whole: bool = True) -> Plan:
    """The plan of a rollout whose stable version is an ordinary one."""
    gates = registry.gates_in_force(spec.gates, ("errors", "latency"))
    shares = shares_of(gates)
    plans = tuple((gate, unforeseen(gate) or _plan(gate, spec, per_second, shares[gate.name])) for gate in gates)
    return make_plan(spec, StableTraffic(per_second, plans), whole=whole)


def _plan(gate: Gate, spec: Spec, rate: float, share: float) -> GatePlan | Finding:
    needed = float(np.log(alpha_budget.odds_needed(share, spec.analysis.false_rollback)))
    if gate.method == "Threshold":
        return LooksPlan(gate.name, gate.decides, LOOKS[1], spec.analysis.interval)
    match gate:
        case ErrorRateGate() | AccuracyGate() | NonFiniteGate():
            tests, usual = _usual(gate)
            return _counted(gate, spec, tests, usual, (rate, needed))
        case LatencyGate():
            return _slow(gate, spec, rate, needed)
        case DeadNeuronsGate():
            return Finding("SeriesMissing", "how many windows its telemetry exports is not known")
        case _:
            return LooksPlan(gate.name, gate.decides, PASS_WINDOWS * BATCH_TICKS, spec.analysis.interval)


def _usual(gate: ErrorRateGate | AccuracyGate | NonFiniteGate) -> tuple[tuple[LimitTest, ...], float]:
    """The gate's tests, and the share of bad ones that an ordinary version has."""
    if isinstance(gate, ErrorRateGate):
        return error_rate.tests_of(gate), ERRORS
    return (
        (accuracy.tests_of(gate), WRONG) if isinstance(gate, AccuracyGate) else (non_finite.tests_of(gate), NON_FINITE)
    )


def _counted(
    gate: Gate, spec: Spec, tests: Sequence[LimitTest], share: float, traffic: tuple[float, float]
) -> CountPlan:
    """At stable's share, or at a third of an absolute limit below it: an ordinary version keeps its limits."""
    rate, needed = traffic
    least = min((line.plus / 3 for _, line in tests if not line.relative), default=share)
    total = _totals(spec, rate)
    past = StableHistory(_ends(spec), total * min(share, least), total)
    found = tuple(CountTest(line, needed, rate, min(share, least), past) for _, line in tests)
    good = isinstance(gate, AccuracyGate)
    return CountPlan(gate.name, gate.decides, found, spec.analysis.minimum_requests, good)


def _slow(gate: LatencyGate, spec: Spec, rate: float, needed: float) -> LatencyPlan:
    """Buckets that grow by 9 %, the quantile on the edge of one; an absolute limit lies above all that is allowed."""
    top = 0.5 if gate.max is None else gate.max
    edges = top * _GROWTH ** np.arange(-_BUCKETS + 4.0, 4.0)
    at = _BUCKETS // 2
    tails = np.clip((1 - gate.quantile) ** ((np.arange(_BUCKETS) + 1.0) / (at + 1)), 0.0, 1.0)
    tests = []
    if gate.max is not None:
        allowed = edge_at_or_above(edges, gate.max)
        tests.append(LatencyTest(gate.max, 1, needed, allowed, allowed))
    if gate.versus_stable is not None or not tests:
        margin = margin_of(gate)
        tests.append(LatencyTest(None, margin, needed, at, min(at + margin, _BUCKETS - 1)))
    total = _totals(spec, rate)
    whole = np.concatenate([[1.0], tails, [0.0]])
    return LatencyPlan(
        name=gate.name,
        required=gate.decides,
        tests=tuple(tests),
        least=spec.analysis.minimum_requests,
        quantile=gate.quantile,
        per_second=rate,
        edges=edges,
        tails=tails,
        history=LatencyHistory(_ends(spec), total[:, None] * (whole[:-1] - whole[1:])),
    )


def _ends(spec: Spec) -> Array:
    interval = spec.analysis.interval
    return interval * np.arange(-round(HISTORY / interval) + 1.0, 1.0)


def _totals(spec: Spec, rate: float) -> Array:
    return np.full(len(_ends(spec)), rate * spec.analysis.interval)
