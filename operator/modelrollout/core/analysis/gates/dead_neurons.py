"""DeadNeurons: windows of equal size are the sample, never neurons; one layer beyond its limit is enough to fail."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modelrollout.api.gates import DeadNeuronsGate
from modelrollout.api.status import Verdict
from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.checks.threshold_check import in_a_row_at_end
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.result import Judged, no_data
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.stats import alpha_budget, limits
from modelrollout.core.analysis.stats.arrays import Flags
from modelrollout.core.analysis.stats.limits import LimitLine
from modelrollout.core.analysis.stats.parameters import (
    BREACHING_LOOKS,
    BURN_IN,
    FEW_WINDOWS,
    PASS_WINDOWS,
    STABLE_WINDOWS,
)
from modelrollout.core.analysis.stats.replicates import ReplicateHistory, Replicates, windows
from modelrollout.core.analysis.stats.window_evidence import WindowEvidence, WindowSettings, at_most, window_evidence
from modelrollout.core.evaluation import GateResult
from modelrollout.core.finding import Finding


@dataclass(frozen=True)
class LayerStanding:
    """One layer against one limit. Rates are dead units / units."""

    layer: str
    rate: float
    stable: float | None
    limit: float
    windows: float
    stable_windows: float
    fails: str = ""
    """The rule that says FAIL, in words; empty otherwise."""
    passes: bool = False
    leaning: bool = False
    strength: float = 0.0


def judge_dead_neurons(gate: DeadNeuronsGate, gate_input: GateInput, share: float) -> Judged:
    """The gate's standing over all layers, the worst one named; `share` of the part for windows and gauges."""
    layers = {arm: gate_input.table.layers(s.WINDOWS, arm) for arm in ("candidate", "stable")}
    present = gate_input.table.present(s.WINDOWS, "candidate")
    missing = gate_input.missing(present)
    text = f"DeadNeurons: no sample of the candidate's {s.WINDOWS} in {say.last_ticks(missing)}"
    problem = _problem(gate, gate_input, layers["candidate"], layers["stable"])
    if problem:
        kind = "NOT_COMPARABLE" if problem.reason.endswith("Differ") else "NO_DATA"
        judged = no_data(gate, problem, verdict="NOT_COMPARABLE" if kind == "NOT_COMPARABLE" else "NO_DATA")
        return Judged(judged.result, (), missing, text)
    tests = limits_of(gate)
    standings = [
        _layer(
            gate,
            gate_input,
            layer,
            test,
            alpha_budget.gauge_alpha(share / len(tests), len(layers["candidate"]), _alpha(gate_input)),
        )
        for layer in sorted(layers["candidate"])
        for test in tests
    ]
    return Judged(_result(gate, gate_input, standings), (), missing, text)


def limits_of(gate: DeadNeuronsGate) -> tuple[LimitLine, ...]:
    """Absolute limit and margin over stable; without either the margin of the profile."""
    found = [limits.absolute(gate.max)] if gate.max is not None else []
    if gate.versus_stable is not None:
        found.append(LimitLine(gate.versus_stable.ratio, gate.versus_stable.plus))
    default = limits.DEAD_RETRAIN if gate.profile == "Retrain" else limits.DEAD_SAME_WEIGHTS
    return tuple(found) or (default,)


def _alpha(gate_input: GateInput) -> float:
    return gate_input.request.spec.analysis.false_rollback


def _problem(gate: DeadNeuronsGate, gate_input: GateInput, candidate: set[str], stable: set[str]) -> Finding | None:
    if not candidate:
        return Finding("SeriesMissing", f"the candidate exports no {s.WINDOWS}: is its telemetry on?")
    relative = any(line.relative for line in limits_of(gate))
    if relative and not stable:
        return Finding("SeriesMissing", f"stable exports no {s.WINDOWS} to compare with; set max for an absolute limit")
    if relative and candidate != stable:
        odd = ", ".join(sorted(candidate ^ stable))
        return Finding("LayersDiffer", f"only one of the versions reports layer {odd}: not comparable with stable")
    for metric in (s.WINDOWS, s.WINDOW_DEAD, s.WINDOW_NEURONS):
        if gate_input.table.spoilt(metric, "candidate", gate_input.start):
            return Finding("SampleNotANumber", f"{metric} of the candidate read NaN, Inf or a negative number")
    return (_sizes(gate_input) or _criteria(gate_input)) if relative else None


