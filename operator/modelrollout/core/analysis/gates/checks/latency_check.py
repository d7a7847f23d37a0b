"""One latency test by evidence: requests slower than a bucket edge, the mean over two quantiles."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from modelrollout.api.gates import LatencyGate
from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.checks.latency_histograms import Histograms, edges_of, margin_of
from modelrollout.core.analysis.gates.checks.limit_check import told_apart, with_frozen
from modelrollout.core.analysis.gates.checks.standing import CountTest, Standing
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.stats import alpha_budget, forecast, limits
from modelrollout.core.analysis.stats.latency_evidence import (
    LatencyEvidence,
    LatencyHistory,
    LatencyTicks,
    at_most,
    versus_stable,
)
from modelrollout.core.analysis.stats.parameters import GOOD_ALTERNATIVES, NOTHING, PASS_ODDS


@dataclass(frozen=True)
class Decided:
    """A standing with what people must know of it: the quantile and edges it is about, and from which tick on."""

    standing: Standing
    quantile: float
    known: int
    allowed: int
    first: int


def by_evidence(gate: LatencyGate, test: CountTest, found: Histograms, gate_input: GateInput) -> Decided:
    """Sequential: the mean of the evidence at the gate's quantile and at a wider one."""
    analysis = gate_input.request.spec.analysis
    start, least = gate_input.start, analysis.minimum_requests
    _, allowed = edges_of(gate, test.kind, found, gate_input)

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
    known: int | None = None
    if test.kind == "limit":
        assert gate.max is not None, "a limit test has a limit"
        evidence = at_most(ticks(start), gate.max, gate.quantile, minimum_requests=least)
        bad = float(evidence.log_bad[-1])
    else:
        history = LatencyHistory(gate_input.ends[:start], found.stable[:start])
        evidence = versus_stable(ticks(start), gate.quantile, margin_of(gate), history=history, minimum_requests=least)
        bad, bake = float(evidence.log_bad[-1]), gate_input.bake
        if bake is not None and bake < gate_input.table.grid.count and found.stable[gate_input.frozen].sum():
            baked = at_most(ticks(bake), float(found.edges[allowed]), gate.quantile, minimum_requests=least)
            bad, paired = with_frozen(bad, float(baked.log_bad[-1]))
            if bad < needed or baked.log_bad[-1] - np.log(2) >= needed or baked.log_bad[-1] >= evidence.log_bad[-1]:
                evidence, start, known = baked, bake, edges_of(gate, test.kind, found, gate_input)[0]
    standing = told_apart(_standing(test, evidence, (bad, needed), least), paired)
    standing = replace(standing, rising=any(one.rising(gate_input.since_whole) for one in evidence.parts))
    return _decided(standing, evidence, found, gate_input, start, known)


def _decided(
    standing: Standing,
    evidence: LatencyEvidence,
    found: Histograms,
    gate_input: GateInput,
    start: int,
    known: int | None,
) -> Decided:
    """What the sentence says: of a FAIL the quantile that carries most of it, since its evidence began.

    `known`: stable's edge from before the bake, where the limit rests on that.
    """
    part, first = len(evidence.parts) - 1, start
    if standing.verdict == "FAIL":
        logs = [float(one.log_bad[-1]) for one in evidence.parts]
        alone = logs[part] - float(np.log(len(logs))) >= (standing.needed or 0.0)
        part = part if alone else int(np.argmax(logs))
        at = int(evidence.parts[part].began(np.asarray(len(evidence.log_bad) - 1)))
        first, standing = start + at, replace(standing, began=float(evidence.parts[part].ticks.seconds[at]))
    edge, allowed, good = (int(index[-1]) for index in evidence.edges[part])
    if standing.rare:
        good = int(evidence.edges[part][2].max())  # none is slower than the highest edge it was counted at
    candidate = np.where(gate_input.warming[first:, None], 0.0, found.candidate[first:])
    stable, total = found.stable[first:], float(candidate.sum())
    slow = float(candidate[:, allowed + 1 :].sum())
    slower = float(stable[:, edge + 1 :].sum() / stable.sum()) if stable.sum() and known is None else None
    standing = replace(
        standing,
        bad=slow,
        total=total,
        rate=slow / total if total else float("nan"),
        stable_rate=slower if standing.kind == "stable" else None,
        good_at=say.seconds(float(found.edges[good])),
    )
    return Decided(standing, evidence.quantiles[part], edge if known is None else known, allowed, first)


def _standing(test: CountTest, evidence: LatencyEvidence, logs: tuple[float, float], least: int) -> Standing:
    bad, needed = logs
    own = evidence.parts[-1]
    counted = own.ticks
    slow, total = float(counted.candidate_bad.sum()), float(counted.candidate_total.sum())
    stable_slow, stable_total = float(counted.stable_bad.sum()), float(counted.stable_total.sum())
    good, rare = float(evidence.log_good[-1]), bool(own.rare[-1])
    last = len(evidence.log_bad) - 1
    began = float(counted.seconds[int(evidence.began(np.asarray(last)))]) if bad > 0 else None
    rate = slow / total if total else float("nan")
    limit = float(own.limit[-1])
    standing = Standing(
        kind=test.kind,
        verdict="CONTINUE",
        rate=rate,
        bad=slow,
        total=total,
        stable_rate=stable_slow / stable_total if stable_total else None,
        stable_total=stable_total,
        limit=limit,
        odds=bad,
        needed=needed,
        good=good,
        began=began,
        leaning_bad=good < -NOTHING and not rare,
        rare=rare,
    )
    if bad >= needed:
        return replace(standing, verdict="FAIL")
    if not total:
        return replace(standing, verdict="NO_DATA", left=float(least))
    return replace(standing, verdict="PASS" if evidence.passing[-1] else "CONTINUE", left=_left(standing, good, least))


def _left(now: Standing, good: float, least: int) -> float:
    """Candidate requests until PASS at the present rates."""
    rate = np.asarray(max(now.rate, 0.5 / (now.total + 1)))
    stable = np.asarray(now.stable_rate or now.limit)
    per = np.asarray(now.stable_total / now.total if now.total else 0.0)
    line = limits.EXCEEDANCE if now.kind == "stable" else limits.absolute(max(now.limit, 1e-9))
    growth = forecast.growth(rate, stable, per, line)
    gap = np.asarray(max(float(np.log(PASS_ODDS)) - good, 0.0))
    return max(float(forecast.requests_needed(gap, len(GOOD_ALTERNATIVES), growth)), least - now.total, 1.0)
