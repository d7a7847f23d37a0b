"""One latency test by evidence: requests slower than a bucket edge, the mean over two quantiles."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from modelrollout.api.gates import LatencyGate
from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.checks.latency_histograms import Histograms, edges_of, margin_of, stable_beyond
from modelrollout.core.analysis.gates.checks.limit_check import told_apart, with_frozen
from modelrollout.core.analysis.gates.checks.standing import CountTest, Standing, leans_bad
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.stats import alpha_budget, forecast, limits
from modelrollout.core.analysis.stats.arrays import Array
from modelrollout.core.analysis.stats.latency_evidence import (
    LatencyEvidence,
    LatencyHistory,
    LatencyTicks,
    Part,
    at_most,
    frozen,
    versus_stable,
)
from modelrollout.core.analysis.stats.parameters import GOOD_ALTERNATIVES, GOOD_EXCEEDANCE, PASS_ODDS, ROUNDING
from modelrollout.core.analysis.stats.rule_of_three import rare_requests


@dataclass(frozen=True)
class Decided:
    """A standing with what people must know of it: the quantile and edges it is about, and the ticks that show it.

    `tail` is the share that may be slower than the allowed edge, `quantile` the name of what leaves that much above.
    """

    standing: Standing
    quantile: str
    tail: float
    known: int
    allowed: int
    ticks: slice


def by_evidence(gate: LatencyGate, test: CountTest, found: Histograms, gate_input: GateInput) -> Decided:
    """Sequential: the mean of the evidence at the gate's quantile and at a wider one."""
    analysis = gate_input.request.spec.analysis
    start, least = gate_input.start, analysis.minimum_requests
    known, allowed = edges_of(gate, test.kind, found, gate_input)

    def ticks(first: int) -> LatencyTicks:
        return LatencyTicks(
            gate_input.ends[first:],
            found.edges,
            found.candidate[first:],
            found.stable[first:],
            restart=gate_input.restarts[first:],
            ignore=gate_input.warming[first:],
        )

    needed = float(np.log(alpha_budget.odds_needed(test.share, analysis.false_rollback)))
    paired: float | None = None
    before: int | None = None
    if test.kind == "limit":
        assert gate.max is not None, "a limit test has a limit"
        evidence = at_most(ticks(start), gate.max, gate.quantile, minimum_requests=least)
        bad = float(evidence.log_bad[-1])
    else:
        history = LatencyHistory(gate_input.ends[:start], found.stable[:start])
        evidence = versus_stable(ticks(start), gate.quantile, margin_of(gate), history=history, minimum_requests=least)
        bad, bake = float(evidence.log_bad[-1]), gate_input.bake
        if bake is not None and bake < gate_input.table.grid.count and found.stable[gate_input.frozen].sum():
            tail = max(1 - gate.quantile, stable_beyond(found, gate_input, known))
            baked = frozen(ticks(bake), allowed, tail, gate.quantile, minimum_requests=least)
            bad, paired = with_frozen(bad, float(baked.log_bad[-1]))
            if bad < needed or baked.log_bad[-1] - np.log(2) >= needed or baked.log_bad[-1] >= evidence.log_bad[-1]:
                evidence, start, before = baked, bake, known
    standing = told_apart(_standing(test, evidence, found.edges, (bad, needed), least), paired)
    return _decided(standing, evidence, found, gate_input, start, before)


