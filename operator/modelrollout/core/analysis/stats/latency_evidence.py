"""Latency is counted, not averaged: requests slower than a bucket edge, the margin being whole buckets.

Allowed is that the candidate's quantile lies at most the margin above b, the edge that stable's does not exceed: of its
requests, no more may be slower than b' (b moved up by the margin) than of stable's are slower than b, and 1 - quantile
may be in any case (exceedances/factors.py). The good side takes twice the margin. The gate's own quantile and a wider
one each give an e-value, and the gate uses their mean; against the candidate the wider one has the larger part, since
it sees a shift of the whole distribution sooner.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from modelrollout.core.analysis.stats import alpha_budget
from modelrollout.core.analysis.stats.arrays import Array, CountTicks, Flags, Index
from modelrollout.core.analysis.stats.baseline import baseline, decayed_sums, expect
from modelrollout.core.analysis.stats.count_evidence import CountEvidence, as_counted, two_sided
from modelrollout.core.analysis.stats.exceedances.evidence import exceedance_evidence
from modelrollout.core.analysis.stats.exceedances.histogram import choose_edge, edge_at_or_above, over
from modelrollout.core.analysis.stats.joining import Groups, group
from modelrollout.core.analysis.stats.limits import absolute
from modelrollout.core.analysis.stats.parameters import (
    GOOD_EXCEEDANCE,
    MINIMUM_REQUESTS,
    NOTHING,
    PASS_ODDS,
    ROUNDING,
    SLOWER,
    WIDE_PART,
    Settings,
)


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
class Part:
    """The test of one quantile. `edge`, `allowed`, `good_allowed` (..., T) are indices into edges: b, b' and b''.

    Of requests slower than `allowed` the candidate may have `evidence.limit`, at least `floor` = 1 - quantile; a PASS
    proves less than `ratio` times that beyond `good_allowed`, where `good` counts.
    """

    evidence: CountEvidence
    good: CountTicks
    edge: Index
    allowed: Index
    good_allowed: Index
    floor: float
    ratio: Array
    stake: float = 1.0
    """Its part of the bet against the candidate."""

    @property
    def good_share(self) -> Array:
        """The candidate's share beyond `good_allowed` so far, (..., T); 0 before its first request."""
        slow, total = (np.cumsum(a, axis=-1) for a in (self.good.candidate_bad, self.good.candidate_total))
        share: Array = slow / np.maximum(total, 1.0)
        return share

    @property
    def contradicted(self) -> Flags:
        """Where a PASS would stand beside evidence against it, or beside a share that it claims to exclude."""
        against = self.evidence.log_bad > NOTHING
        flags: Flags = against | (self.good_share > self.ratio * self.evidence.limit + ROUNDING)
        return flags


@dataclass(frozen=True)
class LatencyEvidence:
    """Evidence of one latency test, the mean over its parts; the last is the gate's own quantile. Arrays (..., T)."""

    log_bad: Array
    log_good: Array
    parts: tuple[Part, ...]

    @property
    def passing(self) -> Flags:
        """PASS on this tick's evidence; a FAIL outranks it, and it never latches."""
        proven = (self.log_good >= np.log(PASS_ODDS)) | self.parts[-1].evidence.rare
        flags: Flags = proven & ~np.logical_or.reduce([part.contradicted for part in self.parts])
        return flags

    def began(self, tick: Index) -> Index:
        """As CountEvidence.began, of the quantile that carries more evidence at `tick`."""
        at = np.asarray(tick)
        found = [part.evidence for part in self.parts]
        starts = np.stack([one.began(at) for one in found])
        now = np.stack([np.take_along_axis(one.log_bad, at[..., None], axis=-1)[..., 0] for one in found])
        leading: Index = np.take_along_axis(starts, now.argmax(axis=0)[None], axis=0)[0]
        return leading


def tails(quantile: float) -> tuple[tuple[float, float], ...]:
    """(share above the edge that is looked for, floor) of the wider quantile and of the gate's own.

    The wider one has ten times the tail, at most half. Where in the lower half of that stable's histogram has its edge
    is not ours to choose, so its floor is half of it: with .99, an edge that 5 to 10 % of stable's requests exceed.
    """
    own = 1 - quantile
    wide = min(0.5, 10 * own)
    return (wide, max(wide / 2, own)), (own, own)


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
    groups = _groups(ticks, candidate.sum(axis=-1) + stable.sum(axis=-1), settings)
    everything, before = _with_history(ticks, groups.of(stable), history)
    past = _past(everything, settings)
    top = len(ticks.edges) - 1
    parts = []
    for (tail, floor), stake in zip(tails(quantile), (WIDE_PART, 1 - WIDE_PART), strict=True):
        own = settings if settings.memo is None else replace(settings, memo=settings.memo.at(tail, stake))
        edge = choose_edge(past, 1 - tail, buckets)
        total, past_total = everything.stable.sum(axis=-1), past.sum(axis=-1)
        slower = over(everything.stable, edge)
        base = expect(everything.seconds, slower, total, over(past, edge), past_total, before=before, settings=settings)
        edge = edge[..., before:]
        allowed, good = (np.minimum(edge + k * buckets, top) for k in (1, 2))
        counted = (_counts(ticks, candidate, stable, allowed, edge), _counts(ticks, candidate, stable, good, edge))
        sides = (groups.ticks(counted[0]), groups.ticks(counted[1]))
        beyond = over(past[..., before:, :], good) / np.maximum(past_total[..., before:], 1.0)
        evidence, ratio = exceedance_evidence(sides, floor, base, beyond, minimum_requests, own)
        evidence = as_counted(evidence, counted, absolute(floor), minimum_requests, groups)
        parts.append(Part(evidence, counted[1], edge, allowed, good, floor, ratio, stake))
    return _mean(tuple(parts))


