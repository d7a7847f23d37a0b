"""DeadNeurons: the share of units of a layer that never fire; one layer beyond its limit is enough to fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from modelrollout.api.gates import DeadNeuronsGate
from modelrollout.api.status import Verdict
from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.checks.layers.likeness import Unlike, unlike_windows
from modelrollout.core.analysis.gates.checks.layers.windows import LayerStanding, layer_standings
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
from modelrollout.core.analysis.gates.definition import GateDefinition, always
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.result import Judged, no_data
from modelrollout.core.analysis.gates.sources.absence import absent
from modelrollout.core.analysis.gates.wording import in_words
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.stats import alpha_budget, limits
from modelrollout.core.analysis.stats.limits import LimitLine
from modelrollout.core.analysis.stats.parameters import BURN_IN, FEW_WINDOWS, PASS_WINDOWS, STABLE_WINDOWS
from modelrollout.core.evaluation import GateResult
from modelrollout.core.finding import Finding

PARTS = (s.WINDOW_NEURONS, s.WINDOW_DEAD, s.WINDOW_DEAD_SQUARED)
"""What is counted of each window."""


def judge_dead_neurons(gate: DeadNeuronsGate, gate_input: GateInput, share: float) -> Judged:
    """The gate's standing over all layers, the worst one named; `share` of the part for windows and gauges."""
    missing = gate_input.missing(gate_input.table.present(s.WINDOWS, "candidate"))
    text = f"DeadNeurons: no sample of the candidate's {s.WINDOWS} in {say.last_ticks(missing)}"
    if not all_layers(gate_input, s.WINDOWS, "candidate"):
        problem = Finding("SeriesMissing", f"the candidate exports no {s.WINDOWS}: is its telemetry on?")
        return Judged(no_data(gate, problem).result, (), missing, text)
    odd = unlike_windows(gate_input) if _relative(gate) else Unlike()
    found = replace(_judge_layers(gate, gate_input, share, odd.layers), missing=missing, missing_text=text)
    bad = None if odd.reason == "LayersDiffer" else _unread(gate, gate_input)
    return as_read(gate, found, bad) if bad else as_read(gate, found, odd.finding, "NOT_COMPARABLE")


def _unread(gate: DeadNeuronsGate, gate_input: GateInput) -> Finding | None:
    arms: tuple[s.Arm, ...] = s.ARMS if _relative(gate) else ("candidate",)
    if _relative(gate) and not all_layers(gate_input, s.WINDOWS, "stable"):
        text = f"stable exports no {s.WINDOWS} to compare with; set max for an absolute limit"
        return Finding("SeriesMissing", text)
    found = unreadable(gate_input, (s.WINDOWS, s.DROPPED), arms) or lacking(gate_input, s.WINDOWS, PARTS, arms)
    return found or (contradicted(gate_input, s.WINDOW_DEAD) if _relative(gate) else None)


def _judge_layers(gate: DeadNeuronsGate, gate_input: GateInput, share: float, odd: frozenset[str]) -> Judged:
    """Every layer that can be read against each limit; against stable only those that are not `odd`."""
    tests, number = limits_of(gate), len(all_layers(gate_input, s.WINDOWS, "candidate"))
    alpha = alpha_budget.gauge_alpha(share / len(tests), number, gate_input.request.spec.analysis.false_rollback)
    own = _read(gate_input, ("candidate",))
    known = {True: _read(gate_input, s.ARMS) - odd, False: own}
    found = [layer_standings(gate, gate_input, sorted(own & known[line.relative]), line, alpha) for line in tests]
    standings = [one[layer] for layer in sorted(own) for one in found if layer in one]
    if not standings:
        return no_data(gate, Finding("SeriesMissing", f"no layer's {s.WINDOWS} can be read"))
    return Judged(_result(gate, gate_input, standings))


def _read(gate_input: GateInput, arms: tuple[s.Arm, ...]) -> set[str]:
    """The layers of which all these versions have everything that can be read."""
    every = set.intersection(*(gate_input.table.layers(s.WINDOWS, arm) for arm in arms))
    odd = layers_contradicted(gate_input, s.WINDOW_DEAD, "stable") if "stable" in arms else set[str]()
    return every - layers_lacking(gate_input, s.WINDOWS, PARTS, arms) - odd


