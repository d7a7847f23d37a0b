"""ZeroRatio, NegativeRatio and Drift: shares of a layer's values, batches of ticks being the sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modelrollout.api.gates import DriftGate, NegativeRatioGate, ZeroRatioGate
from modelrollout.api.status import Verdict
from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.result import Judged, no_data
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.stats import alpha_budget, limits, window_evidence
from modelrollout.core.analysis.stats.arrays import Array
from modelrollout.core.analysis.stats.limits import LimitLine
from modelrollout.core.analysis.stats.parameters import BATCH_TICKS, BURN_IN, LOOKS, STABLE_WINDOWS
from modelrollout.core.analysis.stats.replicates import ReplicateHistory, Replicates, batched
from modelrollout.core.analysis.stats.threshold_evidence import threshold_evidence
from modelrollout.core.analysis.stats.window_evidence import WindowEvidence, WindowSettings
from modelrollout.core.evaluation import GateResult
from modelrollout.core.finding import Finding

RatioGate = ZeroRatioGate | NegativeRatioGate
_METRIC = {"ZeroRatio": s.ZEROS, "NegativeRatio": s.NEGATIVES}
_NOUN = {"ZeroRatio": "zero", "NegativeRatio": "negative", "Drift": "divergence"}


@dataclass(frozen=True)
class _Layer:
    """One layer: shares (fractions), batches so far, and how the rule stands."""

    layer: str
    rate: float
    stable: float | None
    low: float
    high: float
    batches: float
    fails: bool = False
    passes: bool = False
    strength: float = 0.0
    stable_batches: float | None = None
    """Set where the rule needs STABLE_WINDOWS of them before it may fail."""


def judge_ratio(gate: RatioGate, gate_input: GateInput, share: float) -> Judged:
    """Inside the band the user set, or within the profile's margin of stable on both sides."""
    part = _METRIC[gate.type]
    layers = sorted(gate_input.table.layers(s.ELEMENTS, "candidate"))
    missing, text = _absent(gate.type, s.ELEMENTS, gate_input)
    if not layers:
        problem = Finding("SeriesMissing", f"the candidate exports no {s.ELEMENTS}: is its telemetry on?")
        return Judged(no_data(gate, problem).result, (), missing, text)
    if any(gate_input.table.spoilt(metric, "candidate", gate_input.start) for metric in (part, s.ELEMENTS)):
        return no_data(gate, Finding("SampleNotANumber", f"{part} read NaN, Inf or a negative number"))
    alpha = alpha_budget.gauge_alpha(share, len(layers), gate_input.request.spec.analysis.false_rollback)
    found = [_ratio_layer(gate, gate_input, layer, alpha) for layer in layers]
    return Judged(_result(gate, found), (), missing, text)


def _ratio_layer(gate: RatioGate, gate_input: GateInput, layer: str, alpha: float) -> _Layer:
    part = _METRIC[gate.type]
    bad, total, known, all_known = (
        gate_input.table.total(metric, arm, layer=layer)
        for arm in ("candidate", "stable")
        for metric in (part, s.ELEMENTS)
    )
    start = gate_input.start
    first = gate_input.step if gate.method == "Threshold" else start
    margin = limits.ZERO_RATIO_RETRAIN if gate.profile == "Retrain" else limits.ZERO_RATIO_SAME_WEIGHTS
    stable = float(known.sum() / all_known.sum()) if all_known.sum() else None
    low, high = gate.within or ((stable - margin, stable + margin) if stable is not None else (np.nan, np.nan))
    if gate.method == "Threshold":
        ratios = np.where(total > 0, bad / np.where(total > 0, total, 1.0), np.nan)[first:]
        return _by_looks(layer, ratios, stable, (low, high))
    candidate = batched(bad[start:], total[start:])
    settings = WindowSettings(alpha=alpha)
    if gate.within:
        pair = window_evidence.within(candidate, low, high, settings)
    else:
        reference, before = batched(known[start:], all_known[start:]), batched(known[:start], all_known[:start])
        history = ReplicateHistory(gate_input.ends[:start], before) if start else None
        pair = window_evidence.two_sided(
            gate_input.ends[start:], candidate, reference, LimitLine(1.0, margin), settings, history=history
        )
    return _from_pair(layer, pair, stable, (low, high))


def _by_looks(layer: str, values: Array, stable: float | None, band: tuple[float, float]) -> _Layer:
    observed = values[~np.isnan(values)]
    rate = float(observed.mean()) if len(observed) else float("nan")
    if not len(observed) or not np.isfinite(band[0]):
        return _Layer(layer, rate, stable, *band, float(len(observed)))
    found = threshold_evidence(values, *band)
    return _Layer(layer, rate, stable, *band, float(len(observed)), bool(found.failing[-1]), bool(found.passing[-1]))


def _from_pair(
    layer: str, pair: tuple[WindowEvidence, WindowEvidence], stable: float | None, band: tuple[float, float]
) -> _Layer:
    upper, lower = pair
    return _Layer(
        layer,
        float(upper.mean[-1]),
        stable,
        *band,
        float(upper.samples[-1]),
        bool(upper.failing[-1] or lower.failing[-1]),
        bool(upper.passing[-1] and lower.passing[-1]) and bool(np.isfinite(band[0])),
        max(float(upper.strength[-1]), float(lower.strength[-1])),
        float(upper.stable_samples[-1]) if np.isfinite(upper.stable[-1]) else None,
    )


