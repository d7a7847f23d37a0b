"""Latency counts the requests slower than a bucket edge; every limit is a whole bucket, and the bucket is shown."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from modelrollout.api.gates import LatencyGate
from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.checks.limit_check import told_apart, with_frozen
from modelrollout.core.analysis.gates.checks.standing import CountTest, Kind, Standing
from modelrollout.core.analysis.gates.checks.threshold_check import by_threshold
from modelrollout.core.analysis.gates.count_gates import absence
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.request_counts import Counts, scraped, use_gateway
from modelrollout.core.analysis.gates.result import Judged, Shown, build, no_data
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.stats import alpha_budget, forecast, limits
from modelrollout.core.analysis.stats import histogram as b
from modelrollout.core.analysis.stats.arrays import Array, CountTicks
from modelrollout.core.analysis.stats.latency_evidence import (
    LatencyEvidence,
    LatencyHistory,
    LatencyTicks,
    at_most,
    versus_stable,
)
from modelrollout.core.analysis.stats.parameters import BLUNT, GOOD_ALTERNATIVES, PASS_ODDS
from modelrollout.core.finding import Finding


@dataclass(frozen=True)
class Histograms:
    """Per-bucket increments, (grid, B+1), of both arms; `edges` (B,) in seconds."""

    edges: Array
    candidate: Array
    stable: Array
    counts: Counts


def read_histograms(gate: LatencyGate, gate_input: GateInput) -> Histograms | Finding:
    """The histograms of both arms on the edges they share."""
    gateway = use_gateway(gate_input, gate.source)
    metric, source = (s.GATEWAY_DURATION, "gateway") if gateway else (s.DURATION, "model")
    if any(gate_input.table.spoilt(metric, arm, gate_input.start) for arm in ("stable", "candidate")):
        return Finding("SampleNotANumber", f"{metric} read NaN, Inf or a negative number")
    known: dict[float, str] = {}
    for le in gate_input.table.details(metric):
        known[float(le)] = le
    edges = np.array(sorted(edge for edge in known if np.isfinite(edge)), dtype=float)
    present = [scraped(gate_input, source, arm, (metric,)) for arm in ("candidate", "stable")]
    if not len(edges):
        return Finding("SeriesMissing", f"no {metric} of either version: there is no histogram to judge")
    order = [known[edge] for edge in edges]
    arms = [
        _per_bucket(gate_input, metric, arm, [*order, known.get(np.inf, "+Inf")]) for arm in ("candidate", "stable")
    ]
    totals = [arm.sum(axis=1) for arm in arms]
    nothing = np.zeros(len(totals[0]))
    ticks = CountTicks(gate_input.ends, nothing, totals[0], nothing, totals[1], restart=gate_input.restarts)
    return Histograms(edges, arms[0], arms[1], Counts(ticks, source, "requests", present[0], present[1]))


def _per_bucket(gate_input: GateInput, metric: str, arm: s.Arm, order: list[str]) -> Array:
    """Cumulative `le` counters become counts per bucket; what a torn scrape would make negative counts as 0."""
    cumulative = np.stack([gate_input.table.total(metric, arm, details=[le]) for le in order], axis=1)
    return np.maximum(np.diff(cumulative, axis=1, prepend=0.0), 0.0)


def judge_latency(gate: LatencyGate, gate_input: GateInput, share: float) -> Judged:
    """The gate's standing; warm-up ticks of the candidate are left out."""
    found = read_histograms(gate, gate_input)
    if isinstance(found, Finding):
        flags = np.zeros(gate_input.table.grid.count, dtype=bool)
        return replace(
            no_data(gate, found), missing=gate_input.missing(flags), missing_text=f"Latency: {found.message}"
        )
    missing, text = absence("Latency", found.counts, gate_input)
    kinds: list[Kind] = ["limit"] if gate.max is not None else []
    if gate.versus_stable is not None or not kinds:
        kinds.append("stable")
    judged = [_judge(gate, kind, found, gate_input, share / len(kinds)) for kind in kinds]
    standings, shown = [one for one, _ in judged], [words for _, words in judged]
    usable = np.where(gate_input.warming, 0.0, found.candidate.sum(axis=1))
    result = build(
        gate,
        standings,
        shown,
        noun="requests",
        per_second=gate_input.per_second(usable),
        least=gate_input.request.spec.analysis.minimum_requests,
    )
    evidence = tuple((one.attributable, share / len(kinds)) for one in standings if one.attributable is not None)
    return Judged(result, evidence, missing, text, _warnings(gate, kinds, found, gate_input))


