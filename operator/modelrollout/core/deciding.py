"""Which gate people should look at first, and how far it is from its limit: one line for `kubectl get -o wide`.

A gate that failed, else the one whose odds against the candidate are nearest to what it needs, else one that keeps the
rollout from going on, else any that passed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from modelrollout.core.evaluation import GateResult

_STANDING = {"FAIL": 0, "NOT_COMPARABLE": 2, "NO_DATA": 2, "CONTINUE": 3, "PASS": 4}
_AGAINST = 1


def deciding(gates: Sequence[GateResult]) -> str:
    """The line; empty where no gate decides."""
    required = [gate for gate in gates if gate.required and not gate.left_out]
    return _line(min(required, key=_rank)) if required else ""


def _rank(gate: GateResult) -> tuple[int, float]:
    standing, part = _STANDING[gate.verdict], _part_against(gate)
    if gate.verdict == "CONTINUE" and part > 0:
        standing = _AGAINST
    return standing, -part


def _part_against(gate: GateResult) -> float:
    """The part of the way to a FAIL that the evidence has gone; 0 where none speaks against the candidate."""
    if gate.against is None or not gate.needed or not math.isfinite(gate.against / gate.needed):
        return 0.0
    return max(gate.against / gate.needed, 0.0)


def _line(gate: GateResult) -> str:
    where = f" {gate.layer}" if gate.layer else ""
    seen = f"{gate.observed}, allowed {gate.limit}" if gate.observed and gate.limit else ""
    said = "; ".join(part for part in (seen, gate.evidence) if part)
    return f"{gate.name}{where} {gate.verdict}" + (f": {said}" if said else "")
