"""What goes wrong in real life: each case says what it is, what our engine and the other rules do, and the target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from modelrollout.core.analysis.metrics.grid import make_grid
from modelrollout.core.analysis.metrics.increments import increments
from modelrollout.core.analysis.metrics.series import make_series
from modelrollout.core.analysis.stats.limits import LimitLine
from tests.bench.decisions import rules
from tests.bench.decisions.outcome import Outcome, outcome
from tests.bench.decisions.traces import HOUR, INTERVAL, PER_MINUTE, REQUESTS, Trace, draw
from tests.draws import Random

STRICT = LimitLine(1.0, 0.0)


@dataclass(frozen=True)
class Case:
    """`results` by rule; `wanted` says whether rolling back is right.

    `early` by rule: share in percent that was rolled back before anything was wrong.
    """

    name: str
    wanted: bool
    results: dict[str, Outcome]
    early: dict[str, float]


def cases(rng: Random, runs: int) -> Iterator[Case]:
    """All cases, one after the other."""
    for name, wanted, onset, trace in _traces(rng, runs):
        found = {
            "ours": rules.ours(trace),
            "Flagger": rules.flagger(trace),
            "Argo": rules.argo(trace),
            "Kayenta": rules.kayenta(trace),
        }
        if name.startswith("weight raised"):
            found["pooled z"] = rules.pooled_z(trace)
        if "bursts" in name:
            found["ours, strict line"] = rules.ours(trace, gates=1, line=STRICT)
            found["the same without phi"] = rules.ours(trace, gates=1, line=STRICT, dispersion=False)
        results = {rule: _of(stop, trace, onset) for rule, stop in found.items()}
        early = {rule: 100 * float(((stop >= 0) & (stop < onset)).mean()) for rule, stop in found.items()}
        yield Case(name, wanted, results, early)


def _of(stop: np.ndarray, trace: Trace, onset: int) -> Outcome:
    """Decisions before the onset found nothing: they are shown separately, not counted."""
    return outcome(np.where(stop >= onset, stop, -1), trace, onset)


def _traces(rng: Random, runs: int) -> Iterator[tuple[str, bool, int, Trace]]:
    time = np.arange(HOUR)
    incident = np.where((time >= 80) & (time < 120), 0.06, 0.01)
    yield "6 % errors in both versions for 10 min", False, 0, draw(rng, runs, incident, incident)
    ramp = np.repeat([0.05, 0.25, 0.5, 0.75], 60)
    drift = 0.006 + 0.012 * (time / HOUR) ** 2
    yield (
        "weight raised 5 to 75 % while both versions drift",
        False,
        0,
        draw(rng, runs, drift, drift, weight=ramp, past=drift[0]),
    )
    yield "bursts in both versions, phi = 2", False, 0, draw(rng, runs, 0.01, burst=2.0)
    late = np.where(time < 120, 0.01, 0.05)
    yield "5 % errors from minute 30 on", True, 120, draw(rng, runs, late)
    yield "5 % errors, cold start (no history)", True, 0, draw(rng, runs, 0.05).cold
    yield "5 % errors, a tenth of the traffic (15/min)", True, 0, draw(rng, runs, 0.05, requests=REQUESTS / 10)
    yield "healthy, a tenth of the traffic", False, 0, draw(rng, runs, 0.01, requests=REQUESTS / 10)
    yield (
        "healthy, one tick in five missing and 10 min without metrics",
        False,
        0,
        _with_holes(rng, draw(rng, runs, 0.01)),
    )
    yield "5 % errors, one tick in five missing", True, 0, _with_holes(rng, draw(rng, runs, 0.05), blind=False)
    yield "healthy, one scrape reads 100 % errors", False, 0, _with_nan(draw(rng, runs, 0.01))
    yield "healthy, every server restarts five times", False, 0, _with_resets(rng, draw(rng, runs, 0.01))
    yield "5 % errors, every server restarts five times", True, 0, _with_resets(rng, draw(rng, runs, 0.05))


def _with_holes(rng: Random, trace: Trace, *, blind: bool = True) -> Trace:
    present = rng.random(trace.candidate_bad.shape) > 0.2
    if blind:
        present[:, 100 : 100 + 10 * PER_MINUTE] = False
    return replace(trace, present=present)


def _with_nan(trace: Trace) -> Trace:
    bad = trace.candidate_bad.copy()
    bad[:, 60] = trace.candidate_total[:, 60]
    return replace(trace, candidate_bad=bad)


def _with_resets(rng: Random, trace: Trace) -> Trace:
    """Counters that restart at 0 now and then, read back by the operator's own differencing."""
    arms = []
    for bad, total in ((trace.candidate_bad, trace.candidate_total), (trace.stable_bad, trace.stable_total)):
        at = np.zeros(bad.shape, dtype=bool)
        for row in at:
            row[rng.choice(np.arange(5, HOUR), 5, replace=False)] = True
        kept = np.where(at, rng.random(bad.shape), 1.0)  # what was counted between the restart and the scrape
        arms += [_reread(rng.binomial(counts, kept), at) for counts in (bad, total - bad)]
    return replace(
        trace,
        candidate_bad=arms[0],
        candidate_total=arms[0] + arms[1],
        stable_bad=arms[2],
        stable_total=arms[2] + arms[3],
    )


def _reread(counts: np.ndarray, resets: np.ndarray) -> np.ndarray:
    grid = make_grid(0.0, INTERVAL, 0, HOUR - 1)
    out = np.empty(counts.shape)
    for row, (grown, reset) in enumerate(zip(counts, resets, strict=True)):
        run = np.cumsum(grown)
        since = np.maximum.accumulate(np.where(reset, run - grown, 0))
        series = make_series({"__name__": "requests"}, zip(grid.ends, run - since, strict=True))
        out[row] = increments(series, grid, from_zero=True)
    return out
