"""Accuracy: wrong answers among those whose label is known, both versions judged by the same source of labels."""

from __future__ import annotations

from functools import partial

import numpy as np

from modelrollout.api.gates import AccuracyGate
from modelrollout.core.analysis.gates.checks.count_check import CountReading, count_tests, judge_counts, show_good_share
from modelrollout.core.analysis.gates.checks.counts import Counts, make_counts
from modelrollout.core.analysis.gates.checks.losses import heeding, lost_answers
from modelrollout.core.analysis.gates.checks.readable import contradicted, lacking
from modelrollout.core.analysis.gates.checks.spared import needing
from modelrollout.core.analysis.gates.checks.standing import LimitTest, is_relative
from modelrollout.core.analysis.gates.definition import GateDefinition, always
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.result import Judged
from modelrollout.core.analysis.gates.sources.absence import absent
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.stats import limits
from modelrollout.core.analysis.stats.arrays import Array


def tests_of(gate: AccuracyGate) -> tuple[LimitTest, ...]:
    """On the share of wrong answers."""
    limit = 1 - gate.min if gate.min is not None else None
    return count_tests(limit, gate.versus_stable, limits.ACCURACY)


def judge_accuracy(gate: AccuracyGate, gate_input: GateInput, share: float) -> Judged:
    """The gate's standing, as the share of right answers."""
    counts = accuracy_counts(gate, gate_input)
    return judge_counts(gate, counts, CountReading(tests_of(gate), show_good_share), gate_input, share)


def accuracy_counts(gate: AccuracyGate, gate_input: GateInput) -> Counts:
    """Wrong answers among the judged ones of the gate's source of labels."""
    table = needing(gate_input, lambda metric, source: metric != s.EVALS_LOST and source == gate.labels).table

    def wrong(arm: s.Arm) -> tuple[Array, Array]:
        total = table.total(s.EVALS, arm, details=[gate.labels])
        right = table.total(s.CORRECT, arm, details=[gate.labels])
        return np.maximum(total - right, 0.0), total

    relative = any(line.relative for _, line in tests_of(gate))
    lacks = partial(lacking, gate_input, s.EVALS, [s.CORRECT], detail=gate.labels)
    beyond = partial(contradicted, gate_input, s.CORRECT, detail=gate.labels)
    metrics = (s.EVALS, s.CORRECT)
    return make_counts(gate_input, wrong, "model", "judged answers", metrics, lacks, beyond, relative=relative)


DEFINITION = GateDefinition(
    model=AccuracyGate,
    series=always(s.EVALS, s.CORRECT, s.EVALS_LOST),
    family="counts",
    judge=heeding(judge_accuracy, lambda gate: lost_answers(gate.labels)),
    default=AccuracyGate(name="accuracy", type="Accuracy"),
    needs=s.EVALS,
    exported=lambda _, seen: seen.table.has(s.EVALS, "stable"),
    unjudgeable=lambda gate, seen: absent(seen, s.EVALS, relative=is_relative(tests_of(gate)), detail=gate.labels),
    replay=tests_of,
)
