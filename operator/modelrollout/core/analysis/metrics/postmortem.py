"""What is kept for the post-mortem: per-layer aggregates of both versions over one span, never a tensor."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from modelrollout.api.status import HistoryEntry
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.counters.layouts import details_of, shared_edges
from modelrollout.core.analysis.metrics.series_reader import Channel
from modelrollout.core.analysis.metrics.tick_table import TickTable

LayerSummary = dict[str, int | dict[str, int] | None]
"""Counts by name, `histogram` by upper edge, `windowSize` None where none was exported."""
MAX_LAYERS, MAX_EDGES = 48, 64
SLOTS, SPARE = 10, 10
_LONGEST_START = 200
"""Characters of the resource's name in that of its snapshots."""
SERIES = frozenset(
    {
        s.SAMPLES,
        s.ELEMENTS,
        s.ZEROS,
        s.NEGATIVES,
        s.NONFINITE,
        s.MAGNITUDES,
        s.WINDOWS,
        s.WINDOW_NEURONS,
        s.WINDOW_DEAD,
        s.WINDOW_SIZE,
    }
)
_COUNTS = {
    "rows": s.SAMPLES,
    "elements": s.ELEMENTS,
    "zeros": s.ZEROS,
    "negatives": s.NEGATIVES,
    "windows": s.WINDOWS,
    "windowNeurons": s.WINDOW_NEURONS,
    "windowDeadNeurons": s.WINDOW_DEAD,
}
_DETAILED = frozenset({s.NONFINITE, s.MAGNITUDES})


def slots_for(name: str, history: Sequence[HistoryEntry]) -> tuple[str, ...]:
    """Names that the newest SLOTS - 1 entries do not use, in the order in which they are tried.

    The first that is not somebody else's is taken: of ours at most SLOTS exist, and SPARE more where some were in the
    way once.
    """
    kept = {entry.snapshot for entry in history[-(SLOTS - 1) :]}
    start = name[:_LONGEST_START].rstrip(".-")  # what a cut leaves there would be no name
    names = (f"{start}-snapshot-{index}" for index in range(SLOTS + SPARE))
    return tuple(each for each in names if each not in kept)


def summarize(table: TickTable, tick: int | None = None) -> dict[str, dict[str, LayerSummary]]:
    """{"stable": {layer: {...}}, "candidate": ...} of counts over the grid, or in one tick; shares are the reader's.

    `histogram` maps the upper edge of |activation| to the number of elements up to it (cumulative), of the edges that
    all of the version's processes have. Every channel is read once, however many layers and edges there are.
    """
    totals: dict[tuple[s.Arm, str], _Totals] = defaultdict(_Totals)
    for channel, growth in table.growth.items():
        totals[channel.arm, channel.layer].add(channel, float(growth.sum() if tick is None else growth[tick]))
    for channel, values in table.gauges.items():
        totals[channel.arm, channel.layer].sizes |= values
    return {
        arm: {layer: totals[arm, layer].summary(_edges(table, arm, layer)) for layer in _layers(totals, arm)}
        for arm in s.ARMS
    }


@dataclass
class _Totals:
    """What one layer of one version has counted."""

    counts: Counter[str] = field(default_factory=Counter)
    details: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    sizes: frozenset[float] = frozenset()

    def add(self, channel: Channel, number: float) -> None:
        whole = round(number) if math.isfinite(number) else 0
        self.counts[channel.metric] += whole
        if channel.metric in _DETAILED:
            self.details[channel.metric][channel.detail] += whole

    def summary(self, edges: list[str]) -> LayerSummary:
        found: LayerSummary = {key: self.counts[metric] for key, metric in _COUNTS.items()}
        found |= {kind: self.details[s.NONFINITE][kind] for kind in ("nan", "inf")}
        found["histogram"] = {edge: self.details[s.MAGNITUDES][edge] for edge in edges}
        sizes = [size for size in self.sizes if math.isfinite(size)]
        found["windowSize"] = int(max(sizes)) if sizes else None
        return found


def _layers(totals: Mapping[tuple[s.Arm, str], _Totals], arm: s.Arm) -> list[str]:
    reporting = (s.ELEMENTS, s.WINDOWS)
    found = (layer for (of, layer), one in totals.items() if of == arm and any(m in one.counts for m in reporting))
    return sorted(found)[:MAX_LAYERS]


def _edges(table: TickTable, arm: s.Arm, layer: str) -> list[str]:
    layouts = table.layouts.get(Channel(s.MAGNITUDES, arm, layer), frozenset())
    return details_of(shared_edges(layouts)[:MAX_EDGES]) if layouts else []
