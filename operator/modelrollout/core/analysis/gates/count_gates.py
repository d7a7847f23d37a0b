"""ErrorRate, Accuracy and NonFinite: bad ones among all, against a limit and against stable."""

from __future__ import annotations

from dataclasses import replace

from modelrollout.api.gates import AccuracyGate, ErrorRateGate, NonFiniteGate
from modelrollout.core import reasons
from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.burn_rate_hold import burning
from modelrollout.core.analysis.gates.checks.limit_check import judge
from modelrollout.core.analysis.gates.checks.standing import CountTest, Standing
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.request_counts import Counts, accuracy_counts, error_counts, nonfinite_counts
from modelrollout.core.analysis.gates.result import Judged, Shown, build, no_data
from modelrollout.core.analysis.stats import limits
from modelrollout.core.analysis.stats.limits import LimitLine
from modelrollout.core.finding import Finding

CountGate = ErrorRateGate | AccuracyGate | NonFiniteGate
_DEFAULT = {"ErrorRate": limits.ERROR_RATE, "Accuracy": limits.ACCURACY, "NonFinite": limits.NON_FINITE}
_WHAT = {"ErrorRate": "", "Accuracy": "", "NonFinite": " with NaN or Inf"}


def tests_of(gate: CountGate) -> tuple[tuple[str, LimitLine], ...]:
    """(kind, line on the bad share) of every test: the absolute limit, the margin over stable, by default that."""
    limit = (1 - gate.min if gate.min is not None else None) if isinstance(gate, AccuracyGate) else gate.max
    found: list[tuple[str, LimitLine]] = []
    if limit is not None:
        found.append(("limit", limits.absolute(limit)))
    if gate.versus_stable is not None:
        found.append(("stable", LimitLine(gate.versus_stable.ratio, gate.versus_stable.plus)))
    return tuple(found) or (("stable", _DEFAULT[gate.type]),)


def read_counts(gate: CountGate, gate_input: GateInput) -> Counts:
    """The gate's numbers from whatever series it reads."""
    if isinstance(gate, ErrorRateGate):
        return error_counts(gate, gate_input)
    return accuracy_counts(gate, gate_input) if isinstance(gate, AccuracyGate) else nonfinite_counts(gate, gate_input)


def judge_counts(gate: CountGate, gate_input: GateInput, share: float) -> Judged:
    """The gate's standing; `share` of the promise is split evenly over its tests."""
    counts = read_counts(gate, gate_input)
    missing, text = absence(gate.type, counts, gate_input)
    if counts.problem:
        return no_data(gate, counts.problem)
    wanted = tests_of(gate)
    tests = [
        CountTest("limit" if kind == "limit" else "stable", counts.ticks, line, share / len(wanted))
        for kind, line in wanted
    ]
    standings = [judge(test, gate.method, gate_input) for test in tests]
    if isinstance(gate, NonFiniteGate):  # no hour of the day makes NaN: in the bake, too, it is the version
        standings = [replace(one, frozen=False, paired=None) for one in standings]
    halt = burning(gate, counts, gate_input) if isinstance(gate, ErrorRateGate) else None
    if halt is not None and halt.reason == reasons.SHARED_INCIDENT:
        standings = [_not_blamed(one) for one in standings]
    result = build(
        gate,
        standings,
        [_shown(gate, one) for one in standings],
        noun=counts.noun,
        per_second=gate_input.per_second(counts.ticks.candidate_total),
        least=gate_input.request.spec.analysis.minimum_requests,
    )
    if not counts.candidate_present.any() and gate_input.missing(counts.candidate_present):
        return Judged(no_data(gate, Finding("SeriesMissing", text)).result, (), missing, text)
    blamed = [
        (s.attributable, t.share)
        for s, t in zip(standings, tests, strict=True)
        if s.attributable is not None and (halt is None or halt.reason != reasons.SHARED_INCIDENT or s.kind == "stable")
    ]
    return Judged(result, tuple(blamed), missing, text, halt=halt)


def _not_blamed(one: Standing) -> Standing:
    """In an incident of both versions the absolute limit says nothing about the candidate."""
    if one.kind == "limit" and one.verdict == "FAIL":
        return replace(one, verdict="CONTINUE", leaning_bad=True)
    return one


def absence(what: str, counts: Counts, gate_input: GateInput) -> tuple[int, str]:
    """(ticks in a row without a scrape of either arm's targets, the sentence); stable matters before the bake."""
    candidate = gate_input.missing(counts.candidate_present)
    stable = 0 if gate_input.bake is not None else gate_input.missing(counts.stable_present)
    arm = "candidate" if candidate >= stable else "stable"
    missing = max(candidate, stable)
    return missing, f"{what}: no sample of the {arm}'s series ({counts.source}) in {say.last_ticks(missing)}"


def _shown(gate: CountGate, one: Standing) -> Shown:
    if isinstance(gate, AccuracyGate):
        observed, limit = say.percent(1 - one.rate), f">= {say.margin(1 - one.limit)}"
        stable = None if one.stable_rate is None else say.percent(1 - one.stable_rate)
        numbers = f"({say.count(one.total - one.bad)}/{say.count(one.total)})"
    else:
        observed, limit = say.percent(one.rate), f"<= {say.margin(one.limit)}"
        stable = None if one.stable_rate is None else say.percent(one.stable_rate)
        numbers = f"({say.count(one.bad)}/{say.count(one.total)})"
    versus = f" vs stable {stable}" if stable else ""
    return Shown(observed, stable, limit, f"candidate {observed}{_WHAT[gate.type]} {numbers}{versus}; allowed {limit}")
