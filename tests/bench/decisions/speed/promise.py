"""The promise, checked on many rollouts: candidates within their limits, rolled back all the same.

`python -m tests.bench.decisions.speed.promise` takes half an hour and writes data/promise.json, which the page shows.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from modelrollout.core.analysis.stats import alpha_budget
from modelrollout.core.analysis.stats.arrays import CountTicks, StableHistory
from modelrollout.core.analysis.stats.count_evidence import CountEvidence, count_evidence
from modelrollout.core.analysis.stats.limits import ACCURACY, ERROR_RATE, EXCEEDANCE, NON_FINITE, LimitLine
from modelrollout.core.analysis.stats.parameters import FALSE_ROLLBACK, REFUSED_PART, SLOWER
from tests.bench.decisions.outcome import wilson
from tests.bench.decisions.speed.cells import HISTORY, SCRAPE
from tests.bench.decisions.speed.looks import APART, looked_at, rising
from tests.bench.decisions.speed.measure import GATES
from tests.bench.decisions.table import table
from tests.draws import Random

DATA = Path(__file__).parents[1] / "data" / "promise.json"
SEED = 20260103
ROLLOUTS = 10_000
AT_ONCE = 250
SCRAPES = 720
"""An hour."""
REQUESTS = 250.0
"""Requests a scrape of both versions together, 5 % of them to the candidate, as on the rest of the page."""
RESTARTS = 12
"""Restarts of the operator in the hour, at random scrapes."""
BURST = 2.0


@dataclass(frozen=True)
class Checked:
    """How many of `rollouts` were rolled back, by when the operator looked."""

    case: str
    wanted: float
    """Percent, at most."""
    rollouts: int
    every_interval: int
    every_scrape: int
    as_looked: int
    restarted: int


def main() -> None:
    """Draw, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rollouts", type=int, default=ROLLOUTS)
    parser.add_argument("--out", type=Path, default=DATA)
    args = parser.parse_args()
    found = []
    for number, (case, wanted, judge) in enumerate(_cases()):
        rng = np.random.default_rng([SEED, number])
        counts = np.zeros(4, dtype=int)
        for _ in range(0, args.rollouts, AT_ONCE):
            counts += judge(rng)
        found.append(asdict(Checked(case, wanted, args.rollouts, *(int(one) for one in counts))))
        print(found[-1], flush=True)
        args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _cases() -> Iterator[tuple[str, float, Callable[[Random], np.ndarray]]]:
    time = np.arange(SCRAPES)
    incident = np.where((time >= 240) & (time < 360), 0.06, 0.01)
    drift = 0.006 + 0.012 * (time / SCRAPES) ** 2
    ramp = np.repeat([0.05, 0.25, 0.5, 0.75], SCRAPES // 4)
    line = 1.25 * 0.01 + 0.001
    yield "as good as stable, all count gates", 2.0, _all_gates
    yield "6 % errors in both versions for 10 min", 0.5, lambda rng: _errors(rng, incident, incident)
    yield "bursts in both versions, phi = 2", 2.0, lambda rng: _errors(rng, 0.01, 0.01, burst=BURST)
    yield "weight raised 5 to 75 % while both drift", 2.0, lambda rng: _errors(rng, drift, drift, weight=ramp)
    yield "on the very limit, errors alone (promised 0.8 %)", 0.8, lambda rng: _errors(rng, line, 0.01)


def _errors(rng: Random, candidate: object, stable: object, *, weight: object = 0.05, burst: float = 1.0) -> np.ndarray:
    found = _evidence(rng, candidate, stable, ERROR_RATE, weight=weight, burst=burst)
    needed = np.log(alpha_budget.odds_needed((1 - REFUSED_PART) / GATES, FALSE_ROLLBACK))
    return _counts(rng, found.log_bad >= needed, (found,))


def _all_gates(rng: Random) -> np.ndarray:
    """Errors, refusals, wrong answers, NaN and slow requests at two edges, combined as the operator does."""
    share = 1 / GATES
    errors = _evidence(rng, 0.01, 0.01, ERROR_RATE)
    refused = _evidence(rng, 0.002, 0.002, LimitLine(1.25, 0.01))
    wrong = _evidence(rng, 0.05, 0.05, ACCURACY, requests=0.2 * REQUESTS)
    nan = _evidence(rng, 2e-4, 2e-4, NON_FINITE)
    slow = [_evidence(rng, p, p, EXCEEDANCE, latency=True) for p in (0.1, 0.01)]
    odds = [errors.log_bad, refused.log_bad, wrong.log_bad, nan.log_bad, _mean(slow)]
    shares = [share * (1 - REFUSED_PART), share * REFUSED_PART, share, share, share]
    together = alpha_budget.log_combined(np.stack(odds), shares)
    reached = together >= alpha_budget.log_threshold(FALSE_ROLLBACK)
    return _counts(rng, reached, (errors, refused, wrong, nan, *slow))


def _mean(parts: list[CountEvidence]) -> np.ndarray:
    return alpha_budget.log_mean(np.stack([one.log_bad for one in parts]))


def _evidence(
    rng: Random,
    candidate: object,
    stable: object,
    line: LimitLine,
    *,
    weight: object = 0.05,
    requests: float = REQUESTS,
    burst: float = 1.0,
    latency: bool = False,
) -> CountEvidence:
    shape = (AT_ONCE, SCRAPES)
    share = np.broadcast_to(np.asarray(weight, dtype=float), SCRAPES)
    n_c, n_s = rng.poisson(requests * share, shape), rng.poisson(requests * (1 - share), shape)
    past = rng.poisson(requests, (AT_ONCE, int(HISTORY / SCRAPE)))
    before = float(np.ravel(np.asarray(stable))[0])
    bad = (_bad(rng, n, rate, burst) for n, rate in ((n_c, candidate), (n_s, stable), (past, before)))
    y_c, y_s, y_past = (a.astype(float) for a in bad)
    raised = np.broadcast_to(np.diff(share, prepend=share[0]) != 0, shape)
    ends = np.arange(1, SCRAPES + 1) * SCRAPE
    ticks = CountTicks(ends, y_c, n_c.astype(float), y_s, n_s.astype(float), restart=raised)
    history = StableHistory(np.arange(1 - past.shape[1], 1) * SCRAPE, y_past, past.astype(float))
    if latency:
        return count_evidence(ticks, line, history=history, settings=SLOWER)
    return count_evidence(ticks, line, history=history)


def _bad(rng: Random, total: np.ndarray, rate: object, burst: float) -> np.ndarray:
    """Binomial; or with bursts that last an interval, each version by itself, of variance n p (1 - p) * burst in it."""
    mean = np.broadcast_to(np.asarray(rate, dtype=float), total.shape)
    if burst > 1:
        whole = total.reshape(*total.shape[:-1], -1, APART).sum(axis=-1)
        strength = np.maximum(whole - 1, 1) / (burst - 1) - 1
        once = mean[..., ::APART]
        drawn = rng.beta(np.maximum(once * strength, 1e-9), np.maximum((1 - once) * strength, 1e-9))
        mean = np.repeat(drawn, APART, axis=-1)
    return rng.binomial(total, mean)


def _counts(rng: Random, reached: np.ndarray, parts: tuple[CountEvidence, ...]) -> np.ndarray:
    """Rollouts rolled back: looked at every interval, at every scrape, as the operator does, and with restarts."""
    soon = rising(parts)
    intervals = looked_at(np.zeros(soon.shape, dtype=bool))
    restarts = rng.random(soon.shape) < RESTARTS / SCRAPES
    ways = (intervals, np.ones(soon.shape, dtype=bool), looked_at(soon), looked_at(soon, restarts))
    return np.array([(reached & looks).any(axis=1).sum() for looks in ways])


def promise_section(path: Path = DATA) -> str:
    """The table of what was checked last."""
    if not path.exists():
        return "Not checked yet."
    found = [Checked(**one) for one in json.loads(path.read_text(encoding="utf-8"))]
    rows = []
    for one in found:
        ways = (one.every_interval, one.every_scrape, one.as_looked, one.restarted)
        low, high = wilson(one.every_scrape, one.rollouts)
        shares = [f"{100 * way / one.rollouts:.2f} %" for way in ways]
        shares[1] += f" ({one.every_scrape}/{one.rollouts:,}; {low:.2f} to {high:.2f})"
        met = "met" if low <= one.wanted else "**missed**"
        rows.append([one.case, f"at most {one.wanted:g} %", *shares, met])
    head = ["candidate", "wanted", "every 15 s", "every scrape", "as the operator looks", "with 12 restarts", ""]
    return table(head, rows)


if __name__ == "__main__":
    main()