def _decided(
    standing: Standing,
    evidence: LatencyEvidence,
    found: Histograms,
    gate_input: GateInput,
    start: int,
    known: int | None,
) -> Decided:
    """What the sentence says: of a FAIL the quantile that carries most of it, while its evidence was built.

    `known`: stable's edge from before the bake, where the limit rests on that.
    """
    at, ticks = len(evidence.parts) - 1, slice(start, None)
    failed = standing.verdict == "FAIL"
    if failed:
        logs = [float(one.evidence.log_bad[-1]) for one in evidence.parts]
        alone = logs[at] - float(np.log(len(logs))) >= (standing.needed or 0.0)
        at = at if alone else int(np.argmax(logs))
    part = evidence.parts[at]
    candidate = np.where(gate_input.warming[:, None], 0.0, found.candidate)
    edge, seconds = len(part.edge) - 1, part.evidence.ticks.seconds
    shown = _while_it_was_built(part, start, candidate) if failed else None
    if shown is not None:
        ticks, edge = shown
        until = None if ticks.stop is None else float(seconds[ticks.stop - 1 - start])
        standing = replace(standing, began=float(seconds[ticks.start - start]), until=until)
    elif failed:
        excused = "stable's edge has moved since, and at none is it too slow: not held against it"
        standing = replace(standing, verdict="CONTINUE", leaning_bad=True, excused=excused)
    elif standing.verdict == "PASS":
        found_in = _where_it_is_within(part, start, candidate, anywhere=not standing.rare)
        if found_in is None:
            standing = replace(standing, verdict="CONTINUE", good=min(standing.good or 0.0, 0.0), rare=False)
        ticks = found_in or ticks
    allowed, limit = int(part.allowed[edge]), float(part.evidence.limit[edge])
    slow, total = float(candidate[ticks, allowed + 1 :].sum()), float(candidate[ticks].sum())
    rate = slow / total if total else float("nan")
    stable, own = found.stable[ticks], int(part.edge[edge])
    slower = float(stable[:, own + 1 :].sum() / stable.sum()) if stable.sum() and known is None else None
    standing = replace(
        standing,
        bad=slow,
        total=total,
        rate=rate,
        limit=limit,
        stable_rate=slower if standing.kind == "stable" else None,
    )
    name, tail = say.quantile(limit, part.floor, rate)
    return Decided(standing, name, tail, own if known is None else known, allowed, ticks)


def _while_it_was_built(part: Part, start: int, candidate: Array) -> tuple[slice, int] | None:
    """(ticks on the grid, the tick whose edges are named) that show why `part` failed; None where none do.

    As a rule all since its evidence began, at today's edge. Where that hides it (it is over, or stable's edge has moved
    since), the ticks until it was strongest, or another edge that it was counted at.
    """
    last = len(part.edge) - 1
    first = int(part.evidence.began(np.asarray(last)))
    peak = first + int(np.argmax(part.evidence.log_bad[first:]))
    before = int(part.evidence.began(np.asarray(peak)))
    for begin, end in ((first, last), (before, peak)):
        ticks = slice(start + begin, None if end == last else start + end + 1)
        counts = candidate[ticks].sum(axis=0)
        for edge in range(end, begin - 1, -1):
            if counts[part.allowed[edge] + 1 :].sum() > part.evidence.limit[edge] * counts.sum():
                return ticks, edge
    return None


def _where_it_is_within(part: Part, start: int, candidate: Array, *, anywhere: bool) -> slice | None:
    """Ticks that show why `part` may pass: all, or those since its evidence began, or since stable's edge last moved.

    None where the candidate is beyond what a PASS excludes in all of them: stable may have excused that at the time.
    """
    last = len(part.edge) - 1
    firsts = [0]
    if anywhere:
        moved = np.flatnonzero(np.diff(part.edge))
        firsts += [int(part.evidence.good_began(np.asarray(last))), int(moved[-1]) + 1 if len(moved) else 0]
    allowed, limit = int(part.allowed[last]), float(part.evidence.limit[last])
    for line in (limit, GOOD_EXCEEDANCE * limit):
        for first in firsts:
            counts = candidate[start + first :].sum(axis=0)
            if counts.sum() and counts[allowed + 1 :].sum() <= line * counts.sum() + ROUNDING:
                return slice(start + first, None)
    return None


