"""Dead units are compared only between layers that are measured alike: windows of one size, one criterion for dead."""

from __future__ import annotations

from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.finding import Finding


def sizes_differ(gate_input: GateInput) -> Finding | None:
    """Windows of unequal size, in the same or in both versions."""
    found: dict[tuple[str, str], set[float]] = {}
    for channel, values in gate_input.table.gauges.items():
        if channel.metric == s.WINDOW_SIZE:
            found.setdefault((channel.layer, channel.arm), set()).update(values)
    for layer in sorted({layer for layer, _ in found}):
        sizes = found.get((layer, "candidate"), set()) | found.get((layer, "stable"), set())
        if len(sizes) > 1:
            text = ", ".join(f"{size:g}" for size in sorted(sizes))
            return Finding(
                "WindowSizesDiffer",
                f"layer {layer}: windows of {text} rows cannot be compared; configure both versions alike",
            )
    return None


def criteria_differ(gate_input: GateInput) -> Finding | None:
    """Layers whose versions call different units dead."""
    found: dict[str, set[str]] = {}
    for channel in gate_input.table.marks:
        if channel.metric == s.LAYER_INFO:
            found.setdefault(channel.layer, set()).add(channel.detail)
    for layer, criteria in sorted(found.items()):
        if len(criteria) > 1:
            text = " and ".join(sorted(criteria))
            return Finding(
                "CriteriaDiffer",
                f"layer {layer}: different rules for dead units ({text}); configure both versions alike",
            )
    return None