def limits_of(gate: DeadNeuronsGate) -> tuple[LimitLine, ...]:
    """Absolute limit and margin over stable; without either the margin of the profile."""
    found = [limits.absolute(gate.max)] if gate.max is not None else []
    if gate.versus_stable is not None:
        found.append(LimitLine(gate.versus_stable.ratio, gate.versus_stable.plus))
    default = limits.DEAD_RETRAIN if gate.profile == "Retrain" else limits.DEAD_SAME_WEIGHTS
    return tuple(found) or (default,)


def _relative(gate: DeadNeuronsGate) -> bool:
    return any(line.relative for line in limits_of(gate))


def _result(gate: DeadNeuronsGate, gate_input: GateInput, standings: list[LayerStanding]) -> GateResult:
    failed = sorted((one for one in standings if one.fails), key=lambda one: -one.strength)
    open_ones = sorted((one for one in standings if not one.passes), key=lambda one: -one.strength)
    one = (failed or open_ones or sorted(standings, key=lambda each: -each.strength))[0]
    unseen = min(standings, key=lambda each: each.windows)
    verdict: Verdict = "FAIL" if failed else "NO_DATA" if not unseen.windows else "CONTINUE" if open_ones else "PASS"
    leaning = any(each.leaning for each in standings)
    found = GateResult(gate.name, gate.type, verdict, "", required=gate.decides, layer=one.layer, leaning_bad=leaning)

    def told() -> GateResult:
        waits = verdict in {"NO_DATA", "CONTINUE"} and not one.collapsed
        eta = _eta(gate, gate_input, one, unseen.windows) if waits else None
        also = list(dict.fromkeys(each.layer for each in failed[1:] if each.layer != one.layer))
        return _told(found, one, eta, also, unseen.layer)

    return in_words(found, told)


def _told(found: GateResult, one: LayerStanding, eta: str | None, also: list[str], unseen: str) -> GateResult:
    """With its sentence, about the layer `one`; `unseen` has fewest windows, `also` fail beside it."""
    versus = f" vs stable {say.percent(one.stable)}" if one.stable is not None else ""
    observed, most = say.beside(one.rate, one.limit)
    limit = f"<= {most}" if np.isfinite(one.limit) else None
    source = f" ({one.source})" if one.source and limit else ""
    clause = f"layer {one.layer}: candidate {observed} dead{versus}; allowed {limit or 'unknown yet'}{source}"
    why = {
        "FAIL": one.fails + (f"; also layer {say.few(also)}" if also else ""),
        "PASS": "every layer within its limit",
        "CONTINUE": "far beyond the limit in the newest windows" if one.collapsed else eta or "not decided yet",
        "NO_DATA": eta or "",
    }[found.verdict]
    if found.verdict == "NO_DATA":
        clause = f"layer {unseen}: no complete window of the candidate yet"
    return replace(
        found,
        message=f"{clause}. {say.sentence(why)}",
        observed=f"{observed} dead" if one.windows else None,
        stable=None if one.stable is None else f"{say.percent(one.stable)} dead",
        limit=limit,
        samples=f"{say.count(one.windows)} vs {say.count(one.stable_windows)} windows",
        eta=eta,
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


DEFINITION = GateDefinition(
    model=DeadNeuronsGate,
    series=always(
        s.WINDOWS,
        s.WINDOW_NEURONS,
        s.WINDOW_DEAD,
        s.WINDOW_DEAD_SQUARED,
        s.WINDOW_SIZE,
        s.LAYER_INFO,
        *COUNTED_WITH_DROPS,
    ),
    family="windows",
    judge=heeding(judge_dead_neurons, lambda _: DROPPED_OBSERVATIONS, _relative),
    default=DeadNeuronsGate(name="dead-neurons", type="DeadNeurons"),
    needs=s.WINDOWS,
    exported=lambda _, seen: seen.table.has(s.WINDOWS, "stable"),
    unjudgeable=lambda gate, seen: absent(seen, s.WINDOWS, relative=_relative(gate)),
)
