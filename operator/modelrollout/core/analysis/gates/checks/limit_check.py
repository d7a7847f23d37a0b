"""One test judged by evidence (Sequential) over the whole rollout, or by plain comparison (Threshold)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from modelrollout.api.gates import Method
from modelrollout.api.status import Verdict
from modelrollout.core.analysis.gates.checks.collapse import not_at_a_collapse
from modelrollout.core.analysis.gates.checks.standing import CountTest, Standing, frozen_line, leans_bad
from modelrollout.core.analysis.gates.checks.threshold_check import by_threshold
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.stats import alpha_budget
from modelrollout.core.analysis.stats.arrays import Array, StableHistory
from modelrollout.core.analysis.stats.count_evidence import CountEvidence, count_evidence
from modelrollout.core.analysis.stats.limits import LimitLine
from modelrollout.core.analysis.stats.parameters import BAD_ALTERNATIVES, DEFAULTS, GOOD_ALTERNATIVES, PASS_ODDS
from modelrollout.core.analysis.stats.traffic import forecast
from modelrollout.core.analysis.stats.traffic.rule_of_three import rare_requests


def judge(test: CountTest, method: Method, gate_input: GateInput) -> Standing:
    """The standing of one test at the newest tick."""
    if method == "Threshold":
        return not_at_a_collapse(by_threshold(test, gate_input), test.cut(gate_input.step), test.line)
    return not_at_a_collapse(by_evidence(test, gate_input), test.cut(gate_input.start), test.line, gate_input.parts)


def by_evidence(test: CountTest, gate_input: GateInput) -> Standing:
    """Sequential: evidence over the whole rollout; in the bake the frozen limit takes its own half of the bet."""
    alpha = gate_input.request.spec.analysis.false_rollback
    least = gate_input.request.spec.analysis.minimum_requests
    past = slice(0, gate_input.start)
    history = StableHistory(test.ticks.seconds[past], test.ticks.stable_bad[past], test.ticks.stable_total[past])
    settings = replace(DEFAULTS, memo=gate_input.memo_of(test.kind, test.line, test.share))
    found = count_evidence(
        test.cut(gate_input.start), test.line, history=history, minimum_requests=least, settings=settings
    )
    bake = gate_input.bake if test.line.relative else None
    fixed = None if bake is None else frozen_line(test, gate_input)
    bad, good, line, shown = float(found.log_bad[-1]), float(found.log_good[-1]), test.line, found
    first, paired = gate_input.start, None
    if bake is not None and fixed is not None and bake < gate_input.table.grid.count:
        settings = replace(DEFAULTS, memo=gate_input.memo_of("baked", test.kind, test.line, test.share))
        baked = count_evidence(test.cut(bake), fixed, minimum_requests=least, settings=settings)
        bad, paired = with_frozen(bad, float(baked.log_bad[-1]))
        line, shown, first, good = fixed, baked, bake, float(baked.log_good[-1])
    numbers = _numbers(test, gate_input, line, first, float(shown.expected[-1]))
    found_now = _with_verdict(numbers, shown, (bad, good), alpha_budget.odds_needed(test.share, alpha), line, least)
    found_now = replace(found_now, rising=shown.rising(gate_input.since_whole))
    alone = float(shown.log_bad[-1]) - float(np.log(2)) >= (found_now.needed or 0.0)
    if not alone and shown.log_bad[-1] < found.log_bad[-1]:  # in the bake, by what both gave side by side before it
        shown, line = found, test.line
    return _not_contradicted(_since_it_began(told_apart(found_now, paired), shown, line))


def with_frozen(paired: float, frozen: float) -> tuple[float, float]:
    """(log odds in the bake, those of them that rest on both versions side by side); half of the bet each."""
    return float(alpha_budget.log_mean(np.array([paired, frozen]))), paired - float(np.log(2))


def told_apart(standing: Standing, paired: float | None) -> Standing:
    """A FAIL that would not be one without the limit frozen for the bake is marked as such."""
    if paired is None or standing.needed is None:
        return standing
    return replace(standing, paired=paired, frozen=standing.verdict == "FAIL" and paired < standing.needed)


def _began(shown: CountEvidence) -> int:
    """Tick, counted from the first of `shown`, at which the bad evidence standing now started."""
    return int(shown.began(np.asarray(len(shown.log_bad) - 1)))


def _not_contradicted(standing: Standing) -> Standing:
    """No PASS beside a share beyond what it claims: what one tick may take from the odds is bounded, so they lag."""
    if standing.verdict != "PASS" or standing.rare or standing.good_limit is None or standing.good is None:
        return standing
    if standing.rate <= standing.good_limit:
        return standing
    return replace(standing, verdict="CONTINUE", good=min(standing.good, 0.0), leaning_bad=True)


def _since_it_began(standing: Standing, shown: CountEvidence, line: LimitLine) -> Standing:
    """A verdict shows the counts that it rests on: a late regression's are not diluted by the good time before.

    Nor are those of a PASS after a bad time that was not bad enough. A FAIL that is over, since stable has become as
    bad, shows the time in which it was proven.
    """
    last = len(shown.log_bad) - 1
    if standing.verdict == "PASS" and not standing.rare and standing.rate > standing.limit:
        return _counted(standing, shown, line, slice(int(shown.good_began(np.asarray(last))), None))
    if standing.verdict != "FAIL":
        return standing
    first = int(shown.began(np.asarray(last)))
    standing = replace(standing, began=float(shown.ticks.seconds[first]))
    found = _counted(standing, shown, line, slice(first, None))
    if found.rate > found.limit:
        return found
    peak = first + int(np.argmax(shown.log_bad[first:]))
    first = int(shown.began(np.asarray(peak)))
    times = shown.ticks.seconds[first], shown.ticks.seconds[peak]
    standing = replace(standing, began=float(times[0]), until=float(times[1]))
    return _counted(standing, shown, line, slice(first, peak + 1))


def _counted(standing: Standing, shown: CountEvidence, line: LimitLine, part: slice) -> Standing:
    """The counts of those ticks, and what was allowed in them, weighted by the candidate's requests."""
    counts = shown.ticks.candidate_total[part]
    total, bad = float(counts.sum()), float(shown.ticks.candidate_bad[part].sum())
    if not total:
        return standing
    stable = _stable_in(shown, part, line, bad / total if standing.verdict == "FAIL" else np.inf)
    return replace(
        standing,
        bad=bad,
        total=total,
        rate=bad / total,
        stable_rate=stable if line.relative and standing.stable_rate is not None else standing.stable_rate,
        limit=float(line.at(np.asarray(stable))),
        good_limit=float(line.good.at(np.asarray(stable))),
        of_the_past=standing.of_the_past and not line.relative,
    )


