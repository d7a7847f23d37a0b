"""Stable's traffic as its history shows it, made into one plan for each gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from modelrollout.api.gates import AccuracyGate, DeadNeuronsGate, ErrorRateGate, Gate, LatencyGate, NonFiniteGate
from modelrollout.core.analysis.gates import accuracy, dead_neurons, error_rate, non_finite
from modelrollout.core.analysis.gates.checks import counts as c
from modelrollout.core.analysis.gates.checks.latency.histograms import edges_of, margin_of, read_histograms
from modelrollout.core.analysis.gates.checks.layers.promoted_versions import margin_of as margin_of_layer
from modelrollout.core.analysis.gates.checks.layers.windows import sets_limit
from modelrollout.core.analysis.gates.checks.standing import Kind, LimitTest
from modelrollout.core.analysis.gates.evaluate import shares_of
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.outside.webhook import unforeseen
from modelrollout.core.analysis.gates.plan.counts import CountPlan, CountTest
from modelrollout.core.analysis.gates.plan.path import GatePlan
from modelrollout.core.analysis.gates.plan.slow import LatencyPlan, LatencyTest
from modelrollout.core.analysis.gates.plan.windows import LayerTest, LooksPlan, WindowPlan
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.stats import alpha_budget, limits
from modelrollout.core.analysis.stats.arrays import Array, CountTicks, StableHistory
from modelrollout.core.analysis.stats.exceedances.histogram import over
from modelrollout.core.analysis.stats.latency_evidence import LatencyHistory
from modelrollout.core.analysis.stats.parameters import BATCH_TICKS, LOOKS, PASS_WINDOWS
from modelrollout.core.analysis.stats.replicates import ReplicateHistory, Replicates, spread, windows
from modelrollout.core.analysis.stats.window_evidence import WindowSettings, room
from modelrollout.core.finding import Finding


@dataclass(frozen=True)
class StableTraffic:
    """What is known of stable: requests a second, and each gate's plan or why there is none."""

    per_second: float
    plans: tuple[tuple[Gate, GatePlan | Finding], ...]


def stable_traffic(gates: Sequence[Gate], history: GateInput) -> StableTraffic:
    """Of stable alone, over the whole of `history`: a grid on which only stable has served."""
    shares = shares_of(gates)
    _, requests = c.request_totals(history)
    plans = tuple((gate, unforeseen(gate) or _plan(gate, history, shares[gate.name])) for gate in gates)
    return StableTraffic(_rate(requests, history), plans)


def _rate(totals: Array, history: GateInput) -> float:
    """Per second since the first tick that has any: a store that is younger than the history is not idle."""
    found = np.flatnonzero(totals > 0)
    if not len(found):
        return 0.0
    interval = history.table.grid.interval / 1000
    return float(totals[found[0] :].sum()) / (interval * (len(totals) - int(found[0])))


def _plan(gate: Gate, history: GateInput, share: float) -> GatePlan | Finding:
    if gate.method == "Threshold":
        return _looks(gate, history, LOOKS[1])
    match gate:
        case ErrorRateGate():
            return _errors(gate, history, share)
        case AccuracyGate() | NonFiniteGate():
            return _counted(gate, *_counts_of(gate, history), history, share)
        case LatencyGate():
            return _slow(gate, history, share)
        case DeadNeuronsGate():
            return _dead(gate, history, share)
        case _:
            return _looks(gate, history, PASS_WINDOWS * BATCH_TICKS)


def _counts_of(gate: AccuracyGate | NonFiniteGate, history: GateInput) -> tuple[c.Counts, tuple[LimitTest, ...]]:
    if isinstance(gate, AccuracyGate):
        return accuracy.accuracy_counts(gate, history), accuracy.tests_of(gate)
    return non_finite.nonfinite_counts(history), non_finite.tests_of(gate)


def _looks(gate: Gate, history: GateInput, ticks: int) -> LooksPlan:
    return LooksPlan(gate.name, gate.decides, ticks, history.request.interval)


def _needed(share: float, history: GateInput) -> float:
    return float(np.log(alpha_budget.odds_needed(share, history.request.spec.analysis.false_rollback)))


def _errors(gate: ErrorRateGate, history: GateInput, share: float) -> CountPlan | Finding:
    counts = c.request_counts(history, gate.source)
    own, beside = error_rate.split(gate, counts, share)
    found = _counted(gate, counts, error_rate.tests_of(gate), history, own)
    if isinstance(found, Finding):
        return found
    more = tuple(
        _test(one.test.ticks, one.test.line, _needed(one.test.share, history), history, own=False) for one in beside
    )
    return replace(found, tests=(*found.tests, *more))


def _counted(
    gate: Gate, counts: c.Counts, tests: tuple[LimitTest, ...], history: GateInput, share: float
) -> CountPlan | Finding:
    problem = counts.problem or counts.unread
    if problem:
        return problem
    if not np.asarray(counts.ticks.stable_total).sum():
        return Finding("SeriesMissing", f"stable had no {counts.noun} in the last 30 min")
    needed = _needed(share / len(tests), history)
    found = tuple(_test(counts.ticks, line, needed, history) for _, line in tests)
    least = history.request.spec.analysis.minimum_requests
    return CountPlan(gate.name, gate.decides, found, least, isinstance(gate, AccuracyGate), counts.noun)


