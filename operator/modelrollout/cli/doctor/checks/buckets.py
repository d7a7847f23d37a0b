"""A Latency gate's buckets: how many edges can be compared, and a limit that lies where none is."""

from __future__ import annotations

from collections.abc import Iterator

from modelrollout.api.gates import Gate, LatencyGate
from modelrollout.cli.doctor.checks.view import View
from modelrollout.cli.doctor.finding import Finding, Reporter
from modelrollout.core.analysis.gates.formatting import counted, seconds
from modelrollout.core.analysis.metrics.counters.families import HISTOGRAMS
from modelrollout.core.analysis.metrics.counters.layouts import shared_edges
from modelrollout.core.analysis.stats.parameters import ROUNDING, TOO_COARSE

BUCKETS = "docs/gateways/README.md says how the gateway's buckets are set; the model's own histogram is fine enough"


def buckets(gate: Gate, view: View, say: Reporter, metrics: frozenset[str]) -> Iterator[Finding]:
    """One finding for each histogram that a Latency gate reads."""
    if not isinstance(gate, LatencyGate):
        return
    for metric in sorted(metrics & HISTOGRAMS):
        layouts = [found for channel, found in view.gate_input.table.layouts.items() if channel.metric == metric]
        edges = shared_edges(one for found in layouts for one in found)
        if edges:
            yield _limit(gate.max, edges, say)


def _limit(limit: float | None, edges: tuple[float, ...], say: Reporter) -> Finding:
    """Where `limit` (seconds) lies between the edges."""
    first, last = seconds(edges[0]), seconds(edges[-1])
    if limit is not None and limit > edges[-1] + ROUNDING:
        text = f"max is {seconds(limit)}, and the last of {len(edges)} bucket edges {last}: what is slower is not told"
        return say.problem("buckets", text, f"choose max at an edge, or let buckets reach further; {BUCKETS}")
    above = next((edge for edge in edges if limit is not None and edge >= limit - ROUNDING), None)
    if limit is not None and above is not None and above > TOO_COARSE * limit:
        text = f"max is {seconds(limit)}, judged at the next bucket edge, {seconds(above)}"
        return say.warning("buckets", text, f"choose max at an edge, or finer buckets; {BUCKETS}")
    return say.ok("buckets", f"{counted(len(edges), 'bucket edge')} from {first} to {last}")
