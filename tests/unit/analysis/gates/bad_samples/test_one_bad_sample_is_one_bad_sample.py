"""A gate meets bad samples: it judges on, says what was left out, and is without evidence only while there is none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from modelrollout.core.analysis.metrics import model_series as s
from tests.unit.analysis.recorded import (
    GATEWAY_REQUESTS,
    START,
    Recording,
    dead_windows,
    gateway,
    histogram,
    look,
    request_of,
    spec_of,
)

ERRORS = {"name": "errors", "type": "ErrorRate", "max": "1%"}
LATENCY = {"name": "slow", "type": "Latency", "max": "100ms"}
DEAD = {"name": "dead", "type": "DeadNeurons", "max": "5%"}
BAD = (math.nan, math.inf, -math.inf, -5.0, 1e308)


def spoil(recording: Recording, at: tuple[float, float], value: float, *parts: str) -> Recording:
    """The candidate's series whose labels hold all `parts` read `value` between two times after the start."""
    for key, points in recording.points.items():
        if all(part in str(key) for part in parts):
            recording.points[key] = [
                (when, value if at[0] <= when - START < at[1] else good, seen) for when, good, seen in points
            ]
    return recording


def errors(bad: int = 0) -> Recording:
    return gateway(600, stable=(300, 0), candidate=(60, bad))


async def gate_of(gate: dict[str, Any], at: float, recording: Recording, **facts: Any) -> Any:
    return (await look(request_of(spec_of(gate), **facts), at, recording)).gates[0]


@pytest.mark.alike(1)
@pytest.mark.parametrize("value", BAD)
async def test_a_gate_passes_after_one_bad_sample_as_without_it_and_the_sample_is_said(value):
    spoilt = spoil(errors(), (100, 105), value, "'503'", "digits-v2")
    found = await look(request_of(spec_of(ERRORS)), 600, spoilt)
    clean = await look(request_of(spec_of(ERRORS)), 600, errors())
    assert found.gates == clean.gates
    assert found.gates[0].verdict == "PASS"
    assert found.requests == clean.requests
    (warning,) = [text for text in found.warnings if "bad sample" in text]
    assert warning.startswith(f"1 bad sample of {GATEWAY_REQUESTS} of the candidate left out")
    assert not any("bad sample" in text for text in clean.warnings)


@pytest.mark.alike(3)
@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("part", ["'200'", "'503'", "digits-v2"])
async def test_one_bad_sample_in_the_bake_hides_no_error(value, part):
    bake = {"bake_started_at": START + 300, "steps": ((50, START), (100, START + 300))}
    spoilt = spoil(errors(bad=60), (400, 405), value, part, "digits-v2")
    assert (await gate_of(ERRORS, 600, spoilt, **bake)).verdict == "FAIL"


@pytest.mark.alike(3)
@pytest.mark.parametrize("bake", [{}, {"bake_started_at": START + 300, "steps": ((50, START), (100, START + 300))}])
@pytest.mark.parametrize("value", BAD)
async def test_a_counter_that_stays_bad_is_no_evidence_in_a_step_and_in_the_bake(value, bake):
    spoilt = spoil(errors(), (310, 1000), value, "'503'", "digits-v2")
    gate = await gate_of(ERRORS, 600, spoilt, **bake)
    assert (gate.verdict, gate.message.partition(":")[0]) == ("NO_DATA", "SampleNotANumber")


@pytest.mark.slow
async def test_a_counter_that_was_bad_for_minutes_is_judged_on_all_it_counted():
    spoilt = spoil(errors(bad=60), (0, 400), math.nan, "'503'", "digits-v2")
    assert (await gate_of(ERRORS, 390, spoilt)).verdict == "NO_DATA"
    assert (await gate_of(ERRORS, 600, spoilt)).verdict == "FAIL"


async def test_bad_buckets_slow_nobody_down():
    fast = {0.02: 600.0}
    recording = histogram(600, stable=fast, candidate={0.02: 60.0})
    for edge in ("0.04", "0.06", "+Inf"):
        recording = spoil(recording, (200 + 50 * len(edge), 205 + 50 * len(edge)), math.nan, f"'{edge}'", "digits-v2")
    gate = await gate_of(LATENCY, 600, recording)
    assert gate.verdict == "PASS"
    assert gate.observed == "P99 <= 20 ms"


async def test_a_bad_window_is_left_out_and_the_layer_is_judged():
    recording = spoil(dead_windows(600, "relu", stable=1, candidate=30), (200, 205), math.nan, s.WINDOW_DEAD, "'2'")
    assert (await gate_of(DEAD, 600, recording, dialect=None)).verdict == "FAIL"


@pytest.mark.slow
async def test_the_verdict_is_the_same_wherever_the_bad_sample_lies():
    found = set()
    for at in range(20, 560, 45):
        gate = await gate_of(ERRORS, 600, spoil(errors(), (at, at + 5), math.nan, "'503'", "digits-v2"))
        found.add((gate.verdict, gate.samples))
    assert len(found) == 1


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.001, -0.001, 0.4, -2.0, 2.4])
@pytest.mark.parametrize("edges", [("0.04",), ("0.1",), ("+Inf",), ("0.05", "0.06", "0.08"), ("0.02", "0.1", "+Inf")])
@pytest.mark.parametrize("version", ["digits-v1", "digits-v2"])
async def test_edges_with_times_of_their_own_are_compared_with_the_others(seconds, edges, version):
    for candidate in ({0.02: 60.0}, {0.02: 40.0, 0.12: 20.0}):
        clean = await gate_of(LATENCY, 590, histogram(600, stable={0.02: 600.0}, candidate=candidate))
        moved = histogram(600, stable={0.02: 600.0}, candidate=candidate)
        for key, points in moved.points.items():
            if dict(key).get("le") in edges and version in str(key):
                moved.points[key] = np.add(points, [seconds, 0, seconds])
        gate = await gate_of(LATENCY, 590, moved)
        assert (gate.verdict, gate.limit) == (clean.verdict, clean.limit), gate.message
        assert gate.verdict in {"PASS", "FAIL"}
