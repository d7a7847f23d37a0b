"""Latency: a quantile of the time requests take, counted as requests slower than a bucket edge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from modelrollout.api.gates import LatencyGate
from modelrollout.api.status import Verdict
from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.checks.collapse import not_at_a_collapse
from modelrollout.core.analysis.gates.checks.counts import ORIGINS, absence, scraped
from modelrollout.core.analysis.gates.checks.exclusion import bounded
from modelrollout.core.analysis.gates.checks.latency.by_evidence import by_evidence
from modelrollout.core.analysis.gates.checks.latency.coarse_buckets import coarse_buckets
from modelrollout.core.analysis.gates.checks.latency.histograms import (
    Histograms,
    edges_of,
    margin_of,
    quantile_of,
    read_histograms,
    stable_beyond,
)
from modelrollout.core.analysis.gates.checks.latency.shown import Decided, named
from modelrollout.core.analysis.gates.checks.readable import as_read
from modelrollout.core.analysis.gates.checks.standing import CountTest, Kind, Standing
from modelrollout.core.analysis.gates.checks.threshold_check import by_threshold
from modelrollout.core.analysis.gates.definition import GateDefinition
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.result import Judged, Shown, build, no_data
from modelrollout.core.analysis.gates.sources.absence import no_source
from modelrollout.core.analysis.gates.sources.order import HISTOGRAM, REQUESTS, chosen, exporting
from modelrollout.core.analysis.gates.wording import worded
from modelrollout.core.analysis.stats import limits
from modelrollout.core.analysis.stats.arrays import Array, CountTicks
from modelrollout.core.analysis.stats.exceedances import histogram as b
from modelrollout.core.analysis.stats.parameters import GOOD_EXCEEDANCE, NOTHING
from modelrollout.core.finding import Finding

_UNSAID = ("a defect: a warning about the buckets cannot be put into words",)


def series_of(gate: LatencyGate) -> frozenset[str]:
    """The histograms of the sources that the gate may read."""
    return HISTOGRAM.metrics(gate.source)


def kinds_of(gate: LatencyGate) -> list[Kind]:
    """The tests of the gate."""
    kinds: list[Kind] = ["limit"] if gate.max is not None else []
    if gate.versus_stable is not None or not kinds:
        kinds.append("stable")
    return kinds


def judge_latency(gate: LatencyGate, gate_input: GateInput, share: float) -> Judged:
    """The gate's standing; warm-up ticks of the candidate are left out."""
    kinds = kinds_of(gate)
    read = {kind: read_histograms(gate, gate_input, kind) for kind in kinds}
    histograms = {kind: one for kind, one in read.items() if not isinstance(one, Finding)}
    missing = next((one for one in read.values() if isinstance(one, Finding)), None)
    if missing and not histograms:
        return _without_histogram(gate, gate_input, missing)
    found = _by_histograms(gate, gate_input, histograms, share / len(kinds))
    if missing is None:
        return found
    verdict: Verdict = "NOT_COMPARABLE" if missing.reason == "BucketsDiffer" else "NO_DATA"
    return as_read(gate, found, missing, verdict)


def _by_histograms(
    gate: LatencyGate, gate_input: GateInput, histograms: Mapping[Kind, Histograms], share: float
) -> Judged:
    """By the tests whose histograms can be read, each with its `share`."""
    kinds = list(histograms)
    found = histograms[kinds[-1]]
    missing, text = absence(gate.type, found.counts, gate_input)
    judged = [_judge(gate, kind, histograms[kind], gate_input, share) for kind in kinds]
    standings = [one for one, _ in judged]
    usable = np.where(gate_input.warming, 0.0, found.candidate.sum(axis=1))
    result = build(
        gate,
        standings,
        lambda: [words() for _, words in judged],
        noun="requests",
        per_second=gate_input.per_second(usable),
        least=gate_input.request.spec.analysis.minimum_requests,
    )
    blamed = [one.attributable for one in standings if one.attributable is not None and not one.excused]
    evidence = tuple((odds, share) for odds in blamed)
    warnings: tuple[str, ...] = worded(lambda: coarse_buckets(gate, kinds, found, gate_input), _UNSAID)
    rising = any(one.rising for one in standings)
    judged_read = Judged(result, evidence, missing, text, warnings, rising=rising)
    return as_read(gate, judged_read, found.counts.unread)


def _without_histogram(gate: LatencyGate, gate_input: GateInput, found: Finding) -> Judged:
    if found.reason == "BucketsDiffer":
        return no_data(gate, found, verdict="NOT_COMPARABLE")
    source = chosen(gate_input, HISTOGRAM, gate.source)  # scraped, its histogram may be to come
    flags = scraped(gate_input, ORIGINS[source], "candidate", REQUESTS.whole[source])
    missing = gate_input.missing(flags) if found.reason == "SeriesMissing" else 0
    return replace(no_data(gate, found), missing=missing, missing_text=f"Latency: {found.message}")


