"""One layer's dead units against one limit: windows of equal size are the sample, never neurons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from modelrollout.api.gates import DeadNeuronsGate
from modelrollout.core.analysis.gates.checks.collapse import newest_far_beyond
from modelrollout.core.analysis.gates.checks.layers.promoted_versions import RetrainMargin, margin_of
from modelrollout.core.analysis.gates.checks.threshold_check import in_a_row_at_end
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.stats import limits
from modelrollout.core.analysis.stats.arrays import Array, Flags
from modelrollout.core.analysis.stats.limits import LimitLine
from modelrollout.core.analysis.stats.margins.retrain import together
from modelrollout.core.analysis.stats.parameters import BREACHING_LOOKS, FEW_WINDOWS, ROUNDING
from modelrollout.core.analysis.stats.replicates import (
    ReplicateHistory,
    Replicates,
    divide,
    spread,
    windows,
)
from modelrollout.core.analysis.stats.window_evidence import (
    Margin,
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


def layer_standings(
    gate: DeadNeuronsGate, gate_input: GateInput, layers: Sequence[str], line: LimitLine, alpha: float
) -> dict[str, LayerStanding]:
    """Each layer against one limit, by the gate's method; `alpha` is the error allowed to each."""
    if not layers:
        return {}
    seen = _Seen(
        gate_input, layers, *_replicates(gate_input, "candidate", layers), *_replicates(gate_input, "stable", layers)
    )
    found = (
        _plain_standings(gate, seen, line, alpha)
        if gate.method == "Threshold"
        else _sequential(gate, seen, line, alpha)
    )
    newest = divide(seen.candidate.total, seen.candidate.count)[:, gate_input.start :]
    out = {}
    for one, latest in zip(found, newest, strict=True):
        collapsed = one.passes and newest_far_beyond(latest, 0.0, one.limit)
        out[one.layer] = replace(one, passes=False, leaning=True, collapsed=True) if collapsed else one
    return out


@dataclass(frozen=True)
class _Seen:
    """The windows of some layers per tick, (layers, ticks), and the layers' numbers of units, (layers,)."""

    gate_input: GateInput
    layers: Sequence[str]
    candidate: Replicates
    width: Array
    stable: Replicates
    stable_width: Array

    @property
    def units(self) -> Array:
        """The candidate's, or stable's; NaN where neither is known."""
        return np.where(np.isfinite(self.width), self.width, self.stable_width)


def _margins(gate: DeadNeuronsGate, seen: _Seen) -> list[RetrainMargin | None]:
    """The margin of each layer over stable, where the spec sets none and its units are known."""
    if gate.profile != "Retrain" or sets_limit(gate):
        return [None] * len(seen.layers)
    pairs = zip(seen.layers, seen.units.tolist(), strict=True)
    return [margin_of(seen.gate_input, layer, units) if np.isfinite(units) else None for layer, units in pairs]


def _settings(gate: DeadNeuronsGate, units: Array, alpha: float, margin: Margin | None) -> WindowSettings:
    """Of layers with so many `units`."""
    known = np.isfinite(units)
    safe = np.where(known, units, 1.0)
    return WindowSettings(
        alpha=alpha,
        min_excess=np.where(known & (gate.profile == "Retrain"), limits.DEAD_RETRAIN_UNITS / safe, 0.0),
        spread_floor=np.where(known, 0.5 / safe, 1e-6),
        margin=margin,
    )


def _source(gate: DeadNeuronsGate, found: RetrainMargin | None) -> str:
    return found.source if found else "" if sets_limit(gate) else "default margin"


def _plain_standings(gate: DeadNeuronsGate, seen: _Seen, line: LimitLine, alpha: float) -> list[LayerStanding]:
    out = []
    for at, (layer, found) in enumerate(zip(seen.layers, _margins(gate, seen), strict=True)):
        settings = _settings(gate, seen.units[at], alpha, found.margin if found else None)
        one = _plain(seen.gate_input, layer, seen.candidate.of(at), seen.stable.of(at), line, settings)
        out.append(replace(one, source=_source(gate, found)))
    return out