def judge_drift(gate: DriftGate, gate_input: GateInput, share: float) -> Judged:
    """Jensen-Shannon divergence of each layer's magnitudes from stable's, per batch of ticks."""
    layers = sorted(
        gate_input.table.layers(s.MAGNITUDES, "candidate") & gate_input.table.layers(s.MAGNITUDES, "stable")
    )
    missing, text = _absent(gate.type, s.MAGNITUDES, gate_input)
    if not layers:
        problem = Finding("SeriesMissing", f"{s.MAGNITUDES} is not exported by both versions")
        return Judged(no_data(gate, problem).result, (), missing, text)
    if any(gate_input.table.spoilt(s.MAGNITUDES, arm, gate_input.start) for arm in ("stable", "candidate")):
        return no_data(gate, Finding("SampleNotANumber", f"{s.MAGNITUDES} read NaN, Inf or a negative number"))
    alpha = alpha_budget.gauge_alpha(share, len(layers), gate_input.request.spec.analysis.false_rollback)
    found = [_drift_layer(gate, gate_input, layer, alpha) for layer in layers]
    return Judged(_result(gate, found), (), missing, text)


def _drift_layer(gate: DriftGate, gate_input: GateInput, layer: str, alpha: float) -> _Layer:
    edges = sorted(
        gate_input.table.details(s.MAGNITUDES, "stable") & gate_input.table.details(s.MAGNITUDES, "candidate"),
        key=float,
    )
    candidate, stable = (
        np.maximum(
            np.diff(
                np.stack(
                    [gate_input.table.total(s.MAGNITUDES, arm, layer=layer, details=[le]) for le in edges], axis=1
                ),
                axis=1,
                prepend=0.0,
            ),
            0.0,
        )
        for arm in ("candidate", "stable")
    )
    first = gate_input.step if gate.method == "Threshold" else gate_input.start
    values = batch_divergence(candidate[first:], stable.sum(axis=0))
    observed = values[~np.isnan(values)]
    rate = float(observed.mean()) if len(observed) else float("nan")
    high = gate.max if gate.max is not None else float("nan")
    if gate.max is None or not len(observed):
        return _Layer(layer, rate, None, 0.0, high, float(len(observed)))
    if gate.method == "Threshold":
        return _by_looks(layer, values, None, (0.0, gate.max))
    known = (~np.isnan(values)).astype(float)
    filled = np.nan_to_num(values)
    evidence = window_evidence.at_most(Replicates(known, filled, filled**2), gate.max, WindowSettings(alpha=alpha))
    return _Layer(
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


def batch_divergence(histogram: Array, reference: Array) -> Array:
    """Divergence (base 2, 0 to 1) of every full batch of ticks of (T, B) from (B,), at its last tick; else NaN."""
    out = np.full(len(histogram), np.nan)
    for last in range(BATCH_TICKS - 1, len(histogram), BATCH_TICKS):
        batch = histogram[last - BATCH_TICKS + 1 : last + 1].sum(axis=0)
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


def _absent(what: str, metric: str, gate_input: GateInput) -> tuple[int, str]:
    missing = gate_input.missing(gate_input.table.present(metric, "candidate"))
    return missing, f"{what}: no sample of the candidate's {metric} in {say.last_ticks(missing)}"


def _result(gate: RatioGate | DriftGate, found: list[_Layer]) -> GateResult:
    one = max(found, key=lambda each: (each.fails, not each.passes, each.strength))
    limited = np.isfinite(one.high)
    observed = all(each.batches for each in found)
    verdict: Verdict = "FAIL" if one.fails else "NO_DATA" if not observed else "CONTINUE" if not one.passes else "PASS"
    low = max(one.low, 0.0)
    limit = f"<= {say.margin(one.high)}" if low == 0 else f"{say.margin(low)} to {say.margin(one.high)}"
    versus = f" vs stable {say.percent(one.stable)}" if one.stable is not None else ""
    noun = _NOUN[gate.type]
    clause = f"layer {one.layer}: candidate {say.percent(one.rate)} {noun}{versus}"
    clause += f"; allowed {limit}" if limited else "; reported only, no limit is set"
    if verdict == "NO_DATA":
        clause = f"layer {one.layer}: no values of the candidate yet"
    needs = float(LOOKS[1] if gate.method == "Threshold" else BURN_IN)
    why = {"FAIL": "outside the limit", "PASS": "inside the limit"}.get(verdict, "")
    if not why and limited:
        left = max(needs - one.batches, 0.0)
        why = f"needs about {say.count(left)} more looks" if left else "not proven yet"
        if not left and one.stable_batches is not None and one.stable_batches < STABLE_WINDOWS:
            why = f"fails only once stable has {STABLE_WINDOWS} looks, it has {say.count(one.stable_batches)}"
    return GateResult(
        name=gate.name,
        type=gate.type,
        verdict=verdict,
        message=f"{clause}. {why[:1].upper()}{why[1:]}" if why else clause,
        required=gate.decides,
        layer=one.layer,
        observed=f"{say.percent(one.rate)} {noun}" if one.batches else None,
        stable=None if one.stable is None else f"{say.percent(one.stable)} {noun}",
        limit=limit if limited else None,
        samples=f"{say.count(one.batches)} looks",
    )