def _margin(gate: LatencyGate) -> int:
    return gate.versus_stable.buckets if gate.versus_stable else 1


def _edges(gate: LatencyGate, kind: Kind, found: Histograms, gate_input: GateInput) -> tuple[int, int]:
    """(stable's edge, the allowed edge) as indices, for plain comparison and for the words."""
    if kind == "limit":
        assert gate.max is not None, "a limit test has a limit"
        edge = b.edge_at_or_above(found.edges, gate.max)
        return edge, edge
    part = gate_input.frozen if gate_input.bake is not None else slice(0, None)
    margin = _margin(gate)
    edge = int(b.choose_edge(found.stable[part].sum(axis=0)[None, :], gate.quantile, margin)[0])
    return edge, min(edge + margin, len(found.edges) - 1)


def _judge(
    gate: LatencyGate, kind: Kind, found: Histograms, gate_input: GateInput, share: float
) -> tuple[Standing, Shown]:
    known, allowed = _edges(gate, kind, found, gate_input)
    candidate = np.where(gate_input.warming[:, None], 0.0, found.candidate)
    full = np.arange(len(candidate))
    ticks = CountTicks(
        gate_input.ends,
        b.over(candidate, np.full(full.shape, allowed)),
        candidate.sum(axis=1),
        b.over(found.stable, np.full(full.shape, known)),
        found.stable.sum(axis=1),
        restart=gate_input.restarts,
    )
    test = CountTest(kind, ticks, limits.absolute(1 - gate.quantile), share)
    plain = by_threshold(test, gate_input)
    standing = plain
    if gate.method == "Sequential":
        standing, known, allowed = _by_evidence(gate, test, found, gate_input)
    if kind == "stable" and standing.verdict != "FAIL" and not found.stable.sum():
        standing = replace(standing, verdict="NO_DATA" if standing.total else standing.verdict)
    return standing, _shown(gate, kind, found, (known, allowed), standing, candidate[_first(gate, gate_input) :])


def _first(gate: LatencyGate, gate_input: GateInput) -> int:
    return gate_input.start if gate.method == "Sequential" else gate_input.step


def _by_evidence(
    gate: LatencyGate, test: CountTest, found: Histograms, gate_input: GateInput
) -> tuple[Standing, int, int]:
    """Sequential: the mean of the evidence at the gate's quantile and at a wider one."""
    analysis = gate_input.request.spec.analysis
    start, least = gate_input.start, analysis.minimum_requests
    known, allowed = _edges(gate, test.kind, found, gate_input)

    def ticks(first: int) -> LatencyTicks:
        return LatencyTicks(
            gate_input.ends[first:],
            found.edges,
            found.candidate[first:],
            found.stable[first:],
            restart=gate_input.restarts[first:],
            ignore=gate_input.warming[first:],
        )

    if test.kind == "limit":
        assert gate.max is not None, "a limit test has a limit"
        evidence = at_most(ticks(start), gate.max, gate.quantile, minimum_requests=least)
        bad, paired = float(evidence.log_bad[-1]), None
    else:
        history = LatencyHistory(gate_input.ends[:start], found.stable[:start])
        evidence = versus_stable(ticks(start), gate.quantile, _margin(gate), history=history, minimum_requests=least)
        bad, paired = float(evidence.log_bad[-1]), None
        bake = gate_input.bake
        if bake is not None and bake < gate_input.table.grid.count and found.stable[gate_input.frozen].sum():
            limit = float(found.edges[allowed])
            evidence = at_most(ticks(bake), limit, gate.quantile, minimum_requests=least)
            bad, paired = with_frozen(bad, float(evidence.log_bad[-1]))
        else:
            known, allowed = int(evidence.edge[-1]), int(evidence.allowed[-1])
    needed = alpha_budget.odds_needed(test.share, analysis.false_rollback)
    standing = _standing(test, evidence, (bad, float(np.log(needed))), least)
    return told_apart(standing, paired), known, allowed


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
        leaning_bad=good < 0 and not rare,
        rare=rare,
    )
    if bad >= needed:
        return replace(standing, verdict="FAIL")
    if not total:
        return replace(standing, verdict="NO_DATA", left=float(least))
    passed = good >= np.log(PASS_ODDS) or rare
    return replace(standing, verdict="PASS" if passed else "CONTINUE", left=_left(standing, good, least))


