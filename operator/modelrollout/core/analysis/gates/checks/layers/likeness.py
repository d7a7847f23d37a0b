"""Layers are compared only where both versions have them and measure them alike; one that differs stops no other."""

from __future__ import annotations

from dataclasses import dataclass, field

from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.checks.readable import all_layers
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.finding import Finding


@dataclass(frozen=True)
class Unlike:
    """The layers that cannot be compared with stable's, and why; no finding where all can."""

    layers: frozenset[str] = field(default_factory=frozenset)
    finding: Finding | None = None

    @property
    def reason(self) -> str:
        """The finding's reason; empty without one."""
        return self.finding.reason if self.finding else ""


def unlike(gate_input: GateInput, metric: str) -> Unlike:
    """The layers of the metric that only one version reports; none where one of the two reports no layer at all."""
    candidate, stable = (all_layers(gate_input, metric, arm) for arm in ("candidate", "stable"))
    odd = candidate ^ stable
    if not candidate or not stable or not odd:
        return Unlike()
    named = say.few(sorted(odd))
    text = f"only one of the versions reports layer {named}: it cannot be compared with stable"
    return Unlike(frozenset(odd), Finding("LayersDiffer", text))


def unlike_windows(gate_input: GateInput) -> Unlike:
    """The same of dead units, which need windows of one size too, and one rule for what is dead."""
    found = [unlike(gate_input, s.WINDOWS), _sizes(gate_input), _criteria(gate_input)]
    layers = frozenset().union(*(one.layers for one in found))
    return Unlike(layers, next((one.finding for one in found if one.finding), None))


def _sizes(gate_input: GateInput) -> Unlike:
    """Windows of unequal size, in the same or in both versions."""
    found: dict[str, set[float]] = {}
    for channel, values in gate_input.table.gauges.items():
        if channel.metric == s.WINDOW_SIZE:
            found.setdefault(channel.layer, set()).update(values)
    odd = {layer: sizes for layer, sizes in sorted(found.items()) if len(sizes) > 1}
    for layer, sizes in odd.items():
        text = f"windows of {', '.join(f'{size:g}' for size in sorted(sizes))} rows cannot be compared"
        return Unlike(frozenset(odd), Finding("WindowSizesDiffer", _alike(layer, odd, text)))
    return Unlike()


def _criteria(gate_input: GateInput) -> Unlike:
    """Layers whose versions call different units dead."""
    found: dict[str, set[str]] = {}
    for channel in gate_input.table.marks:
        if channel.metric == s.LAYER_INFO:
            found.setdefault(channel.layer, set()).add(channel.detail)
    odd = {layer: rules for layer, rules in sorted(found.items()) if len(rules) > 1}
    for layer, rules in odd.items():
        text = f"different rules for dead units ({' and '.join(sorted(rules))})"
        return Unlike(frozenset(odd), Finding("CriteriaDiffer", _alike(layer, odd, text)))
    return Unlike()


def _alike(layer: str, odd: dict[str, set[float]] | dict[str, set[str]], text: str) -> str:
    others = sorted(set(odd) - {layer})
    also = f"; nor can layer {say.few(others)}" if others else ""
    return f"layer {layer}: {text}{also}; configure both versions alike"
