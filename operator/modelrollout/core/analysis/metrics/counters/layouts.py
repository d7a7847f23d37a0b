"""Histograms with other edges are compared on the edges that all of them have, and every request is counted once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from modelrollout.core.analysis.metrics.counters.chain import Chain
from modelrollout.core.analysis.metrics.edges import INFINITE, edge_text
from modelrollout.core.analysis.metrics.grid import Grid
from modelrollout.core.analysis.stats.arrays import Array


@dataclass(frozen=True)
class Layout:
    """The edges of one process's histogram that have counted everything it counted."""

    edges: tuple[float, ...]
    """Finite ones, rising."""
    complete: bool
    """Whether it has le="+Inf": without it nobody knows how many there were."""
    grew: bool
    """Whether it counted anything on the grid."""


def layouts_of(chain: Chain, grid: Grid) -> frozenset[Layout]:
    """The layout of one process, whatever its names and its resets were."""
    members = chain.bundle.members
    top = chain.bundle.top
    where = grid.index(top.times)
    grown = np.diff(top.values, prepend=0.0 if chain.zero[chain.bundle.whole] else top.values[0]) != 0
    at = np.flatnonzero(grown & (where >= 0) & (where < grid.count))
    needed = np.concatenate([top.times[at], top.times[np.maximum(at - 1, 0)]])
    kept = tuple(
        float(detail)
        for detail, one in members.items()
        if detail != INFINITE and (np.array_equal(one.times, top.times) or np.isin(needed, one.times).all())
    )
    return frozenset({Layout(kept, INFINITE in members, bool(len(at)))})


def shared_edges(layouts: Iterable[Layout]) -> tuple[float, ...]:
    """The finite edges that all have which counted anything; all that there are where none did."""
    every = list(layouts)
    counted = [one for one in every if one.grew]
    if not counted:
        return tuple(sorted({edge for one in every for edge in one.edges}))
    return tuple(edge for edge in counted[0].edges if all(edge in one.edges for one in counted))


def details_of(edges: Iterable[float]) -> list[str]:
    """The details of a histogram's channels in rising order, the last one that of everything."""
    return [*(edge_text(edge) for edge in edges), INFINITE]


def per_bucket(cumulative: Array) -> Array:
    """Counts per bucket (T, B+1) from growth per edge (T, B+1), the last edge +Inf.

    A scrape in the middle of an update is torn: a lower edge has counted what a higher one has not. What the higher
    one lacks counts when it has it, so that the sum over all buckets is the number of requests, each counted once.
    """
    known = np.cumsum(cumulative, axis=0)
    known = np.minimum.accumulate(known[:, ::-1], axis=1)[:, ::-1]
    grown = np.diff(known, axis=0, prepend=0.0)
    grown = np.minimum.accumulate(grown[:, ::-1], axis=1)[:, ::-1]
    counts: Array = np.diff(grown, axis=1, prepend=0.0)
    return counts


def described(layouts: Sequence[Layout]) -> str:
    """The layouts in words: `0.5, 1, 2` or `0.5, 1 and 0.25, 1`."""
    texts = dict.fromkeys(_listed(one.edges) for one in sorted(layouts, key=lambda one: one.edges) if one.grew)
    return " and ".join(f"[{text}]" for text in list(texts)[:2])


def _listed(edges: Sequence[float]) -> str:
    most = 6
    texts = [f"{edge:g}" for edge in edges]
    return ", ".join(texts if len(texts) <= most else [*texts[: most - 1], "...", texts[-1]]) or "none but +Inf"