def _judge(
    gate: LatencyGate, kind: Kind, found: Histograms, gate_input: GateInput, share: float
) -> tuple[Standing, Callable[[], Shown]]:
    """One test, and how it is put into words."""
    known, allowed = edges_of(gate, kind, found, gate_input)
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
    first = gate_input.start if gate.method == "Sequential" else gate_input.step
    judged_by = by_evidence if gate.method == "Sequential" else _by_threshold
    decided = judged_by(gate, test, found, gate_input)
    standing = not_at_a_collapse(decided.standing, test.cut(first), test.line, gate_input.parts)
    decided = replace(decided, standing=standing)
    if kind == "stable" and decided.standing.verdict != "FAIL" and not found.stable.sum() and decided.standing.total:
        decided = replace(decided, standing=replace(decided.standing, verdict="NO_DATA"))
    decided = replace(decided, standing=bounded(decided.standing, ticks, gate_input))
    return decided.standing, partial(_shown, gate, kind, found, decided, candidate[decided.ticks])


def _by_threshold(gate: LatencyGate, test: CountTest, found: Histograms, gate_input: GateInput) -> Decided:
    """Plain comparison with 1 - quantile; with a quarter more than stable itself has there, where that is more."""
    known, allowed = edges_of(gate, test.kind, found, gate_input)
    tail = 1 - gate.quantile
    if test.kind == "stable":
        tail = max(tail, GOOD_EXCEEDANCE * stable_beyond(found, gate_input, allowed))
    standing = by_threshold(replace(test, line=limits.absolute(tail)), gate_input)
    unseen = test.kind == "limit" and gate.max is not None and gate.max > found.edges[-1]
    if (unseen and standing.verdict == "FAIL") or (tail >= 1 and standing.verdict != "NO_DATA"):
        standing = replace(standing, verdict="CONTINUE", looks=0, leaning_bad=False)
    name, shown = named(tail, 1 - gate.quantile, standing.rate)
    past = test.kind == "stable" and gate_input.bake is not None
    return Decided(standing, name, shown, known, allowed, slice(gate_input.step, None), past)


def _shown(gate: LatencyGate, kind: Kind, found: Histograms, decided: Decided, candidate: Array) -> Shown:
    one, name, tail = decided.standing, decided.quantile, decided.tail
    side_by_side = found.stable[decided.ticks] if one.stable_rate is not None else found.stable
    observed = quantile_of(found.edges, candidate.sum(axis=0), 1 - tail)
    stable = quantile_of(found.edges, side_by_side.sum(axis=0), 1 - tail)
    known, allowed = (say.seconds(float(found.edges[edge])) for edge in (decided.known, decided.allowed))
    if kind == "limit":
        assert gate.max is not None, "a limit test has a limit"
        limit = f"{name} <= {_limit(gate.max, float(found.edges[decided.allowed]))}"
    else:
        past = " before the bake" if decided.of_the_past else ""
        margin = f"{margin_of(gate)} bucket{'s' if margin_of(gate) > 1 else ''}"
        limit = f"{name} <= {allowed} (stable's {known}{past} + {margin})"
    share, _ = say.beside(one.rate, tail)
    slow = f"{share} slower than {allowed} ({say.count(one.bad)}/{say.count(one.total)})"
    versus = "" if stable is None else f" vs stable {name} {stable}"
    if stable is not None and kind == "stable" and gate.method == "Sequential" and one.stable_rate is not None:
        versus += f", {say.percent(one.stable_rate)} slower than {known}"
    clause = f"candidate {name} {observed}, {slow}{versus}; allowed {limit}"
    bound = "" if one.at_most is None else f"at most {say.margin(one.at_most)} slower than {allowed}"
    return Shown(f"{name} {observed}", stable and f"{name} {stable}", limit, clause, bound=bound)


def _limit(limit: float, edge: float) -> str:
    """The limit in the words of the histogram, which knows no other values than its edges."""
    if limit > edge * (1 + NOTHING):
        return f"{say.seconds(limit)} (the last bucket edge is {say.seconds(edge)}: what is slower cannot be told)"
    if edge - limit > NOTHING:
        return f"{say.seconds(edge)} (max {say.seconds(limit)}, the next bucket edge)"
    return say.seconds(edge)


DEFINITION = GateDefinition(
    model=LatencyGate,
    series=series_of,
    family="counts",
    judge=judge_latency,
    unjudgeable=lambda gate, seen: no_source(seen, HISTOGRAM, gate.source, relative="stable" in kinds_of(gate)),
    exported=lambda gate, seen: exporting(seen, HISTOGRAM, gate.source, "stable") is not None,
    source=lambda gate, seen: chosen(seen, HISTOGRAM, gate.source),
    default=LatencyGate(name="latency", type="Latency"),
)
