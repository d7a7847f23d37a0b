"""The whole study as data: every number that docs/decision-quality.md shows, from one seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from modelrollout.core.analysis.stats.limits import DEAD_SAME_WEIGHTS
from modelrollout.core.analysis.stats.window_evidence import WindowEvidence
from tests.bench.decisions import gates, recorded, rules, slow_passes, stress
from tests.bench.decisions.outcome import Outcome, outcome
from tests.bench.decisions.retrains import measure
from tests.bench.decisions.rules import Rule
from tests.bench.decisions.speed import measure as speed
from tests.bench.decisions.traces import REQUESTS, draw, draw_latency

SEED = 20260101
EFFECTS = (0.01, 0.015, 0.02, 0.05, 0.20)
CURVE = (0.0125, 0.015, 0.0175, 0.02, 0.025, 0.03, 0.04, 0.05, 0.07, 0.10, 0.15, 0.20, 0.30)
SLOWER = (1.0, 1.1, 1.3, 2.0)
STANDING = (0.005, 0.01, 0.0136, 0.015, 0.017, 0.02)
ERROR_RULES: dict[str, Rule] = {
    "Flagger, > 2 %, 5 failed checks": rules.flagger,
    "Flagger, > 2 %, 10 failed checks": lambda trace: rules.flagger(trace, checks=10),
    "Argo, > 2 %, failureLimit 0": rules.argo,
    "Kayenta, each minute, all of stable": rules.kayenta,
    "ours, no margin (1x)": lambda trace: rules.ours(trace, line=stress.STRICT),
    "ours, default (1.25x + 0.1 pp)": rules.ours,
}
OURS = "ours, default (1.25x + 0.1 pp)"


@dataclass
class Study:
    """All results. Keys are rates or factors as in EFFECTS, SLOWER, STANDING."""

    runs: int
    errors: dict[str, dict[float, Outcome]] = field(default_factory=dict)
    curve: dict[str, dict[float, Outcome]] = field(default_factory=dict)
    latency: dict[str, dict[float, Outcome]] = field(default_factory=dict)
    passing: dict[float, Outcome] = field(default_factory=dict)
    slow_passing: dict[float, slow_passes.SlowPasses] = field(default_factory=dict)
    busy: dict[str, dict[float, Outcome]] = field(default_factory=dict)
    """With twenty times the traffic."""
    healthy: Outcome | None = None
    """Rollbacks with all required gates."""
    all_pass: Outcome | None = None
    dead: dict[str, Outcome] = field(default_factory=dict)
    stress: list[stress.Case] = field(default_factory=list)
    speed: list[speed.Found] = field(default_factory=list)
    """How soon a change is found, beside the least possible."""
    retrains: measure.Retrains | None = None
    recorded: list[recorded.Recording] = field(default_factory=list)


def carry_out(runs: int, say: Callable[[str], None]) -> Study:
    """Everything, with `runs` rollouts per cell."""
    study = Study(runs)
    seeds = iter(np.random.SeedSequence(SEED).spawn(64))
    say("errors: how often, how soon, how much harm")
    study.errors = _errors(np.random.default_rng(next(seeds)), ERROR_RULES, EFFECTS, runs)
    few = {k: v for k, v in ERROR_RULES.items() if "10 failed" not in k and "no margin" not in k}
    study.curve = _errors(np.random.default_rng(next(seeds)), few, CURVE, max(runs // 4, 50))
    say("errors at twenty times the traffic")
    study.busy = _errors(
        np.random.default_rng(next(seeds)), few, (0.01, 0.02, 0.027, 0.03, 0.05), max(runs // 4, 50), 20
    )
    say("latency")
    study.latency = _latency(np.random.default_rng(next(seeds)), runs)
    say("what passes, and when")
    for rate in STANDING:
        study.passing[rate] = outcome(rules.passes(draw(np.random.default_rng(next(seeds)), runs, rate)))
    for number, slower in enumerate(slow_passes.SLOWER):
        rng = np.random.default_rng([SEED, 7, number])
        study.slow_passing[slower] = slow_passes.measure(rng, slower, max(runs // 2, 50))
    say("a healthy hour under all gates")
    _all_gates(np.random.default_rng(next(seeds)), runs, study)
    say("stress")
    study.stress = list(stress.cases(np.random.default_rng(next(seeds)), runs))
    say("how soon a change is found, and could be")
    study.speed = speed.measure(SEED + 1, max(runs // 2, 40))
    say("retrains of real networks")
    study.retrains = measure.measure()
    study.recorded = recorded.recordings()
    return study


def _errors(
    rng: np.random.Generator, named: dict[str, Rule], rates: tuple[float, ...], runs: int, busier: float = 1.0
) -> dict[str, dict[float, Outcome]]:
    found: dict[str, dict[float, Outcome]] = {name: {} for name in named}
    for rate in rates:
        trace = draw(rng, runs, rate, requests=REQUESTS * busier)
        for name, rule in named.items():
            found[name][rate] = outcome(rule(trace), trace)
    return found


def _latency(rng: np.random.Generator, runs: int) -> dict[str, dict[float, Outcome]]:
    named = {
        "Flagger, P99 > 1.25x, 5 failed checks": rules.flagger_latency,
        "Kayenta, P99 of each minute": rules.kayenta_latency,
        "ours, P90 and P99, one bucket": rules.ours_latency,
    }
    found: dict[str, dict[float, Outcome]] = {name: {} for name in named}
    for slower in SLOWER:
        parts: dict[str, list[np.ndarray]] = {name: [] for name in named}
        for at in range(0, runs, 200):  # histograms are large
            trace = draw_latency(rng, min(200, runs - at), slower)
            for name, rule in named.items():
                parts[name].append(rule(trace))
        for name, stops in parts.items():
            found[name][slower] = outcome(np.concatenate(stops))
    return found


def _all_gates(rng: np.random.Generator, runs: int, study: Study) -> None:
    pieces = [gates.rollbacks(rng, min(200, runs - at)) for at in range(0, runs, 200)]
    study.healthy = outcome(np.concatenate([stop for stop, _ in pieces]))
    study.all_pass = outcome(np.concatenate([good for _, good in pieces]))
    killed = gates.dead_neurons(rng, max(runs // 4, 50), 126.5, 102.0, DEAD_SAME_WEIGHTS)
    study.dead["5 % of the units killed, same weights"] = _windows_until(killed)
    gone = gates.dead_neurons(rng, max(runs // 4, 50), 379.0, 40.0)
    study.dead["74 % dead instead of 8 %, retrain"] = _windows_until(gone)


def _windows_until(found: WindowEvidence) -> Outcome:
    """Candidate windows until the first layer fails, in place of minutes."""
    failing = found.failing.any(axis=1)
    hit = np.asarray(failing.any(axis=-1))
    until = np.take_along_axis(found.samples[:, 0], failing.argmax(axis=-1)[:, None], axis=-1)[:, 0]
    return Outcome(int(hit.sum()), len(hit), until[hit])
