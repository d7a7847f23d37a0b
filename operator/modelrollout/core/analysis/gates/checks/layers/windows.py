"""One layer's dead units against one limit: windows of equal size are the sample, never neurons."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from modelrollout.api.gates import DeadNeuronsGate
from modelrollout.core.analysis.gates.checks.collapse import newest_far_beyond
from modelrollout.core.analysis.gates.checks.layers.promoted_versions import margin_of
from modelrollout.core.analysis.gates.checks.threshold_check import in_a_row_at_end
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.stats import limits
from modelrollout.core.analysis.stats.arrays import Array, Flags
from modelrollout.core.analysis.stats.limits import LimitLine
from modelrollout.core.analysis.stats.parameters import BREACHING_LOOKS, FEW_WINDOWS, ROUNDING
from modelrollout.core.analysis.stats.replicates import (
    ReplicateHistory,
    Replicates,
    divide,
    spread,
    windows,
)
from modelrollout.core.analysis.stats.window_evidence import (
    WindowEvidence,
    WindowSettings,
    at_most,
    room,
    window_evidence,
)


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
    collapsed: bool = False
    """The newest windows alone lie far beyond the limit: no PASS, whatever those before say."""
    source: str = ""
    """Where the limit comes from, in words; empty where the spec sets it."""


def layer_standing(
    gate: DeadNeuronsGate, gate_input: GateInput, layer: str, line: LimitLine, alpha: float
) -> LayerStanding:
    """One layer against one limit, by the gate's method; `alpha` is the error allowed to it."""
    candidate, _ = _replicates(gate_input, "candidate", layer)
    newest = divide(candidate.total, candidate.count)[gate_input.start :]
    one = _by_method(gate, gate_input, layer, line, alpha)
    collapsed = newest_far_beyond(newest, 0.0, one.limit)
    return replace(one, passes=False, leaning=True, collapsed=True) if one.passes and collapsed else one


def _by_method(
    gate: DeadNeuronsGate, gate_input: GateInput, layer: str, line: LimitLine, alpha: float
) -> LayerStanding:
    candidate, width = _replicates(gate_input, "candidate", layer)
    stable, stable_width = _replicates(gate_input, "stable", layer)
    units = width if np.isfinite(width) else stable_width
    counted = np.isfinite(units) and gate.profile == "Retrain"
    found = margin_of(gate_input, layer, units) if counted and not sets_limit(gate) else None
    settings = WindowSettings(
        alpha=alpha,
        min_excess=limits.DEAD_RETRAIN_UNITS / units if counted else 0.0,
        spread_floor=0.5 / units if np.isfinite(units) else 1e-6,
        margin=found.margin if found else None,
    )
    source = found.source if found else "" if sets_limit(gate) else "default margin"
    if gate.method == "Threshold":
        return replace(_plain(gate_input, layer, candidate, stable, line, settings), source=source)
    start = gate_input.start
    cut = Replicates(candidate.count[start:], candidate.total[start:], candidate.square[start:])
    if not line.relative:
        return _standing(layer, at_most(cut, line.plus, settings), None)
    before = Replicates(stable.count[:start], stable.total[:start], stable.square[:start])
    after = Replicates(stable.count[start:], stable.total[start:], stable.square[start:])
    history = ReplicateHistory(gate_input.ends[:start], before) if start else None
    evidence = window_evidence(gate_input.ends[start:], cut, after, line, settings, history=history)
    return replace(_standing(layer, evidence, "stable"), source=source)


def sets_limit(gate: DeadNeuronsGate) -> bool:
    """Whether the spec says what is allowed."""
    return gate.max is not None or gate.versus_stable is not None


def _replicates(gate_input: GateInput, arm: s.Arm, layer: str) -> tuple[Replicates, float]:
    """The windows of one layer per tick, and its number of units (NaN before the first window).

    Windows of no units say nothing: they are left out.
    """
    units = gate_input.table.total(s.WINDOW_NEURONS, arm, layer=layer)
    count = gate_input.table.total(s.WINDOWS, arm, layer=layer) * bool(units.sum())
    width = float(units.sum() / count.sum()) if count.sum() else float("nan")
    dead = gate_input.table.total(s.WINDOW_DEAD, arm, layer=layer)
    square = gate_input.table.total(s.WINDOW_DEAD_SQUARED, arm, layer=layer)
    return windows(count, dead, square, 1.0 if np.isnan(width) else width), width


def _standing(layer: str, found: WindowEvidence, versus: str | None) -> LayerStanding:
    n, mean, excess = (float(values[-1]) for values in (found.samples, found.mean, found.excess))
    # what was allowed while the windows came, of which the verdict is: not what stable would allow now
    limit = mean - excess if np.isfinite(mean - excess) else float(found.limit[-1])
    fails = ""
    if bool(found.sequence[-1]):
        fails = "beyond the limit by more than chance explains"
    elif bool(found.ceiling[-1]):
        within = ", though their mean is within it" if mean <= limit else ""
        fails = f"over twice the limit in two windows in a row{within} (a fixed ceiling, without an error bound)"
    stable = float(found.stable[-1]) if versus else None
    return LayerStanding(
        layer=layer,
        rate=mean,
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
    gate_input: GateInput,
    layer: str,
    candidate: Replicates,
    stable: Replicates,
    line: LimitLine,
    settings: WindowSettings,
) -> LayerStanding:
    """Threshold: the mean over this step's windows, three evaluations with new windows beyond the limit in a row."""
    n, total = np.cumsum(candidate.count[gate_input.step :]), np.cumsum(candidate.total[gate_input.step :])
    observed = np.cumsum(stable.count)
    limits, reference = _limits(stable, line, settings, gate_input.step)
    rates = np.where(n > 0, total / np.where(n > 0, n, 1.0), np.nan)
    looks = (candidate.count[gate_input.step :] > 0) & np.isfinite(limits)
    breaches: Flags = (rates > limits + ROUNDING)[looks]
    in_a_row = in_a_row_at_end(breaches)
    windows_now, rate = (float(n[-1]), float(rates[-1])) if len(n) else (0.0, float("nan"))
    limit = float(limits[-1]) if len(limits) else float("nan")
    beyond = bool(rate > limit + ROUNDING)
    return LayerStanding(
        layer=layer,
        rate=rate,
        stable=float(reference[-1]) if line.relative and len(reference) and np.isfinite(reference[-1]) else None,
        limit=limit,
        windows=windows_now,
        stable_windows=float(observed[-1]) if len(observed) else 0.0,
        fails=f"beyond the limit in {in_a_row} evaluations in a row" if in_a_row >= BREACHING_LOOKS else "",
        passes=windows_now >= FEW_WINDOWS and np.isfinite(limit) and not beyond,
        leaning=beyond,
        strength=(rate - limit) if np.isfinite(rate) and np.isfinite(limit) else -np.inf,
    )


def _limits(stable: Replicates, line: LimitLine, settings: WindowSettings, first: int) -> tuple[Array, Array]:
    """(limit, stable's mean so far) at the ticks from `first` on."""
    count, total, square = (np.cumsum(each) for each in (stable.count, stable.total, stable.square))
    reference = divide(total, count)[first:]
    if not line.relative:
        return np.full(len(reference), line.plus), reference
    if settings.margin is None:
        return np.maximum(line.at(reference), reference + settings.min_excess), reference
    sd = np.maximum(spread(count, total, square)[first:], settings.spread_floor)
    return settings.margin.limit(reference, room(sd, settings.alpha)), reference
