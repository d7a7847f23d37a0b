"""A gate whose newest tick is all bad does not pass at that tick, however good the time before was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from modelrollout.core.analysis.gates.registry import gate_types
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.series import Series, make_series
from modelrollout.core.evaluation import GateResult
from tests.unit.analysis.recorded import (
    EDGES,
    GATEWAY_DURATION,
    GATEWAY_HEARTBEAT,
    GATEWAY_REQUESTS,
    SCRAPE,
    START,
    Recording,
    backend,
    look,
    request_of,
    scrapes,
    spec_of,
)

TICK = 15.0
UNTIL = 1200.0
Flags = np.ndarray[Any, Any]
Recorded = tuple[list[Recording], list[Series] | None]


def gateway_of(down: Flags, *, code: str = "500", slow: bool = False) -> Recorded:
    rec = Recording(scrapes(UNTIL), "traefik").growing(GATEWAY_HEARTBEAT, 0)
    for version, since in (("1", -np.inf), ("2", START)):
        bad = np.where(down, 40, 0) if version == "2" else np.zeros(down.shape)
        service = backend(version)
        rec.growing(GATEWAY_REQUESTS, 40 - (0 if slow else bad), since=since, code="200", service=service)
        if not slow:
            rec.growing(GATEWAY_REQUESTS, bad, since=since, code=code, service=service)
        for edge in (*EDGES, np.inf):
            under = 40 - bad if slow and edge < 1 else np.full(down.shape, 40.0)
            label = "+Inf" if edge == np.inf else f"{edge:g}"
            rec.growing(GATEWAY_DURATION, under, since=since, le=label, code="200", service=service)
    return [rec], None


def model_of(down: Flags, counters: dict[str, tuple[float, float]], **more: str) -> Recorded:
    """Counters by (growth a scrape when well, when down); `kind` and `source` where they have one."""
    rec = Recording(scrapes(UNTIL), "triton")
    for version, since in (("1", -np.inf), ("2", START)):
        labels = {"model": "digits", "version": version, **more}
        for name, (well, ill) in counters.items():
            metric, _, edge = name.partition("|")
            own = labels | ({"le": edge} if edge else {}) | ({"kind": "nan"} if metric == s.NONFINITE else {})
            rec.growing(metric, np.where(down & (version == "2"), ill, well), since=since, **own)
        if s.WINDOWS in counters:
            rec.reading(s.WINDOW_SIZE, 200, since=since, **labels)
    return [rec], None


def layer(down: Flags, **counters: tuple[float, float]) -> Recorded:
    return model_of(down, {s.SAMPLES: (40, 40), s.ELEMENTS: (4000, 4000), **counters}, layer="h1")


def windows(down: Flags) -> Recorded:
    dead = {s.WINDOW_DEAD: (5.0, 100.0), s.WINDOW_DEAD_SQUARED: (25.0, 10_000.0)}
    return model_of(down, {s.WINDOWS: (1, 1), s.WINDOW_NEURONS: (100, 100), **dead}, layer="h1")


def magnitudes(down: Flags) -> Recorded:
    spread = {"0.1": (10.0, 1000.0), "1": (500.0, 1000.0), "10": (990.0, 1000.0), "+Inf": (1000.0, 1000.0)}
    return model_of(down, {f"{s.MAGNITUDES}|{edge}": each for edge, each in spread.items()}, layer="h1")


def query(down: Flags) -> Recorded:
    recorded, _ = gateway_of(np.zeros(down.shape, dtype=bool))
    ends = START + TICK * np.arange(1, UNTIL // TICK + 1)
    last = bool(down[-1])
    values = [(at, 1e6 if last and at == ends[-1] else 1.0) for at in ends]
    return recorded, [make_series({}, values)]


COLLAPSES: dict[str, tuple[dict[str, Any], Callable[[Flags], Recorded]]] = {
    "ErrorRate": ({}, gateway_of),
    "ErrorRate, refused": ({"type": "ErrorRate"}, lambda down: gateway_of(down, code="400")),
    "ErrorRate, absolute": ({"type": "ErrorRate", "max": "5%"}, gateway_of),
    "Latency": ({}, lambda down: gateway_of(down, slow=True)),
    "Latency, absolute": ({"type": "Latency", "max": "50ms"}, lambda down: gateway_of(down, slow=True)),
    "Latency, median": ({"type": "Latency", "quantile": 0.5}, lambda down: gateway_of(down, slow=True)),
    "Accuracy": ({}, lambda down: model_of(down, {s.EVALS: (40, 40), s.CORRECT: (38, 0)}, source="labels")),
    "NonFinite": ({}, lambda down: layer(down, **{s.NONFINITE: (0, 4000)})),
    "DeadNeurons": ({}, windows),
    "DeadNeurons, absolute": ({"type": "DeadNeurons", "max": "20%"}, windows),
    "ZeroRatio": ({"within": ["30%", "70%"]}, lambda down: layer(down, **{s.ZEROS: (2000, 4000)})),
    "NegativeRatio": ({"within": ["10%", "30%"]}, lambda down: layer(down, **{s.NEGATIVES: (800, 4000)})),
    "ZeroRatio, versus stable": ({"type": "ZeroRatio"}, lambda down: layer(down, **{s.ZEROS: (2000, 4000)})),
    "Drift": ({"max": 0.2}, magnitudes),
    "Query": ({"query": "x", "max": "10"}, query),
}


def gate_of(what: str, method: str) -> dict[str, Any]:
    gate = {"name": "g", "type": what, "required": True, "method": method, **COLLAPSES[what][0]}
    if gate["type"] == "Query":
        del gate["method"]
    return gate


def judged(what: str, method: str, down: Flags, until: float) -> GateResult:
    recordings, values = COLLAPSES[what][1](down)
    request = request_of(spec_of(gate_of(what, method)))
    found = asyncio.run(look(request, until, *recordings, values=values))
    (gate,) = found.gates
    assert isinstance(gate, GateResult)
    return gate


@pytest.mark.slow
@pytest.mark.alike(2)
@pytest.mark.parametrize("method", ["Sequential", "Threshold"])
@pytest.mark.parametrize("what", COLLAPSES)
@pytest.mark.parametrize("ticks", [1, 2])
def test_a_collapse_is_no_pass_at_its_own_tick(what, method, ticks):
    times = scrapes(UNTIL)
    well = judged(what, method, np.zeros(times.shape, dtype=bool), UNTIL + 1)
    assert well.verdict == "PASS", well.message
    down = times > START + UNTIL - ticks * TICK
    found = judged(what, method, down, UNTIL + 1)
    assert found.verdict != "PASS", found.message


@pytest.mark.alike(2)
@pytest.mark.parametrize("method", ["Sequential", "Threshold"])
@pytest.mark.parametrize("what", [what for what in COLLAPSES if what != "Query"])
def test_a_candidate_whose_series_end_does_not_pass_at_that_tick(what, method):
    recordings, values = COLLAPSES[what][1](np.zeros(scrapes(UNTIL).shape, dtype=bool))
    for one in recordings:
        for labels, points in one.points.items():
            if one.target == "traefik" or dict(labels).get("version") == "2":  # a gateway goes as a whole
                one.points[labels] = [point for point in points if point[0] <= START + UNTIL - TICK]
    late = 2 * SCRAPE + 1  # from then on a tick is judged with what there is
    found = asyncio.run(look(request_of(spec_of(gate_of(what, method))), UNTIL + late, *recordings, values=values))
    (gate,) = found.gates
    assert gate.verdict != "PASS", gate.message
    assert "no sample of the candidate" in gate.message or "no value" in gate.message, gate.message


def test_every_gate_type_collapses():
    without_series = {"Webhook"}
    assert {asked.get("type", what) for what, (asked, _) in COLLAPSES.items()} == set(gate_types()) - without_series
