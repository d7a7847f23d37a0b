"""A bad sample is left out and said. While a counter gives no good ones, or none, its gate says FAIL or nothing.

What was read is bad whatever was not, so one layer or process that cannot be read hides no failure of the others. Any
other verdict would be about a part: it does not stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import product

from modelrollout.api.gates import Gate
from modelrollout.api.status import Verdict
from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.result import Judged, no_data
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.finding import Finding


def unreadable(gate_input: GateInput, metrics: Iterable[str], arms: Iterable[s.Arm] = s.ARMS) -> Finding | None:
    """Why the metrics cannot be judged now: a counter of theirs is scraped, and is no number each time."""
    found = ((metric, arm, layers_unread(gate_input, metric, arm)) for metric, arm in product(metrics, arms))
    metric, arm, layers = next((one for one in found if one[2]), ("", "candidate", set[str]()))
    if not layers:
        return None
    named = say.few(sorted(layers - {""}))
    where = f"layer {named} of the {arm}" if named else f"the {arm}"
    text = (
        f"{gate_input.exported(metric)} of {where} reads NaN, Inf, negative or impossible at every scrape now: "
        "judged again once it is a number"
    )
    return Finding("SampleNotANumber", text)


def layers_unread(gate_input: GateInput, metric: str, arm: s.Arm) -> set[str]:
    """The layers of which no good sample of the metric has come lately at some address; "" for one without layers."""
    return {layer for name, of, layer in gate_input.table.unreadable if (name, of) == (metric, arm)}


def all_layers(gate_input: GateInput, metric: str, arm: s.Arm) -> set[str]:
    """Every layer that the version exports, read or not."""
    return gate_input.table.layers(metric, arm) | layers_unread(gate_input, metric, arm)


def as_read(gate: Gate, found: Judged, problem: Finding | None, verdict: Verdict = "NO_DATA") -> Judged:
    """`found` is of what could be read: a FAIL of it stands and says what is not in it, else it is `verdict`.

    What it knows against the candidate goes on to count together with that of other gates.
    """
    if problem is None:
        return found
    if found.result.verdict == "FAIL":
        return replace(found, warnings=(*found.warnings, f"{gate.name}: {problem.message}"))
    return replace(found, result=no_data(gate, problem, verdict=verdict).result)


def lacking(
    gate_input: GateInput, whole: str, parts: Iterable[str], arms: Iterable[s.Arm] = s.ARMS, detail: str | None = None
) -> Finding | None:
    """Why the metric `whole` says nothing: a part of it is not there, which must not count as none."""
    table = gate_input.table
    for arm, part in product(arms, parts):
        without = table.layers(whole, arm, detail=detail) - table.layers(part, arm, detail=detail)
        if without:
            where = f" of layer {min(without)}" if min(without) else ""
            text = f"the {arm} exports {whole}{where} without {part}: none is not the same as not exported"
            return Finding("SeriesMissing", text)
    return None


def layers_lacking(gate_input: GateInput, whole: str, parts: Iterable[str], arms: Iterable[s.Arm] = s.ARMS) -> set[str]:
    """The layers of which `lacking` would speak: they cannot be judged, and the others can."""
    table = gate_input.table
    return {layer for arm, part in product(arms, parts) for layer in table.layers(whole, arm) - table.layers(part, arm)}


WHOLE = {
    s.REQUEST_ERRORS: s.REQUESTS,
    s.CORRECT: s.EVALS,
    s.NONFINITE: s.ELEMENTS,
    s.ZEROS: s.ELEMENTS,
    s.NEGATIVES: s.ELEMENTS,
    s.WINDOW_DEAD: s.WINDOW_NEURONS,
}
"""What each counter counts a part of."""
_TORN, _FEW = 0.05, 20.0
"""By so much a part may be ahead of its whole: of what was counted, and at the least."""


def layers_contradicted(gate_input: GateInput, part: str, arm: s.Arm, detail: str | None = None) -> set[str]:
    """The layers of which a part has counted more than the whole, so that one of the two is wrong."""
    mine, every = (_counted(gate_input, metric, arm, detail) for metric in (part, WHOLE[part]))
    both = mine.keys() & every.keys()
    return {layer for layer in both if mine[layer] > (1 + _TORN) * every[layer] + _FEW}


def _counted(gate_input: GateInput, metric: str, arm: s.Arm, detail: str | None) -> Mapping[str, float]:
    """What each layer has counted in all, with that detail where one is given."""
    table = gate_input.table
    if detail is None:  # of all layers at once: a model has many, and several gates ask
        return table.sum_by_layer(metric, arm)
    layers = table.layers(metric, arm, detail=detail)
    return {layer: float(table.total(metric, arm, layer=layer, details=[detail]).sum()) for layer in layers}


def contradicted(
    gate_input: GateInput, part: str, arms: Iterable[s.Arm] = ("stable",), detail: str | None = None
) -> Finding | None:
    """Why a share above 100 % is none: stable's would allow anything, or blame an equal version."""
    for arm in arms:
        layers = layers_contradicted(gate_input, part, arm, detail)
        if layers:
            where = f"layer {min(layers)} of the {arm}" if min(layers) else f"the {arm}"
            text = f"{part} of {where} counts more than {WHOLE[part]}, of which it is a part: one of the two is wrong"
            return Finding("SampleNotANumber", text)
    return None


def left_out_warnings(gate_input: GateInput) -> list[str]:
    """What was left out since the rollout started, by metric and version."""
    return [
        f"{say.counted(found.samples, 'bad sample')} of {gate_input.exported(metric)} of the {arm} left out "
        f"(NaN, Inf, negative or impossible), the last at {say.clock(found.last)} UTC"
        for (metric, arm), found in sorted(gate_input.table.left_out.items())
    ]
