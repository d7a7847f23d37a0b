"""A layer that cannot be compared, or whose stable cannot be read, hides no failure of the others, nor of its limit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from modelrollout.core.analysis.metrics import model_series as s
from tests.unit.analysis.gates.judged import BOTH
from tests.unit.analysis.recorded import START, Recording, dead_windows, histogram, look, request_of, scrapes, spec_of

UNTIL = 900.0


def counting(name: str, growths: Mapping[str, tuple[float, float]], **labels: str) -> Recording:
    """What each of these counters of stable and of the candidate grows by per scrape."""
    found = Recording(scrapes(UNTIL), f"triton-{name}")
    for metric, pair in growths.items():
        for version, growth, since in zip(("1", "2"), pair, (-np.inf, START), strict=True):
            found.growing(metric, growth, since=since, model="digits", version=version, **labels)
    return found


def windows(name: str, *, sick: bool = False, size: tuple[float, float] = (200, 200)) -> Recording:
    return dead_windows(UNTIL, name, stable=2, candidate=40 if sick else 2, size=size)


def only_in(version: str, name: str, *, sick: bool = False) -> Recording:
    found = windows(name, sick=sick)
    found.points = {key: rows for key, rows in found.points.items() if ("version", version) in key}
    return found


def ruled(name: str) -> Recording:
    found = windows(name)
    for version, rule in (("1", "zero"), ("2", "dormant<=0.025")):
        found.reading(s.LAYER_INFO, 1, model="digits", version=version, layer=name, dead_if=rule)
    return found


def zeros(name: str, *, sick: bool = False) -> Recording:
    return counting(name, {s.ELEMENTS: (6400, 6400), s.ZEROS: (3200, 6000 if sick else 3200)}, layer=name)


def magnitudes(name: str, *, sick: bool = False) -> Recording:
    found = Recording(scrapes(UNTIL), f"triton-{name}")
    for version, below, since in (("1", 500, -np.inf), ("2", 50 if sick else 500, START)):
        for le, growth in (("1", below), ("2", 900), ("+Inf", 1000)):
            found.growing(s.MAGNITUDES, growth, since=since, model="digits", version=version, layer=name, le=le)
    return found


def without(version: str, found: Recording) -> Recording:
    found.points = {key: rows for key, rows in found.points.items() if ("version", version) not in key}
    return found


def unlike() -> dict[str, Any]:
    """By what differs: (the gate, its reason, an ordinary unit, the odd ones)."""
    dead, zero = {"type": "DeadNeurons"}, {"type": "ZeroRatio", "required": True}
    drift = {"type": "Drift", "max": 0.1}
    return {
        "sizes": (dead, "WindowSizesDiffer", windows, [windows("odd", size=(200, 100))]),
        "sizes of many": (dead, "WindowSizesDiffer", windows, [windows(f"o{at}", size=(200, at)) for at in range(9)]),
        "rules": (dead, "CriteriaDiffer", windows, [ruled("odd")]),
        "a new layer": (dead, "LayersDiffer", windows, [only_in("2", "odd")]),
        "a layer that is gone": (dead, "LayersDiffer", windows, [only_in("1", "odd")]),
        "all three": (dead, "LayersDiffer", windows, [only_in("1", "a"), ruled("b"), windows("c", size=(200, 9))]),
        "a new layer of zeros": (zero, "LayersDiffer", zeros, [without("1", zeros("odd"))]),
        "a layer of zeros that is gone": (zero, "LayersDiffer", zeros, [without("2", zeros("odd"))]),
        "a new layer of magnitudes": (drift, "LayersDiffer", magnitudes, [without("1", magnitudes("odd"))]),
        "a layer of magnitudes that is gone": (drift, "LayersDiffer", magnitudes, [without("2", magnitudes("odd"))]),
    }


async def evaluated(gate: dict[str, Any], method: str, *recordings: Recording) -> Any:
    often = {"interval": "5s"} if gate["type"] == "ZeroRatio" else {}
    spec = spec_of({"name": "it", "method": method, **gate}, **often)
    return await look(request_of(spec), UNTIL, *recordings)


@pytest.mark.slow
@pytest.mark.alike(4)
@BOTH
@pytest.mark.parametrize("what", unlike())
async def test_layers_that_are_alike_fail_and_nothing_passes_where_one_differs_by(what, method):
    gate, reason, unit, odd = unlike()[what]
    failed = await evaluated(gate, method, unit("h1"), unit("h2", sick=True), *odd)
    assert (failed.gates[0].verdict, failed.gates[0].layer) == ("FAIL", "h2"), failed.gates[0].message
    assert [text for text in failed.warnings if text.startswith("it: ")], failed.warnings
    held = await evaluated(gate, method, unit("h1"), unit("h2"), *odd)
    assert (held.gates[0].verdict, held.gates[0].message.partition(":")[0]) == ("NOT_COMPARABLE", reason)
    assert (await evaluated(gate, method, unit("h1"), unit("h2"))).gates[0].verdict == "PASS"


async def test_every_layer_that_is_not_compared_is_named():
    odd = [windows(f"odd{at}", size=(200, 100)) for at in range(3)]
    found = await evaluated({"type": "DeadNeurons"}, "Sequential", windows("h1"), *odd)
    assert "layer odd0: windows of 100, 200 rows" in found.gates[0].message
    assert "nor can layer odd1, odd2" in found.gates[0].message


def rows(name: str, *, sick: bool = False) -> Recording:
    growths = {s.SAMPLES: (20, 20), s.ELEMENTS: (1280, 1280), s.NONFINITE: (0, 640 if sick else 0)}
    return counting(name, growths, layer=name, kind="nan")


def labelled(name: str, *, sick: bool = False) -> Recording:
    return counting(name, {s.EVALS: (100, 100), s.CORRECT: (97, 60 if sick else 97)}, source="labels")


def requests(name: str, *, sick: bool = False) -> Recording:
    return counting(name, {s.REQUESTS: (300, 60), s.REQUEST_ERRORS: (0, 20 if sick else 0)})


def durations(name: str, *, sick: bool = False) -> Recording:
    return histogram(UNTIL, stable={0.02: 300.0}, candidate={0.02: 40.0, 0.12: 20.0} if sick else {0.02: 60.0})


def unread(found: Recording) -> Recording:
    """Stable's counters read NaN at every scrape."""
    return spoilt(found, math.nan)


