"""ZeroRatio and NegativeRatio: a layer's share of zeros or negatives, batches of ticks being the sample."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from modelrollout.api.gates import NegativeRatioGate, ZeroRatioGate
from modelrollout.core.analysis.gates.checks.collapse import newest_far_beyond
from modelrollout.core.analysis.gates.checks.layers.likeness import Unlike, unlike
from modelrollout.core.analysis.gates.checks.layers.shares import LayerShare, absence, by_looks, layers_result
from modelrollout.core.analysis.gates.checks.losses import COUNTED_WITH_DROPS, DROPPED_OBSERVATIONS, heeding
from modelrollout.core.analysis.gates.checks.readable import (
    all_layers,
    as_read,
    contradicted,
    lacking,
    layers_contradicted,
    layers_lacking,
    unreadable,
)
from modelrollout.core.analysis.gates.checks.spared import needing
from modelrollout.core.analysis.gates.definition import GateDefinition, always
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.result import Judged, no_data
from modelrollout.core.analysis.gates.sources.absence import absent
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.stats import alpha_budget, limits, window_evidence
from modelrollout.core.analysis.stats.arrays import Array
from modelrollout.core.analysis.stats.limits import LimitLine
from modelrollout.core.analysis.stats.parameters import EARLY_STABLE
from modelrollout.core.analysis.stats.replicates import ReplicateHistory, batched
from modelrollout.core.analysis.stats.window_evidence import WindowEvidence, WindowSettings
from modelrollout.core.finding import Finding

RatioGate = ZeroRatioGate | NegativeRatioGate


def judge_zero_ratio(gate: ZeroRatioGate, gate_input: GateInput, share: float) -> Judged:
    """The share of zeros, as judge_ratio has it."""
    return judge_ratio(gate, gate_input, share, s.ZEROS, "zero")


def judge_negative_ratio(gate: NegativeRatioGate, gate_input: GateInput, share: float) -> Judged:
    """The share of values below zero, as judge_ratio has it."""
    return judge_ratio(gate, gate_input, share, s.NEGATIVES, "negative")


def judge_ratio(gate: RatioGate, gate_input: GateInput, share: float, part: str, noun: str) -> Judged:
    """Inside the band the user set, or within the profile's margin of stable on both sides."""
    gate_input = needing(gate_input, lambda metric, _: metric in {part, s.ELEMENTS})
    arms: tuple[s.Arm, ...] = ("candidate",) if gate.within else s.ARMS
    bad = unreadable(gate_input, (part, s.ELEMENTS, s.DROPPED), arms) or lacking(gate_input, s.ELEMENTS, [part], arms)
    bad = bad or (None if gate.within else contradicted(gate_input, part))
    without = layers_lacking(gate_input, s.ELEMENTS, [part], arms)
    without |= set() if gate.within else layers_contradicted(gate_input, part, "stable")
    odd = Unlike() if gate.within else unlike(gate_input, s.ELEMENTS)
    layers = sorted(gate_input.table.layers(s.ELEMENTS, "candidate") - without - odd.layers)
    found = _judge_layers(gate, gate_input, share, layers, (part, noun))
    return as_read(gate, found, bad) if bad else as_read(gate, found, odd.finding, "NOT_COMPARABLE")


def _judge_layers(
    gate: RatioGate, gate_input: GateInput, share: float, layers: list[str], words: tuple[str, str]
) -> Judged:
    part, noun = words
    missing, text = absence(gate.type, s.ELEMENTS, gate_input)
    if not layers:
        problem = Finding("SeriesMissing", f"the candidate exports no {s.ELEMENTS}: is its telemetry on?")
        return Judged(no_data(gate, problem).result, (), missing, text)
    number = len(all_layers(gate_input, s.ELEMENTS, "candidate"))
    alpha = alpha_budget.gauge_alpha(share, number, gate_input.request.spec.analysis.false_rollback)
    found = [_heeding_newest(_ratio_layer(gate, gate_input, layer, part, alpha), gate_input, part) for layer in layers]
    sample = "evaluation" if gate.method == "Threshold" else "batch"
    return Judged(layers_result(gate, found, noun, sample), (), missing, text)


