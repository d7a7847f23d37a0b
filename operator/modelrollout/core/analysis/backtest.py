"""Past ticks, judged as they would have been at the time: FAIL at its first tick, else what stands at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from modelrollout.api.status import Verdict
from modelrollout.core.analysis.stats import alpha_budget
from modelrollout.core.analysis.stats.arrays import Array, CountTicks, Flags, Index, standing_since
from modelrollout.core.analysis.stats.count_evidence import CountEvidence, count_evidence
from modelrollout.core.analysis.stats.limits import LimitLine
from modelrollout.core.analysis.stats.parameters import BAD_ALTERNATIVES, GOOD_ALTERNATIVES, MINIMUM_REQUESTS, PASS_ODDS
from modelrollout.core.analysis.stats.traffic import forecast
from modelrollout.core.analysis.stats.traffic.rule_of_three import rare_requests

_MOST_LOG_ODDS = 690.0


@dataclass(frozen=True)
class Outcome:
    """What a gate made of one rollout. Times as in the ticks, rates as fractions, odds as logarithms."""

    verdict: Verdict
    time: float | None
    """Of the decision; None without one."""
    log_odds: float
    """That it is worse than allowed; of a PASS by evidence, that it is good enough."""
    log_needed: float
    """At which the gate fails alone."""
    line: LimitLine
    """The numbers below belong to the test of this line, the one that people should read."""
    limit: float
    stable_rate: float
    counts: tuple[float, float, float, float]
    """(candidate_bad, candidate_total, stable_bad, stable_total); of a FAIL since it started."""
    began: float
    """When the bad evidence started."""
    left: float
    """Candidate requests still needed for a verdict; inf where none is in sight."""
    rare: bool
    """PASS because nothing bad happened in enough requests."""


def backtest(
    ticks: CountTicks, lengths: Sequence[int], lines: Sequence[LimitLine], *, share: float, false_rollback: float
) -> list[Outcome]:
    """Judge B rollouts by the tests of one gate; ticks (B, T), of rollout b the first lengths[b] count.

    The gate's `share` is split evenly over its tests; it fails on their weighted evidence together.
    """
    batch = _Batch(ticks, tuple(lines), alpha_budget.odds_needed(share, false_rollback))
    failing = (batch.odds >= batch.needed) & (np.arange(batch.odds.shape[-1]) < np.asarray(lengths)[:, None])
    failed: Flags = np.asarray(failing.any(axis=-1))
    last: Index = np.where(failed, failing.argmax(axis=-1), np.asarray(lengths) - 1)
    began = np.stack([test.began(last) for test in batch.tests])
    return [
        batch.failed(row, int(at), began[:, row]) if failed[row] else batch.standing(row, int(at))
        for row, at in enumerate(last)
    ]


class _Batch:
    """The tests of one gate over many rollouts."""

    def __init__(self, ticks: CountTicks, lines: tuple[LimitLine, ...], needed: float) -> None:
        self.lines = lines
        self.tests = [count_evidence(ticks, line, minimum_requests=MINIMUM_REQUESTS) for line in lines]
        self.odds: Array = alpha_budget.log_mean(np.stack([t.log_bad for t in self.tests]))
        self.needed = float(np.log(needed))

    def failed(self, row: int, at: int, began: Index) -> Outcome:
        """The outcome of a rollout whose weighted evidence reached the odds to act at tick `at`."""
        shown = int(np.argmax([t.log_bad[row, at] for t in self.tests]))
        time = float(self.tests[0].ticks.seconds[row, at])
        return self._outcome("FAIL", time, self.odds[row, at], shown, row, slice(int(began[shown]), at + 1))

    def standing(self, row: int, at: int) -> Outcome:
        """The outcome at the last tick `at` of a rollout that never failed."""
        until = slice(0, at + 1)
        open_tests = [k for k, test in enumerate(self.tests) if not test.passing[row, at]]
        shown = open_tests[0] if open_tests else int(np.argmin([t.log_good[row, at] for t in self.tests]))
        counts = _sums(self.tests[0], row, until)
        if counts[1] <= 0 or (counts[3] <= 0 and any(line.relative for line in self.lines)):
            return self._outcome("NO_DATA", None, 0.0, shown, row, until)
        if open_tests:
            return self._outcome("CONTINUE", None, self.odds[row, at], shown, row, until)
        passing = np.logical_and.reduce([t.passing[row, until] for t in self.tests])
        time = float(self.tests[0].ticks.seconds[row, int(standing_since(passing))])
        good = float(self.tests[shown].log_good[row, at])
        return self._outcome("PASS", time, good, shown, row, until)

    def _outcome(
        self, verdict: Verdict, time: float | None, log_odds: float, shown: int, row: int, span: slice
    ) -> Outcome:
        test, line, at = self.tests[shown], self.lines[shown], span.stop - 1
        counts = _sums(test, row, span)
        rare = verdict == "PASS" and bool(test.rare[row, at]) and log_odds < np.log(PASS_ODDS)
        return Outcome(
            verdict=verdict,
            time=time,
            log_odds=float(np.clip(self.odds[row, at] if rare else log_odds, -_MOST_LOG_ODDS, _MOST_LOG_ODDS)),
            log_needed=self.needed,
            line=line,
            limit=float(test.limit[row, at]),
            stable_rate=float(test.expected[row, at]),
            counts=counts,
            began=float(test.ticks.seconds[row, span.start]),
            left=_left(test, line, row, at, counts, self.needed),
            rare=rare,
        )


def _sums(test: CountEvidence, row: int, span: slice) -> tuple[float, float, float, float]:
    t = test.ticks
    return (
        float(t.candidate_bad[row, span].sum()),
        float(t.candidate_total[row, span].sum()),
        float(t.stable_bad[row, span].sum()),
        float(t.stable_total[row, span].sum()),
    )


def _left(
    test: CountEvidence, line: LimitLine, row: int, at: int, counts: tuple[float, float, float, float], needed: float
) -> float:
    """Candidate requests until the nearer verdict at the rates so far; a forecast."""
    bad, total, _, stable_total = counts
    if total <= 0:
        return np.inf
    rate, stable = np.asarray((bad + 0.5) / (total + 1)), np.asarray(test.expected[row, at])
    per_candidate = np.asarray(stable_total / total)
    if rate > test.limit[row, at]:
        grows, bets = forecast.growth(rate, stable, per_candidate, line), len(BAD_ALTERNATIVES)
        gap = np.asarray(needed - test.log_bad[row, at])
    else:
        grows, bets = forecast.growth(rate, stable, per_candidate, line.good), len(GOOD_ALTERNATIVES)
        gap = np.asarray(np.log(PASS_ODDS) - test.log_good[row, at])
    whole = float(forecast.requests_needed(gap, bets, grows))
    return min(whole, max(rare_requests(line, MINIMUM_REQUESTS) - total, 1.0)) if bad == 0 else whole