def at_most(
    ticks: LatencyTicks,
    limit: float,
    quantile: float = 0.99,
    *,
    minimum_requests: float = MINIMUM_REQUESTS,
    settings: Settings = SLOWER,
) -> LatencyEvidence:
    """The absolute test: at most 1 - quantile of the candidate's requests above `limit` seconds.

    The limit rounds up to a bucket edge. Above the last edge no request is known to be slower than the limit: those
    beyond that edge may count for the candidate when they are few, and never against it.
    """
    edge = edge_at_or_above(ticks.edges, limit)
    part = _fixed(ticks, edge, (1 - quantile, 1.0), minimum_requests, settings)
    if limit > ticks.edges[edge] * (1 + NOTHING):
        blind = replace(
            part.evidence,
            log_bad=np.zeros(part.evidence.log_bad.shape),
            log_bad_steps=np.zeros(part.evidence.log_bad_steps.shape),
        )
        part = replace(part, evidence=blind)
    return _mean((part,))


def frozen(
    ticks: LatencyTicks,
    edge: int,
    tail: float,
    quantile: float = 0.99,
    *,
    minimum_requests: float = MINIMUM_REQUESTS,
    settings: Settings = SLOWER,
) -> LatencyEvidence:
    """The relative test where stable no longer serves: at most `tail` above the edge that it allowed before.

    `tail` is 1 - quantile, or what stable itself had beyond its edge.
    """
    part = _fixed(ticks, edge, (tail, GOOD_EXCEEDANCE), minimum_requests, settings)
    return _mean((replace(part, floor=1 - quantile),))


def _fixed(
    ticks: LatencyTicks, edge: int, line: tuple[float, float], minimum_requests: float, settings: Settings
) -> Part:
    tail, ratio = line
    candidate, stable = _known(ticks)
    at = np.full(stable.shape[:-1], edge)
    counts = _counts(ticks, candidate, stable, at, at)
    base = baseline(counts, None, settings)
    lines = (absolute(tail), absolute(ratio * tail))
    evidence = two_sided((counts, counts), lines, base, minimum_requests, settings)
    return Part(evidence, counts, at, at, at, tail, np.full(at.shape, ratio))


def _with_history(ticks: LatencyTicks, stable: Array, history: LatencyHistory | None) -> tuple[LatencyHistory, int]:
    seconds = np.broadcast_to(ticks.seconds, stable.shape[:-1])
    if history is None or not history.stable.shape[-2]:
        return LatencyHistory(seconds, stable), 0
    before = history.stable.shape[-2]
    shape = (*stable.shape[:-2], before)
    earlier = np.broadcast_to(history.stable, (*shape, stable.shape[-1]))
    whole = np.concatenate([np.broadcast_to(history.seconds, shape), seconds], axis=-1)
    return LatencyHistory(whole, np.concatenate([earlier, stable], axis=-2)), before


def _past(everything: LatencyHistory, settings: Settings) -> Array:
    """Stable's decayed histogram before each tick, (..., T, B+1)."""
    turned = np.moveaxis(everything.stable, -1, 0)
    seconds = np.broadcast_to(everything.seconds, turned.shape)
    return np.moveaxis(decayed_sums(seconds, turned, settings.half_life, settings.memo), 0, -1)


def _known(ticks: LatencyTicks) -> tuple[Array, Array]:
    candidate, stable = np.asarray(ticks.candidate, dtype=float), np.asarray(ticks.stable, dtype=float)
    present = np.ones(stable.shape[:-1], dtype=bool) if ticks.present is None else ticks.present
    observed = present & np.isfinite(stable).all(axis=-1) & np.isfinite(candidate).all(axis=-1)
    usable = observed if ticks.ignore is None else observed & ~ticks.ignore
    return _masked(candidate, usable), _masked(stable, observed)


def _groups(ticks: LatencyTicks, total: Array, settings: Settings) -> Groups:
    restart = np.zeros(total.shape, dtype=bool) if ticks.restart is None else ticks.restart
    return group(ticks.seconds, total, restart, settings.joined)


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


def _mean(parts: tuple[Part, ...]) -> LatencyEvidence:
    return LatencyEvidence(
        log_bad=alpha_budget.log_combined(
            np.stack([one.evidence.log_bad for one in parts]), [one.stake for one in parts]
        ),
        log_good=alpha_budget.log_mean(np.stack([one.evidence.log_good for one in parts])),
        parts=parts,
    )
