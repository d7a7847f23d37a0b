"""The edges on which two versions' histograms are compared: those of every process that counted anything."""

from __future__ import annotations

from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.counters.layouts import Layout, described, shared_edges
from modelrollout.core.finding import Finding


def edges_in_both(gate_input: GateInput, metric: str, layer: str = "") -> tuple[float, ...] | Finding:
    """The finite edges that both versions have everywhere, rising; else why there are none to compare on."""
    return _edges(gate_input, metric, layer, s.ARMS)


def edges_of_candidate(gate_input: GateInput, metric: str) -> tuple[float, ...] | Finding:
    """The same of the candidate alone, for a limit; of both versions while it has answered nothing."""
    grew = any(one.grew for one in _layouts(gate_input, metric, "candidate", ""))
    return _edges(gate_input, metric, "", ("candidate",) if grew else s.ARMS)


def has_edges(gate_input: GateInput, metric: str, edges: tuple[float, ...]) -> bool:
    """Whether stable's requests are known at all the edges."""
    found = [one for one in _layouts(gate_input, metric, "stable", "") if one.grew]
    return all(one.complete and frozenset(edges) <= frozenset(one.edges) for one in found)


def _edges(gate_input: GateInput, metric: str, layer: str, arms: tuple[s.Arm, ...]) -> tuple[float, ...] | Finding:
    name, layouts = gate_input.exported(metric), {arm: _layouts(gate_input, metric, arm, layer) for arm in arms}
    every = [one for found in layouts.values() for one in found]
    if not every:
        return Finding("SeriesMissing", f"no {name} of either version: there is no histogram to judge")
    for arm, found in layouts.items():
        if any(one.grew and not one.complete for one in found):
            text = f'{name} of the {arm} lacks le="+Inf" at some address: how many there were is not known'
            return Finding("BucketsIncomplete", text)
    edges = shared_edges(every)
    if edges:
        return edges
    if not any(one.edges for one in every):
        return Finding("BucketsIncomplete", f"{name} has no edge but +Inf: there is nothing to judge by")
    sides = ", ".join(f"{arm} {described(found)}" for arm, found in layouts.items() if any(one.grew for one in found))
    return Finding("BucketsDiffer", f"{name} has no edge in common: {sides}; configure both versions alike")


def _layouts(gate_input: GateInput, metric: str, arm: s.Arm, layer: str) -> list[Layout]:
    return [
        one
        for channel, found in gate_input.table.layouts.items()
        if (channel.metric, channel.arm, channel.layer) == (metric, arm, layer)
        for one in found
    ]