def _test(
    ticks: CountTicks, line: limits.LimitLine, needed: float, history: GateInput, *, own: bool = True
) -> CountTest:
    bad, total = np.asarray(ticks.stable_bad, dtype=float), np.asarray(ticks.stable_total, dtype=float)
    share = float(bad.sum() / max(total.sum(), 1.0))
    past = StableHistory(_before(history), bad, total)
    return CountTest(line, needed, _rate(total, history), share, past, own)


def _before(history: GateInput) -> Array:
    """The ends of the history's ticks, counted from its own end."""
    return np.asarray(history.ends - history.ends[-1])


def _slow(gate: LatencyGate, history: GateInput, share: float) -> LatencyPlan | Finding:
    kinds: list[Kind] = ["limit"] if gate.max is not None else []
    if gate.versus_stable is not None or not kinds:
        kinds.append("stable")
    found = read_histograms(gate, history)
    if isinstance(found, Finding):
        return found
    if found.counts.unread:
        return found.counts.unread
    whole = found.stable.sum(axis=0)
    if not whole.sum():
        return Finding("SeriesMissing", "stable had no requests in the last 30 min")
    tails = np.array([float(over(whole[None], np.array([edge]))[0]) for edge in range(len(found.edges))]) / whole.sum()
    needed, tests = _needed(share / len(kinds), history), []
    for kind in kinds:
        known, allowed = edges_of(gate, kind, found, history)
        limit = gate.max if kind == "limit" else None
        tests.append(LatencyTest(limit, margin_of(gate), needed, known, allowed))
    return LatencyPlan(
        name=gate.name,
        required=gate.decides,
        tests=tuple(tests),
        least=history.request.spec.analysis.minimum_requests,
        quantile=gate.quantile,
        per_second=_rate(found.stable.sum(axis=1), history),
        edges=found.edges,
        tails=tails,
        history=LatencyHistory(_before(history), found.stable),
    )


def _dead(gate: DeadNeuronsGate, history: GateInput, share: float) -> WindowPlan | Finding:
    layers = sorted(history.table.layers(s.WINDOWS, "stable"))
    lines = dead_neurons.limits_of(gate)
    alpha = history.request.spec.analysis.false_rollback
    error = alpha_budget.gauge_alpha(share / len(lines), max(len(layers), 1), alpha)
    found = [_layer(gate, history, layer, line, error) for layer in layers for line in lines]
    tests = [test for test in found if test is not None]
    if not tests:
        return Finding("SeriesMissing", f"stable exports no {s.WINDOWS}")
    least_room = min(tests, key=lambda test: test.limit - test.rate)
    fewest = min(tests, key=lambda test: test.per_second)
    return WindowPlan(gate.name, gate.decides, (least_room,) if fewest is least_room else (least_room, fewest))


def _layer(
    gate: DeadNeuronsGate, history: GateInput, layer: str, line: limits.LimitLine, alpha: float
) -> LayerTest | None:
    count, units, dead, square = (
        history.table.total(metric, "stable", layer=layer)
        for metric in (s.WINDOWS, s.WINDOW_NEURONS, s.WINDOW_DEAD, s.WINDOW_DEAD_SQUARED)
    )
    if not count.sum() or not units.sum():
        return None
    width = float(units.sum() / count.sum())
    past = windows(count, dead, square, width)
    retrain = gate.profile == "Retrain"
    margin = margin_of_layer(history, layer, width).margin if retrain and not sets_limit(gate) else None
    settings = WindowSettings(
        alpha=alpha,
        min_excess=limits.DEAD_RETRAIN_UNITS / width if retrain else 0.0,
        spread_floor=0.5 / width,
        margin=margin,
    )
    return _tested(layer, line, settings, past, history)


def _tested(
    layer: str, line: limits.LimitLine, settings: WindowSettings, past: Replicates, history: GateInput
) -> LayerTest:
    """One layer's test from stable's windows."""
    n, total, squares = (np.asarray(each.sum()) for each in (past.count, past.total, past.square))
    rate = total / n
    sd = np.maximum(spread(n, total, squares), settings.spread_floor)
    limit = np.asarray(line.plus)
    if line.relative:
        limit = np.maximum(line.at(rate), rate + settings.min_excess)
        if settings.margin is not None:
            limit = settings.margin.limit(rate, room(sd, settings.alpha))
    return LayerTest(
        layer=layer,
        line=line,
        settings=settings,
        per_second=_rate(past.count, history),
        rate=float(rate),
        variance=float(sd**2),
        limit=float(limit),
        history=ReplicateHistory(_before(history), past),
    )


def plans_of(traffic: StableTraffic) -> tuple[GatePlan, ...]:
    """The gates that stable's traffic says anything about."""
    return tuple(plan for _, plan in traffic.plans if not isinstance(plan, Finding))
