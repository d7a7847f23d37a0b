"""Labels that change while counters run blame nobody for what was counted before; what goes wrong now still counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelrollout.core.analysis.metrics import model_series as s
from tests.unit.analysis.recorded import START, Recording, look, request_of, scrapes, spec_of

LIMIT = {"name": "errors", "type": "ErrorRate", "max": "1%"}
VERSUS = {"name": "errors", "type": "ErrorRate"}
LIFE = {"1": (1_300_000, 3_000), "2": (2_000, 1_000)}
CHANGES: dict[str, dict[str, str]] = {
    "a label is added": {"team": "vision"},
    "a label has another value": {"pod": "renamed"},
    "the scrape job is renamed": {"job": "models"},
    "the port has moved": {"instance": "10.0.0.{pod}:9000"},
}


def pods(until: float, ats: tuple[float, ...], change: dict[str, str], *, bad: int = 0, overlap: float = 0) -> Any:
    """Three pods of each version with a life of requests and errors; pod n gets other labels at START + ats[n]."""
    for number, at in enumerate(ats):
        for version, growth in (("1", 66), ("2", 7)):
            found = Recording(scrapes(until), f"10.0.0.{number}{version}:8000")
            for metric, life, step in ((s.SUCCESS, LIFE[version][0], growth), (s.FAILURE, LIFE[version][1], bad)):
                running = (found.times >= START) | (version == "1")
                values = life + np.cumsum(np.where(running, step * (version == "2" or metric == s.SUCCESS), 0))
                new = {name: value.format(pod=f"{number}{version}") for name, value in change.items()}
                for labels, low, high in (({}, -np.inf, at + overlap), (new, at, np.inf)):
                    key = {"__name__": metric, "job": "lab", "instance": found.target, "model": "digits"}
                    key |= {"version": version, "pod": f"p{number}", **labels}
                    rows = np.stack([found.times, values, found.times], axis=1)
                    here = (found.times >= START + low) & (found.times < START + high)
                    found.points[tuple(sorted(key.items()))] = rows[here]
            yield found


async def judged(gate: dict[str, Any], *recordings: Recording) -> Any:
    return await look(request_of(spec_of(gate), dialect=None), 400, *recordings)


_unchanged: dict[str, Any] = {}


async def unchanged(gate: dict[str, Any]) -> Any:
    """What the gate says where no label changes before the end of time: one judgement for all tests."""
    if repr(gate) not in _unchanged:
        _unchanged[repr(gate)] = (await judged(gate, *pods(400, (np.inf,) * 3, CHANGES["a label is added"]))).gates
    return _unchanged[repr(gate)]


@pytest.mark.slow
@pytest.mark.alike(2)
@pytest.mark.parametrize("overlap", [0, 11])
@pytest.mark.parametrize("ats", [(300, 330, 360), (300, 300, 300), (10, 200, 370)])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("gate", [LIMIT, VERSUS])
async def test_a_version_without_errors_reads_as_if_nothing_had_changed(gate, change, ats, overlap):
    found = await judged(gate, *pods(400, ats, change, overlap=overlap))
    assert found.gates == await unchanged(gate)
    assert found.gates[0].verdict in {"PASS", "CONTINUE"}


@pytest.mark.slow
@pytest.mark.alike(2)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_version_with_errors_fails_as_if_nothing_had_changed(change):
    found = await judged(LIMIT, *pods(400, (270, 300, 330), change, bad=1))  # long enough ago to wait for none
    assert found.gates == (await judged(LIMIT, *pods(400, (np.inf,) * 3, change, bad=1))).gates
    assert found.gates[0].verdict == "FAIL"
