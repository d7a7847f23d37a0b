"""A share above 100 % is none: stable's would allow a candidate anything, or blame one that is as good."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.evaluation import GateResult
from tests.expect import expect
from tests.unit.analysis.gates.judged import BOTH, judged
from tests.unit.analysis.recorded import START, Recording, dead_windows, scrapes

UNTIL = 900.0
KINDS: dict[str, tuple[dict[str, Any], str, str, dict[str, str]]] = {
    "errors": ({"type": "ErrorRate", "source": "Model"}, s.REQUESTS, s.REQUEST_ERRORS, {}),
    "right answers": ({"type": "Accuracy"}, s.EVALS, s.CORRECT, {"source": "labels"}),
    "NaN": ({"type": "NonFinite"}, s.ELEMENTS, s.NONFINITE, {"layer": "h1"}),
    "zeros": ({"type": "ZeroRatio", "required": True}, s.ELEMENTS, s.ZEROS, {"layer": "h1"}),
    "negatives": ({"type": "NegativeRatio", "required": True}, s.ELEMENTS, s.NEGATIVES, {"layer": "h1"}),
    "dead units": ({"type": "DeadNeurons"}, s.WINDOW_NEURONS, s.WINDOW_DEAD, {"layer": "h1"}),
}


def world(kind: str, stable: float, candidate: float) -> Recording:
    """Both versions count these shares of 100 a scrape."""
    _, whole, part, labels = KINDS[kind]
    if kind == "dead units":
        return dead_windows(UNTIL, "h1", stable=100 * stable, candidate=100 * candidate)
    found = Recording(scrapes(UNTIL), "one")
    for version, share, since in (("1", stable, -np.inf), ("2", candidate, START)):
        own = {"model": "digits", "version": version, **labels}
        found.growing(s.SAMPLES, 100, since=since, **own).growing(whole, 100, since=since, **own)
        detail = {"kind": "nan"} if kind == "NaN" else {}
        found.growing(part, round(100 * share), since=since, **own, **detail)
    return found


async def gate(kind: str, method: str, stable: float, candidate: float) -> GateResult:
    asked = {"name": "g", "method": method, **KINDS[kind][0]}
    return expect(GateResult, await judged(asked, UNTIL, world(kind, stable, candidate)))


@BOTH
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("candidate", [0.5, 1.0])
async def test_of_stable_it_is_nothing_to_compare_with(kind: str, method: str, candidate: float):
    found = await gate(kind, method, 1.5, candidate)
    assert found.verdict == "NO_DATA", found.message
    assert found.message.startswith("SampleNotANumber: ")
    assert "of the stable counts more than" in found.message


@BOTH
@pytest.mark.parametrize("kind", ["errors", "right answers"])
async def test_of_a_candidate_it_is_no_reason_to_go_on(kind: str, method: str):
    found = await gate(kind, method, 0.5, 1.5)
    assert found.verdict == ("FAIL" if kind == "errors" else "NO_DATA"), found.message


@BOTH
@pytest.mark.parametrize("kind", KINDS)
async def test_all_of_them_is_not_more(kind: str, method: str):
    found = await gate(kind, method, 1.0, 1.0)
    assert found.verdict in {"PASS", "CONTINUE"}, found.message
