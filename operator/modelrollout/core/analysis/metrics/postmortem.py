"""What is kept for the post-mortem: per-layer aggregates of both versions over one span, never a tensor."""

from __future__ import annotations

from collections.abc import Sequence

from modelrollout.api.status import HistoryEntry
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.counters.layouts import details_of, shared_edges
from modelrollout.core.analysis.metrics.series_reader import Channel
from modelrollout.core.analysis.metrics.tick_table import TickTable

LayerSummary = dict[str, int | dict[str, int] | None]
"""Counts by name, `histogram` by upper edge, `windowSize` None where none was exported."""
MAX_LAYERS = 48
SLOTS = 10
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


def slot_for(name: str, history: Sequence[HistoryEntry]) -> str:
    """A ConfigMap name that the newest SLOTS - 1 entries do not use: at most SLOTS of them ever exist."""
    kept = {entry.snapshot for entry in history[-(SLOTS - 1) :]}
    names = (f"{name[:200]}-snapshot-{index}" for index in range(SLOTS))
    return next(each for each in names if each not in kept)


def summarize(table: TickTable) -> dict[str, dict[str, LayerSummary]]:
    """{"stable": {layer: {...}}, "candidate": ...} of counts over the whole grid; shares are left to the reader.

    `histogram` maps the upper edge of |activation| to the number of elements up to it (cumulative), of the edges that
    all of the version's processes have.
    """
    return {arm: {layer: _layer(table, arm, layer) for layer in _layers(table, arm)} for arm in s.ARMS}


def _layers(table: TickTable, arm: s.Arm) -> list[str]:
    return sorted(table.layers(s.ELEMENTS, arm) | table.layers(s.WINDOWS, arm))[:MAX_LAYERS]


def _layer(table: TickTable, arm: s.Arm, layer: str) -> LayerSummary:
    found: LayerSummary = {key: _total(table, metric, arm, layer) for key, metric in _COUNTS.items()}
    for kind in ("nan", "inf"):
        found[kind] = _total(table, s.NONFINITE, arm, layer, kind)
    layouts = table.layouts.get(Channel(s.MAGNITUDES, arm, layer), frozenset())
    edges = details_of(shared_edges(layouts)) if layouts else []
    found["histogram"] = {edge: _total(table, s.MAGNITUDES, arm, layer, edge) for edge in edges}
    sizes = {v for c, values in table.gauges.items() if (c.arm, c.layer) == (arm, layer) for v in values}
    found["windowSize"] = int(max(sizes)) if sizes else None
    return found


def _total(table: TickTable, metric: str, arm: s.Arm, layer: str, detail: str | None = None) -> int:
    details = None if detail is None else [detail]
    return round(float(table.total(metric, arm, layer=layer, details=details).sum()))