def _sizes(gate_input: GateInput) -> Finding | None:
    found: dict[tuple[str, str], set[float]] = {}
    for channel, values in gate_input.table.gauges.items():
        if channel.metric == s.WINDOW_SIZE:
            found.setdefault((channel.layer, channel.arm), set()).update(values)
    for layer in sorted({layer for layer, _ in found}):
        sizes = found.get((layer, "candidate"), set()) | found.get((layer, "stable"), set())
        if len(sizes) > 1:
            text = ", ".join(f"{size:g}" for size in sorted(sizes))
            return Finding(
                "WindowSizesDiffer",
                f"layer {layer}: windows of {text} rows: dead units compare only at equal size; configure both alike",
            )
    return None


def _criteria(gate_input: GateInput) -> Finding | None:
    found: dict[str, set[str]] = {}
    for channel in gate_input.table.marks:
        if channel.metric == s.LAYER_INFO:
            found.setdefault(channel.layer, set()).add(channel.detail)
    for layer, criteria in sorted(found.items()):
        if len(criteria) > 1:
            text = " and ".join(sorted(criteria))
            return Finding(
                "CriteriaDiffer",
                f"layer {layer}: dead where {text}: only units that are dead alike compare; configure both alike",
            )
    return None


def _replicates(gate_input: GateInput, arm: s.Arm, layer: str) -> tuple[Replicates, float]:
    """The windows of one layer per tick, and its number of units (NaN before the first window)."""
    count = gate_input.table.total(s.WINDOWS, arm, layer=layer)
    units = gate_input.table.total(s.WINDOW_NEURONS, arm, layer=layer)
    width = float(units.sum() / count.sum()) if count.sum() else float("nan")
    dead = gate_input.table.total(s.WINDOW_DEAD, arm, layer=layer)
    square = gate_input.table.total(s.WINDOW_DEAD_SQUARED, arm, layer=layer)
    return windows(count, dead, square, width if width > 0 else 1.0), width


def _layer(gate: DeadNeuronsGate, gate_input: GateInput, layer: str, line: LimitLine, alpha: float) -> LayerStanding:
    candidate, width = _replicates(gate_input, "candidate", layer)
    stable, stable_width = _replicates(gate_input, "stable", layer)
    units = width if np.isfinite(width) else stable_width
    excess = limits.DEAD_RETRAIN_UNITS / units if gate.profile == "Retrain" and np.isfinite(units) else 0.0
    if gate.method == "Threshold":
        return _plain(gate_input, layer, candidate, stable, line, excess)
    floor = 0.5 / units if np.isfinite(units) else 1e-6
    settings = WindowSettings(alpha=alpha, min_excess=excess, spread_floor=floor)
    start = gate_input.start
    cut = Replicates(candidate.count[start:], candidate.total[start:], candidate.square[start:])
    if not line.relative:
        return _standing(layer, at_most(cut, line.plus, settings), None)
    before = Replicates(stable.count[:start], stable.total[:start], stable.square[:start])
    after = Replicates(stable.count[start:], stable.total[start:], stable.square[start:])
    history = ReplicateHistory(gate_input.ends[:start], before) if start else None
    return _standing(
        layer, window_evidence(gate_input.ends[start:], cut, after, line, settings, history=history), "stable"
    )


def _standing(layer: str, found: WindowEvidence, versus: str | None) -> LayerStanding:
    n, limit = float(found.samples[-1]), float(found.limit[-1])
    fails = ""
    if bool(found.sequence[-1]):
        fails = "the sequence over windows excludes chance"
    elif bool(found.ceiling[-1]):
        fails = "over twice the limit in two windows running (a ceiling without an error bound)"
    stable = float(found.stable[-1]) if versus else None
    return LayerStanding(
        layer=layer,
        rate=float(found.mean[-1]),
        stable=stable if stable is not None and np.isfinite(stable) else None,
        limit=limit,
        windows=n,
        stable_windows=float(found.stable_samples[-1]),
        fails=fails,
        passes=bool(found.passing[-1]) and bool(np.isfinite(limit)),
        leaning=bool(found.hold[-1]) or (n > 0 and float(found.excess[-1]) > 0),
        strength=float(found.strength[-1]),
    )


