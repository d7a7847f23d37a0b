"""Where a count gate's numbers come from: bad and total per tick in both arms, of one and the same source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modelrollout.api.gates import AccuracyGate, ErrorRateGate, NonFiniteGate
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.stats.arrays import Array, CountTicks, Flags
from modelrollout.core.finding import Finding


@dataclass(frozen=True)
class Counts:
    """Bad and total of both arms, shape of the grid; `problem` says why they cannot be used."""

    ticks: CountTicks
    source: str
    noun: str
    candidate_present: Flags
    stable_present: Flags
    problem: Finding | None = None


def use_gateway(gate_input: GateInput, wanted: str | None) -> bool:
    """The gateway's series where the gate asks for them, or by default where there are any."""
    if wanted is not None:
        return wanted == "Gateway"
    return any(gate_input.table.has(s.GATEWAY_REQUESTS, arm) for arm in ("stable", "candidate"))


def error_counts(gate: ErrorRateGate, gate_input: GateInput) -> Counts:
    """Answers with a 5xx code at the gateway, or failures that the model itself reports."""
    if use_gateway(gate_input, gate.source):
        codes = {code for code in gate_input.table.details(s.GATEWAY_REQUESTS) if code.startswith("5")}
        arms = [
            (
                gate_input.table.total(s.GATEWAY_REQUESTS, arm, details=codes),
                gate_input.table.total(s.GATEWAY_REQUESTS, arm),
            )
            for arm in ("stable", "candidate")
        ]
        return _counts(gate_input, arms[1], arms[0], "gateway", "requests", (s.GATEWAY_REQUESTS,))
    if any(gate_input.table.has(s.REQUESTS, arm) for arm in ("stable", "candidate")):
        arms = [
            (gate_input.table.total(s.REQUEST_ERRORS, arm), gate_input.table.total(s.REQUESTS, arm))
            for arm in ("stable", "candidate")
        ]
        return _counts(gate_input, arms[1], arms[0], "model", "requests", (s.REQUESTS, s.REQUEST_ERRORS))
    arms = []
    for arm in ("stable", "candidate"):
        bad = gate_input.table.total(s.FAILURE, arm)
        arms.append((bad, bad + gate_input.table.total(s.SUCCESS, arm)))
    return _counts(gate_input, arms[1], arms[0], "Triton", "requests", (s.SUCCESS,))


def accuracy_counts(gate: AccuracyGate, gate_input: GateInput) -> Counts:
    """Wrong answers among the judged ones of the gate's source of labels."""
    arms = []
    for arm in ("stable", "candidate"):
        total = gate_input.table.total(s.EVALS, arm, details=[gate.labels])
        right = gate_input.table.total(s.CORRECT, arm, details=[gate.labels])
        arms.append((np.maximum(total - right, 0.0), total))
    return _counts(gate_input, arms[1], arms[0], "model", "judged answers", (s.EVALS, s.CORRECT))


def nonfinite_counts(_gate: NonFiniteGate, gate_input: GateInput) -> Counts:
    """Rows with NaN or Inf in the layer that has most of them; at least so many, since rows are not counted.

    A bad row usually spoils its whole layer, so elements would count one event many times.
    """
    arms = [_nonfinite_rows(gate_input, arm) for arm in ("stable", "candidate")]
    return _counts(gate_input, arms[1], arms[0], "model", "rows", (s.SAMPLES, s.NONFINITE, s.ELEMENTS))


def _nonfinite_rows(gate_input: GateInput, arm: s.Arm) -> tuple[Array, Array]:
    bad, total = np.zeros(gate_input.table.grid.count), np.zeros(gate_input.table.grid.count)
    for layer in gate_input.table.layers(s.SAMPLES, arm):
        rows = gate_input.table.total(s.SAMPLES, arm, layer=layer)
        elements = gate_input.table.total(s.ELEMENTS, arm, layer=layer).sum()
        width = elements / rows.sum() if rows.sum() and elements else 1.0
        spoilt = np.ceil(gate_input.table.total(s.NONFINITE, arm, layer=layer) / width - 1e-9)
        bad, total = np.maximum(bad, np.minimum(spoilt, rows)), np.maximum(total, rows)
    return bad, total


def request_totals(gate_input: GateInput) -> tuple[Array, Array]:
    """(candidate, stable) requests per tick: the gateway's count, else the model's."""
    if use_gateway(gate_input, None):
        return gate_input.table.total(s.GATEWAY_REQUESTS, "candidate"), gate_input.table.total(
            s.GATEWAY_REQUESTS, "stable"
        )
    counts = error_counts(ErrorRateGate(name="requests", type="ErrorRate", source="Model"), gate_input)
    return np.asarray(counts.ticks.candidate_total), np.asarray(counts.ticks.stable_total)


def scraped(gate_input: GateInput, source: str, arm: s.Arm, metrics: tuple[str, ...]) -> Flags:
    """Ticks in which the source's target answered: an arm without requests has no series at a gateway."""
    flags = np.zeros(gate_input.table.grid.count, dtype=bool)
    if source != "gateway":
        return flags | gate_input.table.present(metrics[0], arm)
    for (metric, _), when in gate_input.table.sampled.items():
        if metric in s.GATEWAY:
            flags = flags | when
    return flags


def _counts(
    gate_input: GateInput,
    candidate: tuple[Array, Array],
    stable: tuple[Array, Array],
    source: str,
    noun: str,
    metrics: tuple[str, ...],
) -> Counts:
    problem = None
    for metric in metrics:
        for arm in ("stable", "candidate"):
            if gate_input.table.spoilt(metric, arm, gate_input.start):
                text = f"{metric} of the {arm} read NaN, Inf or a negative number: the counter cannot be trusted"
                problem = Finding("SampleNotANumber", text)
    present = [scraped(gate_input, source, arm, metrics) for arm in ("candidate", "stable")]
    ticks = CountTicks(gate_input.ends, *candidate, *stable, restart=gate_input.restarts)
    return Counts(ticks, source, noun, present[0], present[1], problem)
