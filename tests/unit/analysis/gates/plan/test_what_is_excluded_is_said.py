"""Where the spec goes on unproven, each open gate says at the deadline what its evidence excludes."""

from __future__ import annotations

import re
from typing import Any

import pytest

from modelrollout.core.analysis.metrics import model_series as s
from tests.unit.analysis.gates.judged import ERRORS, LATENCY
from tests.unit.analysis.recorded import Recording, gateway, histogram, look, request_of, scrapes, spec_of

PROMOTE = {"onInconclusive": "Promote", "deadline": "20m"}
UNTIL = 1210.0
NEARLY = gateway(UNTIL, stable=(99.5, 0.5), candidate=(4.975, 0.04))


async def judged(gate, *recordings, at=1200.0, **analysis):
    return (await look(request_of(spec_of(gate, **analysis)), at, *recordings)).gates[0]


async def test_a_share_is_said_with_its_bound_and_the_limit_that_was_not_proven():
    found = await judged(ERRORS, NEARLY, **PROMOTE)
    assert found.verdict == "CONTINUE"
    text = re.fullmatch(r"errors at most ([0-9.]+) %, 95 %: not proven <= ([0-9.]+) %", found.excluded)
    assert text, found.excluded
    bound, limit = (float(number) for number in text.groups())
    assert 0.7 < limit < bound < 3


async def test_nothing_is_worked_out_before_the_deadline_or_where_a_person_is_asked():
    assert (await judged(ERRORS, NEARLY, at=900.0, **PROMOTE)).excluded == ""
    assert (await judged(ERRORS, NEARLY, onInconclusive="Pause", deadline="20m")).excluded == ""


async def test_the_edit_of_what_happens_at_the_deadline_keeps_the_evidence():
    assert spec_of(ERRORS, **PROMOTE).gates_digest() == spec_of(ERRORS).gates_digest()


async def test_accuracy_is_said_as_the_share_of_right_answers():
    accuracy = {"name": "accuracy", "type": "Accuracy", "min": "95%"}
    answers = Recording(scrapes(UNTIL))
    for version, growth in (("1", 10), ("2", 1)):
        labels: dict[str, Any] = {"model": "digits", "version": version, "source": "labels"}
        answers.growing(s.EVALS, growth, **labels).growing(s.CORRECT, 0.95 * growth, **labels)
    found = await judged(accuracy, answers, **PROMOTE)
    assert re.fullmatch(r"accuracy at least 8[0-9.]+ % right, 95 %: not proven >= 95 %", found.excluded), found.excluded


@pytest.mark.slow
async def test_latency_is_said_as_the_share_beyond_the_allowed_edge():
    tail = histogram(UNTIL, stable={0.01: 99.0, 0.04: 1.0}, candidate={0.01: 4.95, 0.04: 0.05})
    found = await judged({**LATENCY, "max": "20ms"}, tail, **PROMOTE)
    assert found.verdict == "CONTINUE"
    want = r"latency at most [0-9.]+ % slower than 20 ms, 95 %: not proven P99 <= 20 ms.*"
    assert re.fullmatch(want, found.excluded), found.excluded


@pytest.mark.slow
async def test_what_speaks_against_it_more_than_for_it_is_told_from_what_does_not_lean():
    worse = gateway(UNTIL, stable=(99.5, 0.5), candidate=(4.9, 0.1))
    assert (await judged(ERRORS, worse, **PROMOTE)).outweighed is True
    assert (await judged(ERRORS, NEARLY, **PROMOTE)).outweighed is False