def _stable_in(shown: CountEvidence, part: slice, line: LimitLine, failing: float) -> float:
    """Stable's rate in those ticks: as it was expected, or as it was where it had become better than that.

    The evidence rests on both; `failing` is the candidate's share where it failed, infinite where it did not.
    """
    counts = shown.ticks.candidate_total[part]
    expected = float((shown.expected[part] * counts).sum() / counts.sum())
    observed = float(shown.ticks.stable_total[part].sum())
    if failing > line.at(np.asarray(expected)) or not observed:
        return expected
    return float(shown.ticks.stable_bad[part].sum()) / observed


def _with_verdict(
    numbers: Standing,
    shown: CountEvidence,
    logs: tuple[float, float],
    needed_odds: float,
    line: LimitLine,
    least: int,
) -> Standing:
    bad, good = logs
    needed = float(np.log(needed_odds))
    rare = bool(shown.rare[-1])
    began = float(shown.ticks.seconds[_began(shown)]) if bad > 0 else None
    verdict: Verdict = "CONTINUE"
    if bad >= needed:
        verdict = "FAIL"
    elif numbers.total <= 0 or (numbers.kind == "stable" and line.relative and numbers.stable_total <= 0):
        verdict = "NO_DATA"
    elif good >= np.log(PASS_ODDS) or rare:
        verdict = "PASS"
    left = _left(numbers, line, (needed - bad, float(np.log(PASS_ODDS)) - good), least)
    return replace(
        numbers,
        verdict=verdict,
        odds=bad,
        needed=needed,
        good=good,
        began=began,
        left=left,
        rare=rare,
        leaning_bad=not rare and leans_bad((bad, good), numbers.rate, numbers.limit, numbers.stable_rate),
    )


def _numbers(test: CountTest, gate_input: GateInput, line: LimitLine, first: int, expected: float) -> Standing:
    """What is shown: sums since evidence started, stable's rate as the evidence expects it."""
    t, part = test.ticks, slice(first, None)
    bad, total = float(t.candidate_bad[part].sum()), float(t.candidate_total[part].sum())
    stable_total = float(t.stable_total[gate_input.start :].sum())
    observed = float(t.stable_total.sum()) > 0
    return Standing(
        kind=test.kind,
        verdict="CONTINUE",
        rate=bad / total if total else float("nan"),
        bad=bad,
        total=total,
        stable_rate=(expected if line.relative else _rate(t.stable_bad, t.stable_total)) if observed else None,
        stable_total=stable_total,
        limit=float(line.at(np.asarray(expected))),
        of_the_past=test.line.relative and not line.relative,
    )


def _rate(bad: Array, total: Array) -> float:
    return float(bad.sum() / total.sum())


def _left(now: Standing, line: LimitLine, gaps: tuple[float, float], least: int) -> float | None:
    """Candidate requests until the nearer of FAIL and PASS, at the present rates; a forecast."""
    if now.total <= 0:
        return float(least)
    stable = 0.0 if now.stable_rate is None else now.stable_rate
    ratio = np.asarray(now.stable_total / now.total)
    rate = np.asarray(max(now.rate, 0.5 / (now.total + 1)))
    if now.rate > now.limit:
        growth, gap, bets = forecast.growth(rate, np.asarray(stable), ratio, line), gaps[0], len(BAD_ALTERNATIVES)
    else:
        growth, gap, bets = forecast.growth(rate, np.asarray(stable), ratio, line.good), gaps[1], len(GOOD_ALTERNATIVES)
    whole = float(forecast.requests_needed(np.asarray(max(gap, 0.0)), bets, growth))
    if now.bad == 0:
        whole = min(whole, max(rare_requests(line, least) - now.total, 0.0))
    return max(whole, least - now.total, 1.0)