def _left(now: Standing, good: float, least: int) -> float:
    """Candidate requests until PASS at the present rates."""
    rate = np.asarray(max(now.rate, 0.5 / (now.total + 1)))
    stable = np.asarray(now.stable_rate or now.limit)
    per = np.asarray(now.stable_total / now.total if now.total else 0.0)
    line = limits.EXCEEDANCE if now.kind == "stable" else limits.absolute(max(now.limit, 1e-9))
    growth = forecast.growth(rate, stable, per, line)
    gap = np.asarray(max(float(np.log(PASS_ODDS)) - good, 0.0))
    return max(float(forecast.requests_needed(gap, len(GOOD_ALTERNATIVES), growth)), least - now.total, 1.0)


def _shown(
    gate: LatencyGate, kind: Kind, found: Histograms, edges: tuple[int, int], one: Standing, candidate: Array
) -> Shown:
    name = f"P{100 * gate.quantile:g}"
    observed = _quantile(found.edges, candidate.sum(axis=0), gate.quantile)
    stable = _quantile(found.edges, found.stable.sum(axis=0), gate.quantile)
    allowed = float(found.edges[edges[1]])
    limit = f"{name} <= {say.seconds(allowed)}"
    if kind == "limit":
        assert gate.max is not None, "a limit test has a limit"
        if abs(allowed - gate.max) > 1e-9:  # noqa: PLR2004 - edges are written in decimals
            limit += f" (max {say.seconds(gate.max)}, the next bucket edge)"
    else:
        limit += f" (stable's {say.seconds(float(found.edges[edges[0]]))} + {_margin(gate)} bucket)"
    slow = f"{say.percent(one.rate)} slower than {say.seconds(allowed)} ({say.count(one.bad)}/{say.count(one.total)})"
    versus = "" if stable is None else f" vs stable {name} {stable}"
    clause = f"candidate {name} {observed}, {slow}{versus}; allowed {limit}"
    return Shown(f"{name} {observed}", None if stable is None else f"{name} {stable}", limit, clause)


def _quantile(edges: Array, histogram: Array, quantile: float) -> str | None:
    """The bucket that holds the quantile, by its upper edge; None without requests."""
    total = float(histogram.sum())
    if total <= 0:
        return None
    at = int(np.searchsorted(np.cumsum(histogram), quantile * total - 1e-9))
    return f"<= {say.seconds(float(edges[at]))}" if at < len(edges) else f"> {say.seconds(float(edges[-1]))}"


def _warnings(gate: LatencyGate, kinds: list[Kind], found: Histograms, gate_input: GateInput) -> tuple[str, ...]:
    if "stable" not in kinds or not found.stable.sum():
        return ()
    known, allowed = _edges(gate, "stable", found, gate_input)
    growth = float(found.edges[allowed] / found.edges[known]) if found.edges[known] > 0 else np.inf
    if growth <= BLUNT ** _margin(gate) + 1e-9:
        return ()
    before, after = (say.seconds(float(found.edges[edge])) for edge in (known, allowed))
    text = (
        f"{gate.name}: the bucket above stable's {before} ends at {after} ({growth:.1f}x): the histogram is too coarse "
        "to see less; use buckets that grow by at most 1.25"
    )
    return (text,)
