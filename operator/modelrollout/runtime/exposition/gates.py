"""What is exported of a rollout's gates: verdicts, odds, and the limits that are plain numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, get_args

from modelrollout.api.gates import Gate, LatencyGate
from modelrollout.core.analysis.stats.parameters import PASS_ODDS
from modelrollout.runtime.metrics import OTHER, Family

if TYPE_CHECKING:
    from modelrollout.api.spec import Spec
    from modelrollout.api.status import GateStatus, Status
    from modelrollout.core.evaluation import Evaluation

_GREATEST = 700.0
"""Natural log of odds; more would be no finite number."""
TYPES: Final = frozenset(get_args(model.model_fields["type"].annotation)[0] for model in get_args(get_args(Gate)[0]))
VERDICT = Family(
    "modelrollout_gate_verdict",
    "gauge",
    "1 for its verdict; required says whether it decides",
    ("gate", "type", "required", "verdict"),
)
ODDS = Family(
    "modelrollout_gate_odds",
    "gauge",
    "Odds against the candidate and for it, while a rollout is judged; absent where a gate weighs none",
    ("gate", "type", "side"),
)
NEEDED = Family("modelrollout_gate_odds_needed", "gauge", "Odds at which the gate decides", ("gate", "type", "side"))
LIMIT = Family(
    "modelrollout_gate_limit",
    "gauge",
    "A limit of the spec that is a plain number: seconds, a share from 0 to 1, or as the query gives",
    ("gate", "type", "bound", "quantile"),
)
GATE_FAMILIES: Final = (VERDICT, ODDS, NEEDED, LIMIT)
Row = tuple[Family, tuple[str, ...], float]


def gate_rows(spec: Spec | None, status: Status, evaluation: Evaluation | None) -> Iterator[Row]:
    """Each with its family, its labels after the rollout's, and its number."""
    for shown in status.gates:
        yield _verdict(shown)
    for judged in evaluation.gates if evaluation is not None else ():
        if judged.against is not None and judged.needed is not None:
            yield ODDS, (judged.name, judged.type, "against"), _odds(judged.against)
            yield NEEDED, (judged.name, judged.type, "against"), _odds(judged.needed)
        if judged.in_favour is not None:
            yield ODDS, (judged.name, judged.type, "for"), _odds(judged.in_favour)
            yield NEEDED, (judged.name, judged.type, "for"), float(PASS_ODDS)
    for gate in spec.gates if spec is not None else ():
        yield from _limits(gate)


def _verdict(shown: GateStatus) -> Row:
    kind = shown.type if shown.type in TYPES else OTHER
    required = "true" if shown.required and not shown.left_out else "false"
    return VERDICT, (shown.name, kind, required, shown.verdict), 1.0


def _limits(gate: Gate) -> Iterator[Row]:
    quantile = f"{gate.quantile:g}" if isinstance(gate, LatencyGate) else ""
    within = getattr(gate, "within", None) or (None, None)
    lowest, highest = getattr(gate, "min", None), getattr(gate, "max", None)
    least = lowest if lowest is not None else within[0]
    most = highest if highest is not None else within[1]
    for bound, value in (("min", least), ("max", most)):
        if value is not None:
            yield LIMIT, (gate.name, gate.type, bound, quantile), float(value)


def _odds(log_odds: float) -> float:
    return math.exp(min(log_odds, _GREATEST))
