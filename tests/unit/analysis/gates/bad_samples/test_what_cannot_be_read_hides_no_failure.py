"""Series that stay bad in one layer, process or bucket hide no failure of the others, and nothing passes without them.

Each world has two units that a gate reads: two layers, or two processes that count the same.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelrollout.core.analysis.metrics import model_series as s
from tests.unit.analysis.recorded import (
    START,
    Recording,
    dead_windows,
    gateway,
    histogram,
    in_this_thread,
    look,
    request_of,
    scrapes,
    spec_of,
)

UNTIL = 900.0
BAD = (math.nan, math.inf, -math.inf, -5.0, 1e308)
BARE = ("__name__", "instance", "job")
"""Labels of a gateway's heartbeat, which is not counted."""
BEGINS = (-math.inf, START, START + UNTIL / 2, START + UNTIL - 60)
"""Since when a series is bad: always, since the candidate began, half way, for a minute."""
Unit = Callable[[str, bool], Recording]


def process(found: Recording, name: str) -> Recording:
    """The recording as one of several processes."""
    found.points = {
        tuple((label, name if label == "instance" else value) for label, value in key): points
        for key, points in found.points.items()
    }
    return found


def counting(name: str, series: Mapping[str, tuple[float, float]], **labels: str) -> Recording:
    """What each of these counters of stable and of the candidate grows by per scrape."""
    found = Recording(scrapes(UNTIL), f"triton-{name}")
    for metric, growths in series.items():
        for version, growth, since in zip(("1", "2"), growths, (-np.inf, START), strict=True):
            found.growing(metric, growth, since=since, model="digits", version=version, **labels)
    return found


def answers(name: str, sick: bool) -> Recording:
    return process(gateway(UNTIL, stable=(300, 0), candidate=(60, 20 if sick else 0)), name)


def durations(name: str, sick: bool) -> Recording:
    spread = {0.02: 40.0, 0.12: 20.0} if sick else {0.02: 60.0}
    return process(histogram(UNTIL, stable={0.02: 300.0}, candidate=spread), name)


def requests(name: str, sick: bool) -> Recording:
    return counting(name, {s.REQUESTS: (300, 60), s.REQUEST_ERRORS: (0, 20 if sick else 0)})


def labelled(name: str, sick: bool) -> Recording:
    return counting(name, {s.EVALS: (100, 100), s.CORRECT: (97, 60 if sick else 97)}, source="labels")


def windows(name: str, sick: bool) -> Recording:
    return dead_windows(UNTIL, name, stable=2, candidate=40 if sick else 2)


def shares(part: str) -> Unit:
    def unit(name: str, sick: bool) -> Recording:
        return counting(name, {s.ELEMENTS: (6400, 6400), part: (3200, 6000 if sick else 3200)}, layer=name)

    return unit


def rows(name: str, sick: bool) -> Recording:
    series = {s.SAMPLES: (20, 20), s.ELEMENTS: (1280, 1280), s.NONFINITE: (0, 640 if sick else 0)}
    return counting(name, series, layer=name, kind="nan")


def magnitudes(name: str, sick: bool) -> Recording:
    found = Recording(scrapes(UNTIL), f"triton-{name}")
    for version, below, since in (("1", 500, -np.inf), ("2", 50 if sick else 500, START)):
        for le, growth in (("0.5", below / 2), ("1", below), ("2", 900), ("+Inf", 1000)):
            found.growing(s.MAGNITUDES, growth, since=since, model="digits", version=version, layer=name, le=le)
    return found


WORLDS: dict[str, tuple[dict[str, Any], Unit]] = {
    "errors": ({"type": "ErrorRate"}, answers),
    "errors against a limit": ({"type": "ErrorRate", "max": "1%"}, answers),
    "errors of the model": ({"type": "ErrorRate", "source": "Model"}, requests),
    "latency": ({"type": "Latency"}, durations),
    "latency against a limit": ({"type": "Latency", "max": "50ms"}, durations),
    "accuracy": ({"type": "Accuracy"}, labelled),
    "accuracy against a limit": ({"type": "Accuracy", "min": "90%"}, labelled),
    "dead units": ({"type": "DeadNeurons"}, windows),
    "dead units against a limit": ({"type": "DeadNeurons", "max": "20%"}, windows),
    "zeros": ({"type": "ZeroRatio"}, shares(s.ZEROS)),
    "zeros within a band": ({"type": "ZeroRatio", "within": ["30%", "70%"]}, shares(s.ZEROS)),
    "negatives": ({"type": "NegativeRatio"}, shares(s.NEGATIVES)),
    "rows with NaN": ({"type": "NonFinite"}, rows),
    "rows with NaN against a limit": ({"type": "NonFinite", "max": "1%"}, rows),
    "drift": ({"type": "Drift", "max": 0.1}, magnitudes),
}
BOTH = ("Sequential", "Threshold")


