"""A bad sample is left out and said; a gate is without evidence while its counters give no good ones, or none."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.finding import Finding


def unreadable(gate_input: GateInput, metrics: Iterable[str], arms: Iterable[s.Arm] = s.ARMS) -> Finding | None:
    """Why the metrics cannot be judged now: a counter of theirs is scraped, and is no number each time."""
    found = ((metric, arm) for metric in metrics for arm in arms)
    at = next((key for key in found if key in gate_input.table.unreadable), None)
    if at is None:
        return None
    text = (
        f"{gate_input.exported(at[0])} of the {at[1]} reads NaN, Inf, negative or impossible at every scrape now: "
        "judged again once it is a number"
    )
    return Finding("SampleNotANumber", text)


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


def left_out_warnings(gate_input: GateInput) -> list[str]:
    """What was left out since the rollout started, by metric and version."""
    return [
        f"{say.counted(found.samples, 'bad sample')} of {gate_input.exported(metric)} of the {arm} left out "
        f"(NaN, Inf, negative or impossible), the last at {say.clock(found.last)} UTC"
        for (metric, arm), found in sorted(gate_input.table.left_out.items())
    ]
