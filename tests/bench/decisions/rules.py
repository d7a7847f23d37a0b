"""The rules that are compared: ours, and what Flagger, Argo Rollouts and Kayenta do with the same minutes.

Re-implementations of the published rules, favourable where there is a choice: Flagger is given the rollback in the
interval of its last failed check although it needs one more. Every rule returns the tick of the rollback, -1 for none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import NormalDist

import numpy as np

from modelrollout.core.analysis.stats import alpha_budget
from modelrollout.core.analysis.stats.count_evidence import CountEvidence, count_evidence
from modelrollout.core.analysis.stats.latency_evidence import LatencyEvidence, versus_stable
from modelrollout.core.analysis.stats.limits import ERROR_RATE, LimitLine
from modelrollout.core.analysis.stats.parameters import DEFAULTS, PASS_ODDS
from tests.bench.decisions.outcome import first_at_least
from tests.bench.decisions.traces import EDGES, PER_MINUTE, LatencyTrace, Trace, minutes

FALSE_ROLLBACK = 0.05
COUNT_GATES = 4
"""Errors, latency, accuracy and non-finite values share the promise."""
FIRST_LOOK = 10
"""Kayenta's rule is first asked after ten minutes, as many points as it takes to exclude chance at 98 %."""
Rule = Callable[[Trace], np.ndarray]


def evidence(trace: Trace, line: LimitLine = ERROR_RATE, *, dispersion: bool = True) -> CountEvidence:
    """Our evidence on the share of errors."""
    return count_evidence(trace.ticks, line, history=trace.history, settings=replace(DEFAULTS, dispersion=dispersion))


def ours(
    trace: Trace, *, gates: int = COUNT_GATES, line: LimitLine = ERROR_RATE, dispersion: bool = True
) -> np.ndarray:
    """Roll back when the evidence reaches the odds that one of `gates` gates needs by itself."""
    found = evidence(trace, line, dispersion=dispersion)
    return first_at_least(found.log_bad, np.log(alpha_budget.odds_needed(1 / gates, FALSE_ROLLBACK)))


def latency_evidence(trace: LatencyTrace, chunk: int = 100) -> Iterator[LatencyEvidence]:
    """Our evidence on latency, the rollouts in pieces since histograms are large."""
    for at in range(0, len(trace.candidate), chunk):
        part = LatencyTrace(*(a[at : at + chunk] for a in (trace.candidate, trace.stable, trace.past)))
        yield versus_stable(part.ticks, history=part.history)


def ours_latency(trace: LatencyTrace, gates: int = COUNT_GATES) -> np.ndarray:
    """Roll back when the mean of the P90 and P99 evidence reaches the odds."""
    needed = np.log(alpha_budget.odds_needed(1 / gates, FALSE_ROLLBACK))
    return np.concatenate([first_at_least(part.log_bad, needed) for part in latency_evidence(trace)])


def passes(trace: Trace) -> np.ndarray:
    """First tick at which our gate says PASS, -1 for never."""
    found = evidence(trace)
    return first_at_least(np.where(found.rare, np.inf, found.log_good), np.log(PASS_ODDS))


def flagger(trace: Trace, *, limit: float = 0.02, checks: int = 5) -> np.ndarray:
    """A static threshold each minute; failed checks add up and never fall; a minute without data is a failed check."""
    return _nth_failure(_minute_rates(trace)[0], limit, checks, missing_fails=True)


def argo(trace: Trace, *, limit: float = 0.02, failure_limit: int = 0) -> np.ndarray:
    """A static condition each minute; NaN passes it, but five query errors in a row abort."""
    rate = _minute_rates(trace)[0]
    failed = _nth_failure(rate, limit, failure_limit + 1, missing_fails=False)
    return _earlier(failed, _in_a_row(np.isnan(rate), 5))


def kayenta(trace: Trace) -> np.ndarray:
    """Mann-Whitney each minute on all minutes so far, candidate against all of stable."""
    candidate, stable = _minute_rates(trace)
    return _mann_whitney(np.nan_to_num(candidate), np.nan_to_num(stable))


def flagger_latency(trace: LatencyTrace, *, times: float = 1.25, checks: int = 5) -> np.ndarray:
    """P99 of each minute above `times` stable's usual P99, a number set beforehand."""
    limit = times * float(np.median(_quantile(trace.past.sum(axis=1), 0.99)))
    return _nth_failure(_minute_p99(trace.candidate), limit, checks, missing_fails=True)


def kayenta_latency(trace: LatencyTrace) -> np.ndarray:
    """Mann-Whitney on the P99 of each minute."""
    return _mann_whitney(_minute_p99(trace.candidate), _minute_p99(trace.stable))


