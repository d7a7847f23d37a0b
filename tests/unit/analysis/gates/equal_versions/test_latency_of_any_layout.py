"""A latency gate asks what its sentence says: whatever the buckets are, equal versions pass and slower ones do not."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from modelrollout.core.evaluation import GateResult
from tests.unit.analysis.gates.equal_versions.layouts import FEW, LAYOUTS, Spread, atoms, lognormal, recorded
from tests.unit.analysis.recorded import START, look, request_of, spec_of

EVERY = pytest.mark.parametrize("layout", LAYOUTS)
QUANTILES = pytest.mark.parametrize("quantile", [0.5, 0.9, 0.99])


def judged(
    until: float, stable: Spread, candidate: Spread, *, seed: int = -1, when: dict[str, Any] | None = None, **gate: Any
) -> GateResult:
    spec = spec_of({"name": "latency", "type": "Latency", **gate})
    found = asyncio.run(look(request_of(spec, **(when or {})), until, recorded(until, stable, candidate, seed=seed)))
    return found.gates[0]


def moved(spread: Spread, buckets: int) -> Spread:
    """The same requests, each so many buckets slower."""
    edges, shares = spread
    low = (0.0,) * buckets + shares
    return edges, (*low[: len(edges)], sum(low[len(edges) :]))


@pytest.mark.alike(3)
@EVERY
@QUANTILES
@pytest.mark.slow
def test_equal_versions_pass_soon_after_the_minimum_of_requests(layout, quantile):
    spread = LAYOUTS[layout]
    found = judged(300, spread, spread, quantile=quantile)  # 60 s of warm-up, then 240 s with 12 requests a second
    assert found.verdict == "PASS", found.message
    assert not found.leaning_bad


@pytest.mark.slow
@EVERY
@pytest.mark.parametrize(
    "gate", [{"quantile": 0.9}, {"versusStable": {"buckets": 3}}, {"method": "Threshold"}], ids=str
)
def test_equal_versions_pass_though_chance_makes_them_differ(layout, gate):
    spread = LAYOUTS[layout]
    for seed in range(3):
        found = judged(900, spread, spread, seed=seed, **gate)
        assert found.verdict == "PASS", found.message


@pytest.mark.slow
@EVERY
def test_an_equal_version_is_not_accused_in_the_bake_either(layout):
    spread = LAYOUTS[layout]
    for method in ("Sequential", "Threshold"):
        found = judged(1500, spread, spread, method=method, when={"bake_started_at": START + 600})
        assert found.verdict in {"PASS", "CONTINUE"}, found.message
        assert not found.leaning_bad, found.message


@pytest.mark.alike(3)
@EVERY
@QUANTILES
def test_an_absolute_limit_with_room_is_proven(layout, quantile):
    edges, shares = LAYOUTS[layout]
    beyond = [sum(shares[at + 1 :]) for at in range(len(edges))]
    roomy = [at for at, share in enumerate(beyond) if share <= 0.7 * (1 - quantile)]
    if not roomy:
        return  # even the last edge is exceeded too often: no limit that these buckets can show
    found = judged(900, (edges, shares), (edges, shares), quantile=quantile, max=f"{1000 * edges[roomy[0]]:.6g}ms")
    assert found.verdict == "PASS", found.message


@pytest.mark.slow
@pytest.mark.alike(2)
@EVERY
@QUANTILES
def test_an_equal_version_that_lies_on_its_absolute_limit_does_not_hold_a_step(layout, quantile):
    edges, shares = LAYOUTS[layout]
    beyond = [sum(shares[at + 1 :]) for at in range(len(edges))]
    at = min(range(len(edges)), key=lambda one: abs(beyond[one] - (1 - quantile)))
    if beyond[at] > 1 - quantile + 1e-9:
        return  # it exceeds the limit: that is no lack of evidence
    found = judged(900, (edges, shares), (edges, shares), quantile=quantile, max=f"{1000 * edges[at]:.6g}ms")
    assert found.verdict in {"PASS", "CONTINUE"}, found.message
    assert not found.leaning_bad, found.message


@pytest.mark.alike(3)
@pytest.mark.parametrize(
    "layout", [name for name in LAYOUTS if name.startswith(("growth", "nearly all", "one bucket"))]
)
@QUANTILES
@pytest.mark.slow
def test_a_version_that_is_three_buckets_slower_fails(layout, quantile):
    stable = LAYOUTS[layout]
    found = judged(900, stable, moved(stable, 3 if len(stable[0]) > 5 else 2), quantile=quantile)
    assert found.verdict == "FAIL", found.message
    said = re.search(
        r"candidate P([\d.]+) .*, ([\d.]+) % slower than ([\d. ]+ms|[\d. ]+s) .*allowed P\1 <= \3", found.message
    )
    assert said is not None, found.message
    assert float(said.group(2)) > 100 - float(said.group(1)), found.message


@pytest.mark.slow
def test_a_rise_that_stays_within_the_quantile_is_no_failure():
    few = atoms(FEW, b0=9.955, b1=0.005, b2=0.04)  # 0.4 % beyond the allowed edge, where P90 allows 10 %
    for slow in (0.01, 0.03, 0.07):
        found = judged(3600, few, atoms(FEW, b0=1 - slow, b2=slow), quantile=0.9)
        assert found.verdict == "PASS", found.message
    assert judged(900, few, atoms(FEW, b0=0.85, b2=0.15), quantile=0.9).verdict == "FAIL"


@pytest.mark.slow
def test_a_quantile_that_is_beyond_its_limit_keeps_the_gate_from_passing_though_the_wider_one_is_fine():
    stable = atoms(FEW, b0=0.995, b1=0.004, b3=0.001)
    far, near = atoms(FEW, b0=0.98, b1=0.004, b3=0.016), atoms(FEW, b0=0.98, b1=0.004, b2=0.016)
    for until in (300, 600, 1200):
        for slower in (far, near):
            found = judged(until, stable, slower)
            assert found.verdict in {"CONTINUE", "FAIL"}, found.message
            assert found.leaning_bad or slower is near, found.message  # near: within twice the margin


@pytest.mark.slow
def test_a_shared_incident_is_not_held_against_the_candidate():
    calm, incident = lognormal(FEW, 0.008, 0.3), lognormal(FEW, 0.03, 0.3)
    parts = recorded(1500, calm, calm), recorded(1500, incident, incident)
    for key, points in parts[0].points.items():
        slow, jump = parts[1].points[key], START + 700
        before = next((value for at, value, _ in reversed(points) if at < jump), 0.0)
        start = next((value for at, value, _ in reversed(slow) if at < jump), 0.0)
        points[:] = [
            one if one[0] < jump else (one[0], before + other[1] - start, one[2])
            for one, other in zip(points, slow, strict=True)
        ]
    for quantile in (0.5, 0.9, 0.99):
        spec = spec_of({"name": "latency", "type": "Latency", "quantile": quantile})
        for at in (720, 760, 900, 1500):
            found = asyncio.run(look(request_of(spec), at, parts[0])).gates[0]
            assert found.verdict != "FAIL", found.message


def test_buckets_that_end_below_stables_quantile_are_named_and_hold_no_step():
    none = atoms(FEW, b3=1.0)
    spec = spec_of({"name": "latency", "type": "Latency"})
    found = asyncio.run(look(request_of(spec), 900, recorded(900, none, none)))
    assert found.gates[0].verdict == "CONTINUE"
    assert not found.gates[0].leaning_bad
    assert "no decision in sight" in found.gates[0].message
    assert any("stable's P99 is beyond the last bucket edge, 50 ms" in text for text in found.warnings)
