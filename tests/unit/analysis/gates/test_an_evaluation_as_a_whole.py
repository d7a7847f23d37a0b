"""What no gate says alone: leaning together, incidents in both versions, budgets, warnings, recorded defaults."""

from __future__ import annotations

import numpy as np
import pytest

from modelrollout.api.changes import update
from modelrollout.api.status import LONGEST_WARNING, MOST_WARNINGS, Status
from modelrollout.core import reasons
from modelrollout.core.evaluation import Evaluation
from tests.expect import expect
from tests.unit.analysis.gates.judged import BOTH, ERRORS, LATENCY, PLAIN
from tests.unit.analysis.recorded import (
    GATEWAY_HEARTBEAT,
    GATEWAY_REQUESTS,
    GATEWAY_ROUTER,
    START,
    Recording,
    StoredLedger,
    backend,
    dead_windows,
    evaluator,
    gateway,
    histogram,
    look,
    request_of,
    scrapes,
    spec_of,
)


@pytest.mark.slow
async def test_warnings_are_bounded_whatever_the_gates_are_called():
    gates = [{**LATENCY, "name": f"latency-{number}-{'x' * 50}"[:63]} for number in range(MOST_WARNINGS + 2)]
    rec = histogram(300, stable={0.02: 100}, candidate={0.02: 10})
    found = await look(request_of(spec_of(*gates)), 300, rec)
    shown = update(Status(), warnings=[*found.warnings, "x" * 1000][::-1]).warnings
    assert len(found.warnings) > MOST_WARNINGS
    assert len(shown) == MOST_WARNINGS
    assert max(map(len, shown)) == LONGEST_WARNING


@pytest.mark.slow
async def test_missing_scrapes_halt_at_the_third_tick_and_not_before():
    rec = gateway(300, stable=(230, 2), candidate=(10, 0))
    spec = spec_of(ERRORS)
    halts = [(await look(request_of(spec), at, rec)).halt for at in (310, 326, 341, 356)]
    assert halts == [None, None, None, reasons.SAMPLES_MISSING]


@pytest.mark.slow
async def test_several_gates_leaning_bad_together_ask_for_a_rollback():
    rec = gateway(900, stable=(190, 2), candidate=(38, 1))
    spec = spec_of(ERRORS, {**ERRORS, "name": "more-errors"})
    ledger = StoredLedger(rec)
    judge = evaluator(ledger)
    for at in range(31, 900, 15):
        ledger.now = START + at
        found = expect(Evaluation, await judge.evaluate(request_of(spec), ledger.now))
        if found.rollback:
            break
        assert not any(gate.verdict == "FAIL" for gate in found.gates)
    assert found.rollback == "CombinedEvidence"


@pytest.mark.alike(1)
@BOTH
async def test_an_incident_in_both_versions_holds_and_blames_neither(method):
    rec = Recording(scrapes(900), "traefik").growing(GATEWAY_HEARTBEAT, 0)
    incident = rec.times > START + 300
    for version, size, since in (("1", 100, -np.inf), ("2", 20, START)):
        bad = np.where(incident, 0.06, 0.005) * size
        for code, growth in (("200", size - bad), ("500", bad)):
            rec.growing(GATEWAY_REQUESTS, growth, since=since, code=code, service=backend(version))
    spec = spec_of({**ERRORS, "method": method, "max": "1%"})
    found = await look(request_of(spec), 900, rec)
    assert found.halt == "SharedIncident"
    assert found.gates[0].verdict == "CONTINUE"
    assert found.gates[0].leaning_bad
    assert found.rollback is None


@pytest.mark.alike(1)
@BOTH
async def test_a_candidate_that_burns_alone_is_blamed(method):
    rec = gateway(900, stable=(100, 0.2), candidate=(18.8, 1.2))
    found = await look(request_of(spec_of({**ERRORS, "method": method, "max": "1%"})), 900, rec)
    assert found.gates[0].verdict == "FAIL"


async def test_a_budget_spent_too_fast_holds_before_any_gate_has_failed():
    rec = gateway(300, stable=(100, 0.2), candidate=(9.7, 0.3))
    spec = spec_of({**ERRORS, **PLAIN, "max": "1%"}, minimumRequests=100_000)
    found = await look(request_of(spec), 300, rec)
    assert found.halt == "BurnRate"


async def test_errors_that_no_backend_answers_for_are_a_warning():
    rec = gateway(300, stable=(100, 0), candidate=(20, 0))
    rec.growing(GATEWAY_ROUTER, 2, since=START, code="503", service="wrr")
    found = await look(request_of(spec_of(ERRORS)), 300, rec)
    assert any("errors" in text for text in found.warnings)


async def test_a_share_far_from_the_weight_is_a_warning():
    found = await look(request_of(spec_of(ERRORS)), 300, gateway(300, stable=(100, 0), candidate=(100, 0)))
    assert any("weight" in text for text in found.warnings)


async def test_without_gates_the_series_of_stable_decide_which_hold():
    recs = [gateway(300, stable=(100, 1), candidate=(20, 0)), dead_windows(300, "h1", stable=7, candidate=7)]
    found = await look(request_of(spec_of()), 300, *recs)
    assert found.default_gates == ("errors", "dead-neurons")
    assert [gate.name for gate in found.gates if not gate.left_out] == ["errors", "dead-neurons"]


async def test_recorded_default_gates_stay_though_the_series_are_gone():
    recs = [gateway(300, stable=(100, 1), candidate=(20, 0))]
    found = await look(request_of(spec_of(), default_gates=("errors", "accuracy")), 300, *recs)
    assert ("accuracy", "NO_DATA", True) in [(gate.name, gate.verdict, gate.required) for gate in found.gates]
