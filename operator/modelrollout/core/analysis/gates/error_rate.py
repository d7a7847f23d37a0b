"""ErrorRate: requests answered with an error or refused; a budget that both versions burn blames neither."""

from __future__ import annotations

from dataclasses import replace

from modelrollout.api.gates import ErrorRateGate
from modelrollout.core.analysis.gates.checks.burn_rate_hold import burning
from modelrollout.core.analysis.gates.checks.count_check import (
    Beside,
    CountReading,
    count_tests,
    judge_counts,
    show_bad_share,
    show_refused,
)
from modelrollout.core.analysis.gates.checks.counts import Counts, request_counts
from modelrollout.core.analysis.gates.checks.standing import CountTest, LimitTest, Standing, is_relative
from modelrollout.core.analysis.gates.definition import GateDefinition, always
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.result import Judged
from modelrollout.core.analysis.gates.sources.absence import no_source
from modelrollout.core.analysis.gates.sources.order import REQUESTS, chosen, exporting, is_blind
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.stats import limits
from modelrollout.core.analysis.stats.parameters import REFUSED_PART


def tests_of(gate: ErrorRateGate) -> tuple[LimitTest, ...]:
    """On the share of errors."""
    return count_tests(gate.max, gate.versus_stable, limits.ERROR_RATE)


def judge_error_rate(gate: ErrorRateGate, gate_input: GateInput, share: float) -> Judged:
    """The gate's standing, and the hold of a budget spent too fast."""
    relative = any(line.relative for _, line in tests_of(gate))
    counts = request_counts(gate_input, gate.source, relative=relative)
    share, refused = split(gate, counts, share)
    hold = None if counts.problem else burning(gate, counts, gate_input)
    reading = CountReading(tests_of(gate), show_bad_share, beside=refused)
    if hold is not None and hold.shared:
        reading = replace(reading, adjust=_not_blamed, blames=lambda one: one.kind == "stable")
    found = judge_counts(gate, counts, reading, gate_input, share, halt=None if hold is None else hold.finding)
    return replace(found, warnings=(*found.warnings, *_unseen(gate, gate_input)))


def _unseen(gate: ErrorRateGate, gate_input: GateInput) -> tuple[str, ...]:
    """What people should know of errors that are none in the counters which this gate reads."""
    dialect = gate_input.request.dialect
    if dialect is None or not is_blind(gate_input, REQUESTS, chosen(gate_input, REQUESTS, gate.source)):
        return ()
    text = (
        f"{dialect.name} counts calls of gRPC by HTTP's status, so an error that gRPC alone tells counts as an answer"
    )
    return (f"{gate.name}: {text}: let the gate read source: Triton or Model",)


def split(gate: ErrorRateGate, counts: Counts, share: float) -> tuple[float, tuple[Beside, ...]]:
    """The share left to errors, and the test of refused requests with its own; no test without any of stable's.

    How the share is split depends on the source alone, so that it is known before anything is seen.
    """
    if counts.refused is None:
        return share, ()
    errors, own = share * (1 - REFUSED_PART), share * REFUSED_PART
    if not counts.refused.stable_total.sum():
        return errors, ()
    margin = gate.refused
    line = limits.REFUSED if margin is None else limits.LimitLine(margin.ratio, margin.plus)
    return errors, (Beside(CountTest("stable", counts.refused, line, own), show_refused),)


def _not_blamed(one: Standing) -> Standing:
    """In an incident of both versions the absolute limit says nothing about the candidate."""
    if one.kind == "limit" and one.verdict == "FAIL":
        return replace(one, verdict="CONTINUE", leaning_bad=True, excused="stable exceeds it too: not held against it")
    return one


DEFINITION = GateDefinition(
    model=ErrorRateGate,
    series=always(*s.COUNTED),
    family="counts",
    judge=judge_error_rate,
    unjudgeable=lambda gate, seen: no_source(seen, REQUESTS, gate.source, relative=is_relative(tests_of(gate))),
    exported=lambda gate, seen: exporting(seen, REQUESTS, gate.source, "stable") is not None,
    source=lambda gate, seen: chosen(seen, REQUESTS, gate.source),
    default=ErrorRateGate(name="errors", type="ErrorRate"),
    replay=tests_of,
)