def lacking(found: Recording) -> Recording:
    """Stable exports only the counter of everything."""
    parts = (s.NONFINITE, s.CORRECT, s.REQUEST_ERRORS, s.WINDOW_DEAD)
    found.points = {
        key: rows
        for key, rows in found.points.items()
        if ("version", "1") not in key or dict(key)["__name__"] not in parts
    }
    return found


def other_edges(found: Recording) -> Recording:
    """Stable's histogram has no edge that the candidate has."""
    moved = {}
    for key, points in found.points.items():
        labels = dict(key)
        if labels.get("le", "+Inf") != "+Inf" and "digits-v1" in labels.get("service", ""):
            labels["le"] = f"{float(labels['le']) * 1.03:.6g}"
        moved[tuple(sorted(labels.items()))] = points
    found.points = moved
    return found


def spoilt(found: Recording, value: float) -> Recording:
    for key, points in found.points.items():
        if ("version", "1") in key or "digits-v1" in dict(key).get("service", ""):
            found.points[key] = np.where([False, True, False], value, points)
    return found


VERSUS = {"versusStable": {"ratio": 2, "plus": "1%"}}
BESIDE: dict[str, tuple[dict[str, Any], Any, list[Any]]] = {
    "NaN": ({"type": "NonFinite", "max": "1%"}, rows, [unread, lacking]),
    "wrong answers": ({"type": "Accuracy", "min": "90%"}, labelled, [unread, lacking]),
    "errors": ({"type": "ErrorRate", "source": "Model", "max": "1%"}, requests, [unread, lacking]),
    "dead units": ({"type": "DeadNeurons", "max": "20%"}, windows, [unread, lacking]),
    "slow answers": ({"type": "Latency", "max": "50ms"}, durations, [unread, other_edges]),
}
CASES = [
    pytest.param(what, at, id=f"{what}, {case.__name__}")
    for what, one in BESIDE.items()
    for at, case in enumerate(one[2])
]


@pytest.mark.slow
@pytest.mark.alike(4)
@BOTH
@pytest.mark.parametrize(("what", "at"), CASES)
async def test_a_limit_needs_only_the_candidate_whatever_stable_is(what, at, method):
    gate, unit, spoils = BESIDE[what]
    versus = {"versusStable": {"buckets": 1}} if what == "slow answers" else VERSUS
    both = {**gate, **versus}
    assert (await evaluated(both, method, unit("h1"))).gates[0].verdict == "PASS"
    failed = await evaluated(both, method, spoils[at](unit("h1", sick=True)))
    assert failed.gates[0].verdict == "FAIL", failed.gates[0].message
    assert [text for text in failed.warnings if text.startswith("it: ")], failed.warnings
    held = await evaluated(both, method, spoils[at](unit("h1")))
    assert held.gates[0].verdict in {"NO_DATA", "NOT_COMPARABLE"}, held.gates[0].message


@pytest.mark.alike(3)
@BOTH
@pytest.mark.parametrize(("what", "at"), CASES)
@pytest.mark.slow
async def test_a_limit_alone_passes_whatever_stable_is(what, at, method):
    gate, unit, spoils = BESIDE[what]
    assert (await evaluated(gate, method, spoils[at](unit("h1")))).gates[0].verdict == "PASS"
    assert (await evaluated(gate, method, spoils[at](unit("h1", sick=True)))).gates[0].verdict == "FAIL"
