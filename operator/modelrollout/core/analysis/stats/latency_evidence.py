"""Latency is counted, not averaged: requests slower than a bucket edge, the margin being whole buckets.

Candidate over edge b' (b moved up by the margin) against stable over edge b ~ stable's quantile; the good
side takes twice the margin. P90 and P99 each give an e-value and the gate uses their mean: when the whole
distribution shifts, P90 sees it sooner.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modelrollout.core.analysis.stats import alpha_budget
from modelrollout.core.analysis.stats.arrays import Array, CountTicks, Flags, Index
from modelrollout.core.analysis.stats.baseline import baseline, decayed_sums, expect
from modelrollout.core.analysis.stats.count_evidence import CountEvidence, two_sided
from modelrollout.core.analysis.stats.histogram import choose_edge, edge_at_or_above, over
from modelrollout.core.analysis.stats.limits import EXCEEDANCE, absolute
from modelrollout.core.analysis.stats.parameters import MINIMUM_REQUESTS, PASS_ODDS, SLOWER, Settings


@dataclass(frozen=True)
class LatencyTicks:
    """Per-tick increments of a latency histogram in both arms.

    `edges` (B,) are the finite upper bounds, rising; counts (..., T, B+1) are per bucket (not cumulative),
    the last one everything above edges[-1]. `ignore` (..., T) marks ticks in which the candidate warms up.
    """

    seconds: Array
    edges: Array
    candidate: Array
    stable: Array
    present: Flags | None = None
    restart: Flags | None = None
    ignore: Flags | None = None


@dataclass(frozen=True)
class LatencyHistory:
    """Stable's histogram increments before the candidate: counts (..., H, B+1), seconds (H,) or (..., H)."""

    seconds: Array
    stable: Array


@dataclass(frozen=True)
class LatencyEvidence:
    """Evidence of one latency test, the mean over quantiles. Arrays (..., T).

    `parts` are the tests per quantile (the last is the gate's own); `edge`, `allowed`, `good_allowed` are
    indices into edges for the gate's own quantile: stable's b, the candidate's b' and that of the good side.
    """

    log_bad: Array
    log_good: Array
    parts: tuple[CountEvidence, ...]
    edge: Index
    allowed: Index
    good_allowed: Index
    quantiles: tuple[float, ...]
    """Of the parts."""
    edges: tuple[tuple[Index, ...], ...]
    """(edge, allowed, good_allowed) of each part."""

    @property
    def passing(self) -> Flags:
        """PASS on this tick's evidence; a FAIL outranks it, and it never latches."""
        flags: Flags = (self.log_good >= np.log(PASS_ODDS)) | self.parts[-1].rare
        return flags

    def began(self, tick: Index) -> Index:
        """As CountEvidence.began, of the quantile that carries more evidence at `tick`."""
        at = np.asarray(tick)
        starts = np.stack([p.began(at) for p in self.parts])
        now = np.stack([np.take_along_axis(p.log_bad, at[..., None], axis=-1)[..., 0] for p in self.parts])
        leading: Index = np.take_along_axis(starts, now.argmax(axis=0)[None], axis=0)[0]
        return leading


def quantile_pair(quantile: float) -> tuple[float, float]:
    """A wider quantile with ten times the tail (at most half), and the gate's own: .99 -> (.90, .99)."""
    return 1 - min(0.5, 10 * (1 - quantile)), quantile


def versus_stable(
    ticks: LatencyTicks,
    quantile: float = 0.99,
    buckets: int = 1,
    *,
    history: LatencyHistory | None = None,
    minimum_requests: float = MINIMUM_REQUESTS,
    settings: Settings = SLOWER,
) -> LatencyEvidence:
    """The relative test: stable's quantile moved up by `buckets` whole buckets is allowed."""
    candidate, stable = _known(ticks)
    everything, before = _with_history(ticks, stable, history)
    past = _past(everything, settings.half_life)
    top = len(ticks.edges) - 1
    parts, edges = [], []
    for q in quantile_pair(quantile):
        edge = choose_edge(past, q, buckets)
        total, past_total = everything.stable.sum(axis=-1), past.sum(axis=-1)
        slower = over(everything.stable, edge)
        base = expect(everything.seconds, slower, total, over(past, edge), past_total, before=before, settings=settings)
        edge = edge[..., before:]
        chosen = [edge, *(np.minimum(edge + k * buckets, top) for k in (1, 2))]
        edges.append(tuple(chosen))
        sides = tuple(_counts(ticks, candidate, stable, side, edge) for side in chosen[1:])
        lines = (EXCEEDANCE, EXCEEDANCE.good)
        parts.append(two_sided((sides[0], sides[1]), lines, base, minimum_requests, settings))
    return _mean(tuple(parts), quantile_pair(quantile), tuple(edges))