def _plain(
    gate_input: GateInput, layer: str, candidate: Replicates, stable: Replicates, line: LimitLine, excess: float
) -> LayerStanding:
    """Threshold: the mean over this step's windows, three looks with new windows beyond the limit in a row."""
    n, total = np.cumsum(candidate.count[gate_input.step :]), np.cumsum(candidate.total[gate_input.step :])
    observed, known = np.cumsum(stable.count), np.cumsum(stable.total)
    reference = np.where(observed > 0, known / np.where(observed > 0, observed, 1.0), np.nan)[gate_input.step :]
    limits = np.full(len(n), line.plus)
    if line.relative:
        limits = np.maximum(line.at(reference), reference + excess)
    rates = np.where(n > 0, total / np.where(n > 0, n, 1.0), np.nan)
    looks = (candidate.count[gate_input.step :] > 0) & np.isfinite(limits)
    breaches: Flags = (rates > limits)[looks]
    in_a_row = in_a_row_at_end(breaches)
    windows_now, rate = (float(n[-1]), float(rates[-1])) if len(n) else (0.0, float("nan"))
    limit = float(limits[-1]) if len(limits) else float("nan")
    beyond = bool(rate > limit)
    return LayerStanding(
        layer=layer,
        rate=rate,
        stable=float(reference[-1]) if line.relative and len(reference) and np.isfinite(reference[-1]) else None,
        limit=limit,
        windows=windows_now,
        stable_windows=float(observed[-1]) if len(observed) else 0.0,
        fails=f"beyond the limit in {in_a_row} looks in a row" if in_a_row >= BREACHING_LOOKS else "",
        passes=windows_now >= FEW_WINDOWS and np.isfinite(limit) and not beyond,
        leaning=beyond,
        strength=(rate - limit) if np.isfinite(rate) and np.isfinite(limit) else -np.inf,
    )


def _result(gate: DeadNeuronsGate, gate_input: GateInput, standings: list[LayerStanding]) -> GateResult:
    failed = sorted((one for one in standings if one.fails), key=lambda one: -one.strength)
    open_ones = sorted((one for one in standings if not one.passes), key=lambda one: -one.strength)
    one = (failed or open_ones or sorted(standings, key=lambda each: -each.strength))[0]
    unseen = min(each.windows for each in standings)
    verdict: Verdict = "FAIL" if failed else "NO_DATA" if not unseen else "CONTINUE" if open_ones else "PASS"
    eta = _eta(gate, gate_input, one, unseen) if verdict in {"NO_DATA", "CONTINUE"} else None
    versus = f" vs stable {say.percent(one.stable)}" if one.stable is not None else ""
    limit = f"<= {say.margin(one.limit)}" if np.isfinite(one.limit) else None
    clause = f"layer {one.layer}: candidate {say.percent(one.rate)} dead{versus}; allowed {limit or 'unknown yet'}"
    others = ", ".join(dict.fromkeys(each.layer for each in failed[1:] if each.layer != one.layer))
    why = {
        "FAIL": one.fails + (f"; also layer {others}" if others else ""),
        "PASS": "every layer within its limit",
        "CONTINUE": eta or "not decided yet",
        "NO_DATA": eta or "",
    }[verdict]
    if verdict == "NO_DATA":
        clause = f"layer {min(standings, key=lambda each: each.windows).layer}: no complete window of the candidate yet"
    return GateResult(
        name=gate.name,
        type=gate.type,
        verdict=verdict,
        message=f"{clause}. {why[:1].upper()}{why[1:]}",
        required=gate.decides,
        layer=one.layer,
        observed=f"{say.percent(one.rate)} dead" if one.windows else None,
        stable=None if one.stable is None else f"{say.percent(one.stable)} dead",
        limit=limit,
        samples=f"{say.count(one.windows)} vs {say.count(one.stable_windows)} windows",
        eta=eta,
        leaning_bad=any(each.leaning for each in standings),
    )


def _eta(gate: DeadNeuronsGate, gate_input: GateInput, one: LayerStanding, unseen: float) -> str:
    if gate.method == "Threshold":
        needed, arm, have = float(FEW_WINDOWS), "candidate", unseen
    elif one.leaning and one.stable_windows < STABLE_WINDOWS and one.windows >= BURN_IN:
        needed, arm, have = float(STABLE_WINDOWS), "stable", one.stable_windows
    else:
        needed, arm, have = float(PASS_WINDOWS), "candidate", unseen
    layers = max(len(gate_input.table.layers(s.WINDOWS, "candidate")), 1)
    made = gate_input.table.total(s.WINDOWS, "stable" if arm == "stable" else "candidate") / layers
    noun = "windows" if arm == "candidate" else "windows of stable"
    return say.eta(max(needed - have, 1.0), gate_input.per_second(made), noun)