def _standing(
    test: CountTest, evidence: LatencyEvidence, edges: Array, logs: tuple[float, float], least: int
) -> Standing:
    bad, needed = logs
    own = evidence.parts[-1]
    counted = own.evidence.ticks
    slow, total = float(counted.candidate_bad.sum()), float(counted.candidate_total.sum())
    stable_slow, stable_total = float(counted.stable_bad.sum()), float(counted.stable_total.sum())
    good, rare = float(evidence.log_good[-1]), bool(own.evidence.rare[-1])
    last = len(evidence.log_bad) - 1
    began = float(counted.seconds[int(evidence.began(np.asarray(last)))]) if bad > 0 else None
    at, claim = _claim(test, evidence, edges, rare=rare)
    standing = Standing(
        kind=test.kind,
        verdict="CONTINUE",
        rate=slow / total if total else float("nan"),
        bad=slow,
        total=total,
        stable_rate=stable_slow / stable_total if stable_total else None,
        stable_total=stable_total,
        limit=float(own.evidence.limit[-1]),
        odds=bad,
        needed=needed,
        good=good,
        began=began,
        leaning_bad=any(_leans(one) for one in evidence.parts),
        rare=rare,
        good_at=at,
        good_claim=claim,
    )
    if bad >= needed:
        return replace(standing, verdict="FAIL")
    if not total:
        return replace(standing, verdict="NO_DATA", left=float(least))
    if evidence.passing[-1]:
        return replace(standing, verdict="PASS", left=_left(evidence, good, least))
    if good >= np.log(PASS_ODDS) or rare:  # enough for one quantile, and something speaks against another
        standing = replace(standing, good=min(good, 0.0), rare=False)
    return replace(standing, left=_left(evidence, good, least))


def _leans(part: Part) -> bool:
    counted, evidence = part.evidence.ticks, part.evidence
    if bool(evidence.rare[-1]):
        return False
    rate, stable = (
        float(bad.sum() / max(total.sum(), 1.0))
        for bad, total in (
            (counted.candidate_bad, counted.candidate_total),
            (counted.stable_bad, counted.stable_total),
        )
    )
    odds = float(evidence.log_bad[-1]), float(evidence.log_good[-1])
    return leans_bad(odds, rate, float(evidence.limit[-1]), stable)


def _claim(test: CountTest, evidence: LatencyEvidence, edges: Array, *, rare: bool) -> tuple[str, str]:
    """(edge, quantile and edge) that the evidence for the candidate is about: those of the part with most of it."""
    if rare:
        return say.seconds(float(edges[int(evidence.parts[-1].good_allowed.max())])), ""
    part = max(evidence.parts, key=lambda one: float(one.evidence.log_good[-1]))
    edge = say.seconds(float(edges[int(part.good_allowed[-1])]))
    if test.kind == "limit":
        return edge, ""
    name, _ = say.quantile(float(part.ratio[-1] * part.evidence.limit[-1]), part.floor, float(part.good_share[-1]))
    return edge, f"{name} <= {edge}"


def _left(evidence: LatencyEvidence, good: float, least: int) -> float:
    """Candidate requests until PASS at the present rates, by the quantile that gets there first."""
    gap = np.asarray(max(float(np.log(PASS_ODDS)) - good, 0.0))
    total = float(evidence.parts[-1].good.candidate_total.sum())
    needed = []
    for part in evidence.parts:
        rate = np.asarray(max(float(part.good_share[-1]), 0.5 / (total + 1)))
        line = limits.absolute(float(part.ratio[-1] * part.evidence.limit[-1]))
        provable = rate < line.plus < 1
        growth = forecast.growth(rate, np.asarray(0.0), np.asarray(0.0), line) if provable else np.asarray(0.0)
        needed.append(float(forecast.requests_needed(gap, len(GOOD_ALTERNATIVES) * len(evidence.parts), growth)))
    own = evidence.parts[-1]
    if not own.good.candidate_bad.sum():
        needed.append(rare_requests(limits.absolute(own.floor), least) - total)
    return max(min(needed), least - total, 1.0)