def at_most(
    ticks: LatencyTicks,
    limit: float,
    quantile: float = 0.99,
    *,
    minimum_requests: float = MINIMUM_REQUESTS,
    settings: Settings = SLOWER,
) -> LatencyEvidence:
    """The absolute test: at most 1 - quantile of the candidate's requests above `limit` seconds.

    The limit rounds up to a bucket edge; above the last edge nothing can be seen, and the last edge is used.
    """
    candidate, stable = _known(ticks)
    edge = np.full(stable.shape[:-1], edge_at_or_above(ticks.edges, limit))
    line = absolute(1 - quantile)
    counts = _counts(ticks, candidate, stable, edge, edge)
    base = baseline(counts, None, settings)
    part = two_sided((counts, counts), (line, line.good), base, minimum_requests, settings)
    return _mean((part,), (quantile,), ((edge, edge, edge),))


def _with_history(ticks: LatencyTicks, stable: Array, history: LatencyHistory | None) -> tuple[LatencyHistory, int]:
    seconds = np.broadcast_to(ticks.seconds, stable.shape[:-1])
    if history is None or not history.stable.shape[-2]:
        return LatencyHistory(seconds, stable), 0
    before = history.stable.shape[-2]
    shape = (*stable.shape[:-2], before)
    earlier = np.broadcast_to(history.stable, (*shape, stable.shape[-1]))
    whole = np.concatenate([np.broadcast_to(history.seconds, shape), seconds], axis=-1)
    return LatencyHistory(whole, np.concatenate([earlier, stable], axis=-2)), before


def _past(everything: LatencyHistory, half_life: float) -> Array:
    """Stable's decayed histogram before each tick, (..., T, B+1)."""
    turned = np.moveaxis(everything.stable, -1, 0)
    seconds = np.broadcast_to(everything.seconds, turned.shape)
    return np.moveaxis(decayed_sums(seconds, turned, half_life), 0, -1)


def _known(ticks: LatencyTicks) -> tuple[Array, Array]:
    candidate, stable = np.asarray(ticks.candidate, dtype=float), np.asarray(ticks.stable, dtype=float)
    present = np.ones(stable.shape[:-1], dtype=bool) if ticks.present is None else ticks.present
    observed = present & np.isfinite(stable).all(axis=-1) & np.isfinite(candidate).all(axis=-1)
    usable = observed if ticks.ignore is None else observed & ~ticks.ignore
    return _masked(candidate, usable), _masked(stable, observed)


def _masked(histogram: Array, usable: Flags) -> Array:
    return np.where(usable[..., None], np.maximum(histogram, 0.0), 0.0)


def _counts(
    ticks: LatencyTicks, candidate: Array, stable: Array, candidate_edge: Index, stable_edge: Index
) -> CountTicks:
    return CountTicks(
        ticks.seconds,
        over(candidate, candidate_edge),
        candidate.sum(axis=-1),
        over(stable, stable_edge),
        stable.sum(axis=-1),
        ticks.present,
        ticks.restart,
    ).clean()


def _mean(
    parts: tuple[CountEvidence, ...], quantiles: tuple[float, ...], edges: tuple[tuple[Index, ...], ...]
) -> LatencyEvidence:
    edge, allowed, good_allowed = edges[-1]
    return LatencyEvidence(
        log_bad=alpha_budget.log_mean(np.stack([p.log_bad for p in parts])),
        log_good=alpha_budget.log_mean(np.stack([p.log_good for p in parts])),
        parts=parts,
        edge=edge,
        allowed=allowed,
        good_allowed=good_allowed,
        quantiles=quantiles,
        edges=edges,
    )
