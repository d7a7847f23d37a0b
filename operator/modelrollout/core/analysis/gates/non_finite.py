"""NonFinite: rows that met NaN or Inf, counted in the layer that has most of them; no hour of the day makes NaN."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from modelrollout.api.gates import NonFiniteGate
from modelrollout.core.analysis.gates.checks.count_check import (
    Beside,
    CountReading,
    count_tests,
    judge_counts,
    never_frozen,
    show_bad_share,
)
from modelrollout.core.analysis.gates.checks.counts import Counts, make_counts
from modelrollout.core.analysis.gates.checks.losses import COUNTED_WITH_DROPS, DROPPED_OBSERVATIONS, heeding
from modelrollout.core.analysis.gates.checks.readable import (
    contradicted,
    lacking,
    layers_contradicted,
    layers_lacking,
    layers_unread,
)
from modelrollout.core.analysis.gates.checks.spared import sparing
from modelrollout.core.analysis.gates.checks.standing import CountTest, LimitTest, is_relative
from modelrollout.core.analysis.gates.definition import GateDefinition, always
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.result import Judged
from modelrollout.core.analysis.gates.sources.absence import absent
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.counters.withheld import Spares
from modelrollout.core.analysis.stats import limits
from modelrollout.core.analysis.stats.arrays import Array


def tests_of(gate: NonFiniteGate) -> tuple[LimitTest, ...]:
    """On the share of rows with NaN or Inf."""
    return count_tests(gate.max, gate.versus_stable, limits.NON_FINITE)


def judge_non_finite(gate: NonFiniteGate, gate_input: GateInput, share: float) -> Judged:
    """The gate's standing; in the bake, too, NaN is the version's doing.

    Each test has its own rows: a layer that cannot be compared with stable is still held against the limit.
    """
    tests, show = tests_of(gate), partial(show_bad_share, what=" with NaN or Inf")
    part = share / len(tests)
    counts = [nonfinite_counts(gate_input, relative=line.relative) for _, line in tests]
    beside = tuple(
        Beside(CountTest(kind, each.ticks, line, part), show)
        for (kind, line), each in zip(tests[1:], counts[1:], strict=True)
    )
    reading = CountReading(tests[:1], show, adjust=never_frozen, beside=beside)
    unread = next((each.unread for each in reversed(counts) if each.unread), None)
    return judge_counts(gate, replace(counts[0], unread=unread), reading, gate_input, part)


def nonfinite_counts(gate_input: GateInput, *, relative: bool = True) -> Counts:
    """Rows with NaN or Inf in the layer that has most of them; at least so many, since rows are not counted.

    A bad row usually spoils its whole layer, so elements would count one event many times. A layer without all of its
    counters is left out; in comparisons one whose stable cannot be read as well, for NaN that stable has too blames
    nobody.
    """
    arms: tuple[s.Arm, ...] = s.ARMS if relative else ("candidate",)
    odd = layers_lacking(gate_input, s.SAMPLES, [s.NONFINITE], arms)
    if relative:
        odd |= layers_unread(gate_input, s.NONFINITE, "stable")
        odd |= layers_contradicted(gate_input, s.NONFINITE, "stable")
    metrics = (s.SAMPLES, s.NONFINITE, s.ELEMENTS, s.DROPPED)
    counts = make_counts(
        gate_input, lambda arm: _rows(_spared(gate_input), arm, odd), "model", "rows", metrics, relative=relative
    )
    unread = counts.unread or lacking(gate_input, s.SAMPLES, [s.NONFINITE], arms)
    return replace(counts, unread=unread or (contradicted(gate_input, s.NONFINITE) if relative else None))


def _spared(gate_input: GateInput) -> GateInput:
    """Without the zeros of a layer, say, where those stay bad; without some of the candidate's NaN as well."""
    rows = {s.SAMPLES, s.ELEMENTS}
    candidate = Spares(lambda metric, _: metric not in rows)
    return sparing(gate_input, candidate, Spares(lambda metric, _: metric not in rows | {s.NONFINITE}))


def _rows(gate_input: GateInput, arm: s.Arm, without: set[str]) -> tuple[Array, Array]:
    layers = sorted(gate_input.table.layers(s.SAMPLES, arm) - without)
    rows, values, spoilt = (
        gate_input.table.by_layer(metric, arm, layers) for metric in (s.SAMPLES, s.ELEMENTS, s.NONFINITE)
    )
    shown, elements = rows.sum(axis=1), values.sum(axis=1)
    width = np.where((shown > 0) & (elements > 0), elements / np.where(shown > 0, shown, 1.0), 1.0)
    with_nan = np.ceil(spoilt / width[:, None] - 1e-9)
    return np.minimum(with_nan, rows).max(axis=0, initial=0.0), rows.max(axis=0, initial=0.0)


DEFINITION = GateDefinition(
    model=NonFiniteGate,
    series=always(s.ELEMENTS, s.NONFINITE, *COUNTED_WITH_DROPS),
    family="counts",
    judge=heeding(
        judge_non_finite,
        lambda _: DROPPED_OBSERVATIONS,
        lambda gate: is_relative(tests_of(gate)),
    ),
    default=NonFiniteGate(name="non-finite", type="NonFinite"),
    needs=s.NONFINITE,
    exported=lambda _, seen: seen.table.has(s.NONFINITE, "stable"),
    unjudgeable=lambda gate, seen: absent(seen, s.NONFINITE, relative=is_relative(tests_of(gate))),
    replay=tests_of,
)