def _sequential(gate: DeadNeuronsGate, seen: _Seen, line: LimitLine, alpha: float) -> list[LayerStanding]:
    """All layers whose margin is of one kind at once: there are as many steps as for one of them."""
    start, units = seen.gate_input.start, seen.units[:, None]
    if not line.relative:
        evidence = at_most(seen.candidate.since(start), line.plus, _settings(gate, units, alpha, None))
        return _standings(seen.layers, evidence, None, [""] * len(seen.layers))
    margins, out = _margins(gate, seen), dict[str, LayerStanding]()
    for kind in dict.fromkeys(type(one.margin) if one else None for one in margins):
        at = [number for number, one in enumerate(margins) if (type(one.margin) if one else None) is kind]
        alone = len(at) == len(seen.layers)
        candidate, stable = (one if alone else one.of(at) for one in (seen.candidate, seen.stable))
        history = ReplicateHistory(seen.gate_input.ends[:start], stable.until(start)) if start else None
        margin = together([one.margin for number in at if (one := margins[number])])
        settings = _settings(gate, units[at], alpha, margin)
        evidence = window_evidence(
            seen.gate_input.ends[start:],
            candidate.since(start),
            stable.since(start),
            line,
            replace(settings, memo=seen.gate_input.memo_of(line, str(kind))),
            history=history,
        )
        sources = [_source(gate, margins[number]) for number in at]
        standings = _standings([seen.layers[number] for number in at], evidence, "stable", sources)
        out.update((standing.layer, standing) for standing in standings)
    return [out[layer] for layer in seen.layers]


def sets_limit(gate: DeadNeuronsGate) -> bool:
    """Whether the spec says what is allowed."""
    return gate.max is not None or gate.versus_stable is not None


def _replicates(gate_input: GateInput, arm: s.Arm, layers: Sequence[str]) -> tuple[Replicates, Array]:
    """The windows of each layer per tick, and its number of units (NaN before the first window).

    Windows of no units say nothing: they are left out.
    """
    count, units, dead, square = (
        gate_input.table.by_layer(metric, arm, layers)
        for metric in (s.WINDOWS, s.WINDOW_NEURONS, s.WINDOW_DEAD, s.WINDOW_DEAD_SQUARED)
    )
    count = count * (units.sum(axis=1) > 0)[:, None]
    width = divide(units.sum(axis=1), count.sum(axis=1))
    return windows(count, dead, square, np.where(np.isnan(width), 1.0, width)[:, None]), width


def _standings(
    layers: Sequence[str], found: WindowEvidence, versus: str | None, sources: Sequence[str]
) -> list[LayerStanding]:
    """What the newest tick of evidence (layers, T) says of each layer; `sources` of their limits, in words."""
    now = found.newest
    columns = (
        now.samples,
        now.mean,
        now.excess,
        now.limit,
        now.stable,
        now.stable_samples,
        now.strength,
        now.sequence,
        now.ceiling,
        now.passing,
        now.hold,
    )
    rows = zip(*(one[:, -1].tolist() for one in columns), strict=True)
    each = zip(layers, rows, sources, strict=True)
    return [_standing(layer, row, versus, source) for layer, row, source in each]


def _standing(layer: str, row: tuple[Any, ...], versus: str | None, source: str) -> LayerStanding:
    n, mean, excess, limit, stable, stable_samples, strength, sequence, ceiling, passing, hold = row
    # what was allowed while the windows came, of which the verdict is: not what stable would allow now
    limit = mean - excess if math.isfinite(mean - excess) else limit
    fails = ""
    if sequence:
        fails = "beyond the limit by more than chance explains"
    elif ceiling:
        within = ", though their mean is within it" if mean <= limit else ""
        fails = f"over twice the limit in two windows in a row{within} (a fixed ceiling, without an error bound)"
    return LayerStanding(
        layer=layer,
        rate=mean,
        stable=stable if versus and math.isfinite(stable) else None,
        limit=limit,
        windows=n,
        stable_windows=stable_samples,
        fails=fails,
        passes=passing and math.isfinite(limit),
        leaning=hold or (n > 0 and excess > 0),
        strength=strength,
        source=source,
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