def judged(world: str, method: str, *recordings: Recording) -> tuple[Any, list[str]]:
    gate = {"name": "it", "method": method, **WORLDS[world][0]}
    often = {"interval": "5s"} if world in {"zeros", "negatives"} else {}
    with in_this_thread():
        found = asyncio.run(look(request_of(spec_of(gate, **often)), UNTIL, *recordings))
    return found.gates[0], found.warnings


def spoil(recording: Recording, chosen: list[int], value: float, since: float, version: str = "") -> Recording:
    """The chosen counters that the gate reads, of one version or of both, read `value` from `since` on."""
    keys = [key for key in recording.points if version in str(key) and s.WINDOW_SIZE not in str(key)]
    edges = [key for key in keys if "le" in dict(key)]
    keys = edges or [key for key in keys if tuple(label for label, _ in key) != BARE]
    for key in {keys[one % len(keys)] for one in chosen}:
        recording.points[key] = bad_from(recording.points[key], value, since)
    return recording


def bad_from(points: Any, value: float, since: float) -> Any:
    """The samples with `value` in each from `since` on."""
    return np.where((points[:, :1] >= since) & [False, True, False], value, points)


@pytest.mark.slow
@pytest.mark.alike(2)
@pytest.mark.parametrize("method", BOTH)
@pytest.mark.parametrize("world", WORLDS)
def test_each_world_fails_where_one_unit_is_sick_and_passes_where_none_is(world, method):
    unit = WORLDS[world][1]
    assert judged(world, method, unit("a", True), unit("b", False))[0].verdict == "FAIL"
    assert judged(world, method, unit("a", False), unit("b", False))[0].verdict == "PASS"


CANDIDATE = ("('version', '2')", "digits-v2")
"""How labels name the candidate: the model's own, and a gateway's."""
GATEWAYS = ("errors", "errors against a limit", "latency", "latency against a limit")
SERIES = st.lists(st.integers(0, 40), min_size=1, max_size=6)
SPOILS = st.sampled_from(BAD), st.sampled_from(BEGINS)
SPOILT = st.tuples(SERIES, *SPOILS)


@pytest.mark.slow
@given(st.sampled_from(sorted(WORLDS)), st.sampled_from(BOTH), SPOILT, st.booleans())
def test_a_failure_stays_one_whatever_of_another_unit_cannot_be_read(world, method, spoilt, first):
    unit = WORLDS[world][1]
    sick, other = ("b", "a") if first else ("a", "b")
    gate, _ = judged(world, method, unit(sick, True), spoil(unit(other, False), *spoilt))
    assert gate.verdict == "FAIL", gate.message
    assert not gate.layer or gate.layer == sick


@pytest.mark.slow
@given(st.sampled_from(sorted(WORLDS)), st.sampled_from(BOTH), SPOILT)
@example("latency against a limit", "Sequential", ([2, 23, 9], math.nan, 100840.0))  # edges and the total at once
def test_nothing_passes_while_a_counter_of_the_candidate_cannot_be_read(world, method, spoilt):
    unit = WORLDS[world][1]
    chosen, value, since = spoilt
    spoiled = spoil(unit("b", False), chosen, value, since, version=CANDIDATE[world in GATEWAYS])
    gate, _ = judged(world, method, unit("a", False), spoiled)
    assert (gate.verdict, gate.message.partition(":")[0]) == ("NO_DATA", "SampleNotANumber")


@pytest.mark.slow
@given(st.sets(st.sampled_from(["0.01", "0.04", "0.05", "0.06", "0.08", "0.15"]), min_size=1), *SPOILS)
def test_buckets_that_stay_bad_hide_no_slow_requests_and_let_nothing_pass(edges, value, since):
    for sick, verdict in ((True, "FAIL"), (False, "NO_DATA")):
        recording = durations("a", sick)
        for key in [key for key in recording.points if dict(key).get("le") in edges and "digits-v2" in str(key)]:
            recording.points[key] = bad_from(recording.points[key], value, since)
        gate, warnings = judged("latency against a limit", "Sequential", recording)
        assert gate.verdict == verdict, gate.message
        assert any("reads NaN" in text for text in [*warnings, gate.message])


def test_the_warning_of_a_failed_gate_names_the_layer_that_is_not_in_it():
    gate, warnings = judged(
        "dead units", "Sequential", windows("a", True), spoil(windows("b", False), [0], math.nan, START)
    )
    assert gate.verdict == "FAIL"
    assert [text for text in warnings if text.startswith("it: ") and "layer b of the stable reads NaN" in text]
