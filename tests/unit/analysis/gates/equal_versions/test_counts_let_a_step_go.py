"""Two equal versions are not held at an intermediate step, even where a gate's limit is exactly what both show."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from modelrollout.core.analysis.gates.checks.standing import leans_bad
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.evaluation import GateResult
from tests.draws import fixed
from tests.unit.analysis.recorded import (
    GATEWAY_HEARTBEAT,
    GATEWAY_REQUESTS,
    START,
    Recording,
    backend,
    look,
    request_of,
    scrapes,
    spec_of,
)

KINDS = ("ErrorRate", "refused", "Accuracy", "NonFinite")
RATES = (0.0, 0.001, 0.01, 0.1, 0.5)
NO_MARGIN = {"ratio": 1, "plus": "0%"}


def counted(kind: str, until: float, rates: tuple[float, float], seed: int) -> Recording:
    """(stable's, the candidate's) share of bad ones among 100 and 40 a scrape: evenly spread, or drawn."""
    times = scrapes(until)
    rec, rng = Recording(times, "traefik").growing(GATEWAY_HEARTBEAT, 0), fixed(max(seed, 0))
    for version, rate, since, each in (("1", rates[0], -np.inf, 100), ("2", rates[1], START, 40)):
        bad = np.diff(np.floor(np.arange(len(times) + 1) * rate * each + 1e-9))
        if seed >= 0:
            bad = rng.binomial(each, rate, len(times)).astype(float)
        labels = {"model": "digits", "version": version}
        if kind == "Accuracy":
            rec.growing(s.EVALS, each, since=since, source="labels", **labels)
            rec.growing(s.CORRECT, each - bad, since=since, source="labels", **labels)
        elif kind == "NonFinite":
            rows = {**labels, "layer": "h1"}
            rec.growing(s.SAMPLES, each, since=since, **rows).growing(s.ELEMENTS, 8 * each, since=since, **rows)
            rec.growing(s.NONFINITE, 8 * bad, since=since, kind="nan", **rows)
        else:
            code = "400" if kind == "refused" else "500"
            rec.growing(GATEWAY_REQUESTS, each - bad, since=since, code="200", service=backend(version))
            rec.growing(GATEWAY_REQUESTS, bad, since=since, code=code, service=backend(version))
    return rec


def gates_of(kind: str, rate: float) -> list[dict[str, Any]]:
    """The gate's default, one without a margin, and a limit at what both versions show."""
    if kind == "refused":
        return [{"type": "ErrorRate"}, {"type": "ErrorRate", "refused": NO_MARGIN}]
    found: list[dict[str, Any]] = [{"type": kind}, {"type": kind, "versusStable": NO_MARGIN}]
    if kind == "Accuracy":
        return [*found, {"type": kind, "min": f"{100 * (1 - rate):g}%"}]
    return [*found, {"type": kind, "max": f"{100 * rate:g}%"}]


def judged(
    kind: str, gate: dict[str, Any], rates: tuple[float, float], seed: int = -1, until: float = 1800
) -> GateResult:
    request = request_of(spec_of({"name": "g", **gate}))
    return asyncio.run(look(request, until, counted(kind, until, rates, seed))).gates[0]


@pytest.mark.slow
@pytest.mark.alike(3)
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("kind", KINDS)
def test_an_equal_version_holds_no_step(kind, rate):
    for gate in gates_of(kind, rate):
        found = judged(kind, gate, (rate, rate))
        assert found.verdict in {"PASS", "CONTINUE"}, f"{gate}: {found.message}"
        assert not found.leaning_bad, f"{gate}: {found.message}"


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_an_equal_version_that_chance_makes_worse_holds_a_step_for_a_while_at_most(kind):
    for rate in (0.01, 0.1, 0.5):
        for gate in gates_of(kind, rate):
            for seed in range(4):
                looks = [judged(kind, gate, (rate, rate), seed, until) for until in (600, 1800, 3600)]
                assert not any(one.verdict == "FAIL" for one in looks), f"{gate}, {seed}"
                assert sum(one.leaning_bad for one in looks) <= 1, f"{gate}, {seed}: {looks[-1].message}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.slow
def test_a_version_at_twice_its_limit_holds_the_step(kind):
    for gate in gates_of(kind, 0.1):
        found = judged(kind, gate, (0.1, 0.3), until=90)
        assert found.leaning_bad or found.verdict == "FAIL", f"{gate}: {found.message}"


@pytest.mark.parametrize(
    ("odds", "rate", "limit", "stable", "leans"),
    [
        ((0.2, -0.2), 0.01, 0.01, 0.01, True),  # the evidence against it is above 1:1
        ((0.2, 0.1), 0.02, 0.01, 0.01, False),  # something speaks for it too
        ((-0.5, -0.2), 0.02, 0.01, 0.01, True),  # no evidence yet, but far beyond the limit and stable
        ((-0.5, -0.2), 0.012, 0.01, 0.01, False),  # as an equal version may be by chance
        ((-0.5, -0.2), 0.012, 0.01, 0.002, True),
        ((-0.5, -0.2), 0.012, 0.01, None, True),
        ((-0.5, -0.2), 0.009, 0.01, None, False),  # within its limit
    ],
)
def test_a_lean_is_evidence_or_a_share_that_chance_alone_does_not_show(odds, rate, limit, stable, leans):
    assert leans_bad(odds, rate, limit, stable) == leans