def pooled_z(trace: Trace, critical: float = 1.96) -> np.ndarray:
    """A z-test on pooled counts at every tick: the peeking and the pooling that our engine exists to avoid."""
    y_c, n_c, y_s, n_s = (
        np.cumsum(a, axis=-1)
        for a in (trace.candidate_bad, trace.candidate_total, trace.stable_bad, trace.stable_total)
    )
    share = (y_c + y_s + 0.5) / (n_c + n_s + 1)
    z = (y_c / np.maximum(n_c, 1) - y_s / np.maximum(n_s, 1)) / np.sqrt(
        share * (1 - share) * (1 / np.maximum(n_c, 1) + 1 / np.maximum(n_s, 1))
    )
    return first_at_least(z, critical)


def _minute_rates(trace: Trace) -> tuple[np.ndarray, np.ndarray]:
    """(candidate, stable) share of errors per minute, NaN where a minute has no data."""
    known = np.ones(trace.candidate_bad.shape, dtype=bool) if trace.present is None else trace.present
    rates = []
    for bad, total in ((trace.candidate_bad, trace.candidate_total), (trace.stable_bad, trace.stable_total)):
        all_of = minutes(np.where(known, total, 0))
        rates.append(np.where(all_of > 0, minutes(np.where(known, bad, 0)) / np.maximum(all_of, 1), np.nan))
    return rates[0], rates[1]


def _nth_failure(values: np.ndarray, limit: float, nth: int, *, missing_fails: bool) -> np.ndarray:
    failed = (values > limit) | (np.isnan(values) & missing_fails)
    return _at_tick(first_at_least(np.cumsum(failed, axis=-1).astype(float), nth))


def _in_a_row(flags: np.ndarray, wanted: int) -> np.ndarray:
    run = np.zeros(flags.shape)
    for m in range(flags.shape[-1]):
        run[:, m] = np.where(flags[:, m], (run[:, m - 1] if m else 0) + 1, 0)
    return _at_tick(first_at_least(run, wanted))


def _earlier(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    return np.where(one < 0, two, np.where(two < 0, one, np.minimum(one, two)))


def _at_tick(minute: np.ndarray) -> np.ndarray:
    return np.where(minute < 0, -1, (minute + 1) * PER_MINUTE - 1)


def _mann_whitney(
    candidate: np.ndarray, stable: np.ndarray, confidence: float = 0.98, tolerance: float = 0.25
) -> np.ndarray:
    """Kayenta's classifier: High where the lower confidence bound of the shift exceeds 0.25 of its estimate.

    Estimate and bounds are order statistics of all differences (Hodges-Lehmann), the rank by the normal
    approximation.
    """
    runs, length = candidate.shape
    found = np.full(runs, -1)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    for m in range(FIRST_LOOK, length + 1):
        open_runs = np.flatnonzero(found < 0)
        if not len(open_runs):
            break
        for at in range(0, len(open_runs), 200):
            rows = open_runs[at : at + 200]
            differences = (candidate[rows, :m, None] - stable[rows, None, :m]).reshape(len(rows), -1)
            rank = max(int(np.floor(m * m / 2 - z * np.sqrt(m * m * (2 * m + 1) / 12))) - 1, 0)
            middle = (m * m - 1) // 2
            parts = np.partition(differences, [rank, middle], axis=1)
            high = parts[:, rank] > tolerance * np.abs(parts[:, middle])
            found[rows[high]] = m * PER_MINUTE - 1
    return found


def _minute_p99(histogram: np.ndarray) -> np.ndarray:
    runs, ticks, buckets = histogram.shape
    whole = histogram[:, : ticks // PER_MINUTE * PER_MINUTE]
    return _quantile(whole.reshape(runs, -1, PER_MINUTE, buckets).sum(axis=2), 0.99)


def _quantile(histogram: np.ndarray, quantile: float) -> np.ndarray:
    """As Prometheus' histogram_quantile: linear inside the bucket, the last edge above it."""
    below = np.cumsum(histogram, axis=-1)
    rank = quantile * below[..., -1]
    at = np.minimum((below >= rank[..., None]).argmax(axis=-1), len(EDGES))
    lower = np.where(at > 0, EDGES[np.maximum(at - 1, 0)], 0.0)
    upper = EDGES[np.minimum(at, len(EDGES) - 1)]
    before = np.where(at > 0, np.take_along_axis(below, np.maximum(at - 1, 0)[..., None], axis=-1)[..., 0], 0.0)
    inside = np.take_along_axis(histogram, at[..., None], axis=-1)[..., 0]
    return np.where(at >= len(EDGES), EDGES[-1], lower + (upper - lower) * (rank - before) / np.maximum(inside, 1e-9))
