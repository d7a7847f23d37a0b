"""One latency test by evidence: requests slower than a bucket edge, the mean over two quantiles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from modelrollout.api.gates import LatencyGate
from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.checks.latency.histograms import Histograms, edges_of, margin_of, stable_beyond
from modelrollout.core.analysis.gates.checks.latency.shown import Decided, decide
from modelrollout.core.analysis.gates.checks.limit_check import told_apart, with_frozen
from modelrollout.core.analysis.gates.checks.standing import CountTest, Standing, leans_bad
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.wording import worded
from modelrollout.core.analysis.stats import alpha_budget, limits
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
from modelrollout.core.analysis.stats.parameters import GOOD_ALTERNATIVES, PASS_ODDS, SLOWER
from modelrollout.core.analysis.stats.traffic import forecast
from modelrollout.core.analysis.stats.traffic.rule_of_three import rare_requests


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

    settings = replace(SLOWER, memo=gate_input.memo_of(test.kind))
    needed = float(np.log(alpha_budget.odds_needed(test.share, analysis.false_rollback)))
    paired: float | None = None
    before: int | None = None
    if test.kind == "limit":
        assert gate.max is not None, "a limit test has a limit"
        evidence = at_most(ticks(start), gate.max, gate.quantile, minimum_requests=least, settings=settings)
        bad = float(evidence.log_bad[-1])
    else:
        history = LatencyHistory(gate_input.ends[:start], found.stable[:start])
        evidence = versus_stable(
            ticks(start), gate.quantile, margin_of(gate), history=history, minimum_requests=least, settings=settings
        )
        bad, bake = float(evidence.log_bad[-1]), gate_input.bake
        if bake is not None and bake < gate_input.table.grid.count and found.stable[gate_input.frozen].sum():
            tail = max(1 - gate.quantile, stable_beyond(found, gate_input, known))
            settings = replace(SLOWER, memo=gate_input.memo_of("baked"))
            baked = frozen(ticks(bake), allowed, tail, gate.quantile, minimum_requests=least, settings=settings)
            bad, paired = with_frozen(bad, float(baked.log_bad[-1]))
            if bad < needed or baked.log_bad[-1] - np.log(2) >= needed or baked.log_bad[-1] >= evidence.log_bad[-1]:
                evidence, start, before = baked, bake, known
    standing = told_apart(_standing(test, evidence, found.edges, (bad, needed), least), paired)
    rising = any(one.evidence.rising(gate_input.since_whole) for one in evidence.parts)
    standing = replace(standing, rising=rising)
    return decide(standing, evidence, found, gate_input, start, before)


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
    at, claim = worded(lambda: _claim(test, evidence, edges, rare=rare), ("", ""))
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
    """(edge, quantile and edge) that the evidence for the candidate is about: the gate's own, where it is enough.

    Else those of the quantile with most of it.
    """
    own = evidence.parts[-1]
    if rare:
        return say.seconds(float(edges[int(own.good_allowed.max())])), ""
    alone = float(own.evidence.log_good[-1]) - float(np.log(len(evidence.parts))) >= np.log(PASS_ODDS)
    part = own if alone else max(evidence.parts, key=lambda one: float(one.evidence.log_good[-1]))
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
