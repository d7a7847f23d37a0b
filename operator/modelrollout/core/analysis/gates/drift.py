"""Drift: how far a layer's magnitudes have moved from stable's, batches of ticks being the sample."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from modelrollout.api.gates import DriftGate
from modelrollout.api.status import Verdict
from modelrollout.core.analysis.gates.checks.bucket_layouts import edges_in_both
from modelrollout.core.analysis.gates.checks.collapse import newest_far_beyond
from modelrollout.core.analysis.gates.checks.layers.likeness import unlike
from modelrollout.core.analysis.gates.checks.layers.shares import LayerShare, absence, by_looks, layers_result
from modelrollout.core.analysis.gates.checks.losses import COUNTED_WITH_DROPS, DROPPED_OBSERVATIONS, heeding
from modelrollout.core.analysis.gates.checks.readable import all_layers, as_read, layers_unread, unreadable
from modelrollout.core.analysis.gates.definition import GateDefinition, always
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.result import Judged, no_data
from modelrollout.core.analysis.gates.sources.absence import absent
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.counters.layouts import details_of, per_bucket
from modelrollout.core.analysis.stats import alpha_budget, window_evidence
from modelrollout.core.analysis.stats.arrays import Array
from modelrollout.core.analysis.stats.parameters import BATCH_TICKS
from modelrollout.core.analysis.stats.replicates import Replicates
from modelrollout.core.analysis.stats.window_evidence import WindowSettings
from modelrollout.core.evaluation import GateResult
from modelrollout.core.finding import Finding


def judge_drift(gate: DriftGate, gate_input: GateInput, share: float) -> Judged:
    """Jensen-Shannon divergence of each layer's magnitudes from stable's, per batch of ticks."""
    found, bad = _judge_readable(gate, gate_input, share), unreadable(gate_input, (s.MAGNITUDES, s.DROPPED))
    odd = unlike(gate_input, s.MAGNITUDES)
    return as_read(gate, found, bad) if bad else as_read(gate, found, odd.finding, "NOT_COMPARABLE")


def _judge_readable(gate: DriftGate, gate_input: GateInput, share: float) -> Judged:
    layers = sorted(
        gate_input.table.layers(s.MAGNITUDES, "candidate") & gate_input.table.layers(s.MAGNITUDES, "stable")
    )
    missing, text = absence(gate.type, s.MAGNITUDES, gate_input)
    if not layers:
        nothing = Finding("SeriesMissing", f"{s.MAGNITUDES} is not exported by both versions: is their telemetry on?")
        return Judged(no_data(gate, nothing).result, (), missing, text)
    shared = {layer: edges_in_both(gate_input, s.MAGNITUDES, layer) for layer in layers}
    unread = set.union(*(layers_unread(gate_input, s.MAGNITUDES, arm) for arm in s.ARMS))
    odd = next(
        ((layer, one) for layer, one in shared.items() if isinstance(one, Finding) and layer not in unread), None
    )
    edges = {layer: one for layer, one in shared.items() if not isinstance(one, Finding)}
    number = len(set.union(*(all_layers(gate_input, s.MAGNITUDES, arm) for arm in s.ARMS)))
    alpha = alpha_budget.gauge_alpha(share, number, gate_input.request.spec.analysis.false_rollback)
    found = [_drift_layer(gate, gate_input, layer, edges[layer], alpha) for layer in edges]
    found = [replace(one, collapsed=_newest_far(one, gate_input, edges[one.layer])) for one in found]
    if odd is not None and not any(one.fails for one in found):
        return Judged(_no_edges(gate, *odd), (), missing, text)
    if not found:
        nothing = Finding("SeriesMissing", f"no layer's {s.MAGNITUDES} can be read")
        return Judged(no_data(gate, nothing).result, (), missing, text)
    warnings = () if odd is None else (f"{gate.name}: layer {odd[0]}: {odd[1].message}",)
    return Judged(layers_result(gate, found, "divergence", "batch"), (), missing, text, warnings)


def _no_edges(gate: DriftGate, layer: str, problem: Finding) -> GateResult:
    found = Finding(problem.reason, f"layer {layer}: {problem.message}")
    verdict: Verdict = "NOT_COMPARABLE" if problem.reason == "BucketsDiffer" else "NO_DATA"
    return no_data(gate, found, verdict=verdict, layer=layer).result


def _drift_layer(
    gate: DriftGate, gate_input: GateInput, layer: str, edges: tuple[float, ...], alpha: float
) -> LayerShare:
    candidate, stable = _histograms(gate_input, layer, edges)
    first = gate_input.step if gate.method == "Threshold" else gate_input.start
    values = batch_divergence(candidate[first:], stable.sum(axis=0))
    observed = values[~np.isnan(values)]
    rate = float(observed.mean()) if len(observed) else float("nan")
    high = gate.max if gate.max is not None else float("nan")
    if gate.max is None or not len(observed):
        return LayerShare(layer, rate, None, 0.0, high, float(len(observed)))
    if gate.method == "Threshold":
        return by_looks(layer, values, None, (0.0, gate.max))
    known = (~np.isnan(values)).astype(float)
    filled = np.nan_to_num(values)
    evidence = window_evidence.at_most(Replicates(known, filled, filled**2), gate.max, WindowSettings(alpha=alpha))
    return LayerShare(
        layer,
        rate,
        None,
        0.0,
        high,
        float(evidence.samples[-1]),
        bool(evidence.failing[-1]),
        bool(evidence.passing[-1]),
        float(evidence.strength[-1]),
    )


def _histograms(gate_input: GateInput, layer: str, edges: tuple[float, ...]) -> tuple[Array, Array]:
    """Magnitudes per tick and bucket, (T, B), of the candidate and of stable."""
    details, table = details_of(edges), gate_input.table
    candidate, stable = (
        per_bucket(np.stack([table.total(s.MAGNITUDES, arm, layer=layer, details=[le]) for le in details], axis=1))
        for arm in ("candidate", "stable")
    )
    return candidate, stable


def _newest_far(one: LayerShare, gate_input: GateInput, edges: tuple[float, ...]) -> bool:
    candidate, stable = _histograms(gate_input, one.layer, edges)
    values = batch_divergence(candidate[gate_input.start :], stable.sum(axis=0), ticks=1)
    return newest_far_beyond(values, one.low, one.high)


def batch_divergence(histogram: Array, reference: Array, *, ticks: int = BATCH_TICKS) -> Array:
    """Divergence (base 2, 0 to 1) of every full batch of ticks of (T, B) from (B,), at its last tick; else NaN."""
    out = np.full(len(histogram), np.nan)
    for last in range(ticks - 1, len(histogram), ticks):
        batch = histogram[last - ticks + 1 : last + 1].sum(axis=0)
        if batch.sum() > 0 and reference.sum() > 0:
            out[last] = jensen_shannon(batch / batch.sum(), reference / reference.sum())
    return out


def jensen_shannon(p: Array, q: Array) -> float:
    """Jensen-Shannon divergence of two distributions in bits, between 0 (equal) and 1 (disjoint)."""
    middle = (p + q) / 2

    def relative(a: Array) -> float:
        some = a > 0
        return float((a[some] * np.log2(a[some] / middle[some])).sum())

    return min(1.0, max(0.0, (relative(p) + relative(q)) / 2))


DEFINITION = GateDefinition(
    model=DriftGate,
    series=always(s.MAGNITUDES, *COUNTED_WITH_DROPS),
    unjudgeable=lambda _, seen: absent(seen, s.MAGNITUDES, relative=True),
    family="windows",
    judge=heeding(judge_drift, lambda _: DROPPED_OBSERVATIONS),
)