def _ratio_layer(gate: RatioGate, gate_input: GateInput, layer: str, part: str, alpha: float) -> LayerShare:
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
        return by_looks(layer, ratios, stable, (low, high))
    candidate = batched(bad[start:], total[start:])
    settings = WindowSettings(alpha=alpha, stable_needed=EARLY_STABLE)
    if gate.within:
        pair = window_evidence.within(candidate, low, high, settings)
    else:
        reference, before = batched(known[start:], all_known[start:]), batched(known[:start], all_known[:start])
        history = ReplicateHistory(gate_input.ends[:start], before) if start else None
        pair = window_evidence.two_sided(
            gate_input.ends[start:], candidate, reference, LimitLine(1.0, margin), settings, history=history
        )
    one = _from_pair(layer, pair, stable, (low, high))
    return one if gate.within else _beside_stable(one, known[start:], all_known[start:], margin)


def _heeding_newest(one: LayerShare, gate_input: GateInput, part: str) -> LayerShare:
    """Batches are of several ticks: the newest tick may tell of what the next batch will."""
    bad, total = (gate_input.table.total(name, "candidate", layer=one.layer) for name in (part, s.ELEMENTS))
    ratios = np.where(total > 0, bad / np.where(total > 0, total, 1.0), np.nan)[gate_input.start :]
    return replace(one, collapsed=newest_far_beyond(ratios, one.low, one.high))


def _beside_stable(one: LayerShare, part: Array, elements: Array, margin: float) -> LayerShare:
    """No FAIL where stable's share moved as far since evidence began: what users send has changed, not the version."""
    known = float(elements.sum())
    share = float(part.sum()) / known if known else None
    if not one.fails or share is None or not share - margin <= one.rate <= share + margin:
        return one
    return replace(one, fails=False, passes=False, beside=share)


def _from_pair(
    layer: str, pair: tuple[WindowEvidence, WindowEvidence], stable: float | None, band: tuple[float, float]
) -> LayerShare:
    upper, lower = pair
    rate, above, below = (float(values[-1]) for values in (upper.mean, upper.excess, lower.excess))
    if np.isfinite(above) and np.isfinite(below):
        band = below + rate, rate - above  # what was allowed while the batches came, of which the verdict is
    return LayerShare(
        layer,
        rate,
        stable,
        *band,
        float(upper.samples[-1]),
        bool(upper.failing[-1] or lower.failing[-1]),
        bool(upper.passing[-1] and lower.passing[-1]) and bool(np.isfinite(band[0])),
        max(float(upper.strength[-1]), float(lower.strength[-1])),
        float(upper.stable_samples[-1]) if np.isfinite(upper.stable[-1]) else None,
    )


def _unjudgeable(gate: RatioGate, gate_input: GateInput) -> Finding | None:
    return absent(gate_input, s.ELEMENTS, relative=gate.within is None)


ZERO_RATIO = GateDefinition(
    model=ZeroRatioGate,
    series=always(s.ELEMENTS, s.ZEROS, *COUNTED_WITH_DROPS),
    unjudgeable=_unjudgeable,
    family="windows",
    judge=heeding(judge_zero_ratio, lambda _: DROPPED_OBSERVATIONS, lambda gate: gate.within is None),
)
NEGATIVE_RATIO = GateDefinition(
    model=NegativeRatioGate,
    series=always(s.ELEMENTS, s.NEGATIVES, *COUNTED_WITH_DROPS),
    unjudgeable=_unjudgeable,
    family="windows",
    judge=heeding(judge_negative_ratio, lambda _: DROPPED_OBSERVATIONS, lambda gate: gate.within is None),
)
