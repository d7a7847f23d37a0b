"""Histograms of both versions on the edges they share: every limit is a whole bucket, and the bucket is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from modelrollout.api.gates import LatencyGate
from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.checks.bucket_layouts import edges_in_both, edges_of_candidate, has_edges
from modelrollout.core.analysis.gates.checks.counts import ORIGINS, Counts, scraped
from modelrollout.core.analysis.gates.checks.readable import unreadable
from modelrollout.core.analysis.gates.checks.spared import without_total
from modelrollout.core.analysis.gates.checks.standing import Kind
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.sources.order import HISTOGRAM, chosen
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.counters.layouts import details_of, per_bucket
from modelrollout.core.analysis.stats.arrays import Array, CountTicks
from modelrollout.core.analysis.stats.exceedances import histogram as b
from modelrollout.core.finding import Finding


@dataclass(frozen=True)
class Histograms:
    """Per-bucket increments, (grid, B+1), of both arms; `edges` (B,) in seconds."""

    edges: Array
    candidate: Array
    stable: Array
    counts: Counts


def read_histograms(gate: LatencyGate, gate_input: GateInput, kind: Kind = "stable") -> Histograms | Finding:
    """The histograms of both arms on the edges they share; against a limit on the candidate's own.

    There stable, which is only shown, has no requests where it lacks one of those edges.
    """
    found_at = chosen(gate_input, HISTOGRAM, gate.source)
    metric, source = HISTOGRAM.whole[found_at], ORIGINS[found_at]
    compare = edges_in_both if kind == "stable" else edges_of_candidate
    arms: tuple[s.Arm, ...] = s.ARMS if kind == "stable" else ("candidate",)
    unread, found = unreadable(gate_input, (metric,), arms), compare(gate_input, metric)
    if isinstance(found, Finding):
        return unread or found
    present = [scraped(gate_input, source, arm, metric) for arm in ("candidate", "stable")]
    edges = np.array(found, dtype=float)
    candidate, stable = (_per_bucket(gate_input, metric, arm, found) for arm in ("candidate", "stable"))
    if not has_edges(gate_input, metric, found):
        stable = np.zeros(stable.shape)
    totals = [each.sum(axis=1) for each in (candidate, stable)]
    nothing = np.zeros(len(totals[0]))
    ticks = CountTicks(gate_input.ends, nothing, totals[0], nothing, totals[1], restart=gate_input.restarts)
    counts = Counts(ticks, source, "requests", present[0], present[1], unread=unread)
    return Histograms(edges, candidate, stable, counts)


def _per_bucket(gate_input: GateInput, metric: str, arm: s.Arm, edges: Sequence[float]) -> Array:
    details = details_of(edges)
    table = without_total(gate_input, metric, details).table
    return per_bucket(np.stack([table.total(metric, arm, details=[le]) for le in details], axis=1))


def margin_of(gate: LatencyGate) -> int:
    """Whole buckets that stable's quantile may move up by."""
    return gate.versus_stable.buckets if gate.versus_stable else 1


def edges_of(gate: LatencyGate, kind: Kind, found: Histograms, gate_input: GateInput) -> tuple[int, int]:
    """(stable's edge, the allowed edge) as indices, for plain comparison and for the words."""
    if kind == "limit":
        assert gate.max is not None, "a limit test has a limit"
        edge = b.edge_at_or_above(found.edges, gate.max)
        return edge, edge
    part = gate_input.frozen if gate_input.bake is not None else slice(0, None)
    margin = margin_of(gate)
    edge = int(b.choose_edge(found.stable[part].sum(axis=0)[None, :], gate.quantile, margin)[0])
    return edge, min(edge + margin, len(found.edges) - 1)


def stable_beyond(found: Histograms, gate_input: GateInput, edge: int) -> float:
    """Stable's share of requests slower than `edge`: since the grid's start, in the bake that of before."""
    stable = found.stable[gate_input.frozen if gate_input.bake is not None else slice(0, None)]
    total = float(stable.sum())
    return float(stable[:, edge + 1 :].sum()) / total if total else 0.0


def quantile_of(edges: Array, histogram: Array, quantile: float) -> str | None:
    """The bucket that holds the quantile, by its upper edge; None without requests."""
    total = float(histogram.sum())
    if total <= 0:
        return None
    at = int(np.searchsorted(np.cumsum(histogram), quantile * total - 1e-9))
    return f"<= {say.seconds(float(edges[at]))}" if at < len(edges) else f"> {say.seconds(float(edges[-1]))}"
