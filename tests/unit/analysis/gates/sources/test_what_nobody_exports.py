"""Absence is proven or it is none: what is still to come holds, what never comes is left out or refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from modelrollout.core.analysis.gates.sources.absence import ANSWERED
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.evaluation import SETTLED, EvaluationRequest
from modelrollout.dialects.traefik import TRAEFIK
from tests.unit.analysis.gates.judged import DEAD, ERRORS, LATENCY
from tests.unit.analysis.recorded import (
    EDGES,
    GATEWAY_HEARTBEAT,
    START,
    Recording,
    dead_windows,
    gateway,
    histogram,
    look,
    request_of,
    scrapes,
    spec_of,
)

LEFT_OUT = {"latency", "accuracy", "dead-neurons", "non-finite"}


def triton(until: float = 120, *, before: float = 1800.0, growth: float = 20, since: float = -np.inf) -> Recording:
    """Triton's own counters of both versions, no histogram and no telemetry."""
    found = Recording(scrapes(until, before=before), "triton")
    for version, began in (("1", since), ("2", START)):
        labels = {"model": "digits", "version": version}
        found.growing(s.SUCCESS, growth, since=began, **labels)
        found.growing(s.FAILURE, 0, since=began, reason="OTHER", **labels)
    return found


def slow_triton(until: float = 600, *, after: float = -np.inf) -> Recording:
    """With the histogram that newer ones have, in ms."""
    found = triton(until)
    for version, since in (("1", after), ("2", max(START, after))):
        for edge in (*EDGES, np.inf):
            text = "+Inf" if edge == np.inf else f"{1000 * edge:g}"
            labels = {"model": "digits", "version": version, "le": text}
            found.growing(s.TRITON_DURATION, 20 if edge >= EDGES[2] else 4, since=since, **labels)
    return found


def request(*gates: Any, **changes: Any) -> EvaluationRequest:
    return request_of(spec_of(*gates), **{"dialect": None, "controller": "example.com/unheard-of"} | changes)


async def left_out(*recordings: Recording, at: float = 120, **changes: Any) -> set[str]:
    found = await look(request(**changes), at, *recordings)
    return {gate.name for gate in found.gates if gate.left_out}


async def test_default_gates_that_nobody_can_judge_are_left_out_and_named():
    found = await look(request(), 120, triton())
    assert {gate.name for gate in found.gates if gate.left_out} == LEFT_OUT
    assert [gate.name for gate in found.gates if gate.required] == ["errors"]
    assert found.default_gates == ("errors",)
    assert found.halt is None


async def test_own_gates_that_nobody_can_judge_stay_required():
    found = await look(request(LATENCY, DEAD, ERRORS), 120, triton())
    assert [(gate.name, gate.unjudgeable, gate.required) for gate in found.gates] == [
        ("latency", True, True),
        ("dead", True, True),
        ("errors", False, True),
    ]


async def test_a_rollout_that_has_just_started_leaves_nothing_out():
    """However much is known of stable: a Pod that was started a moment ago may not have been scraped yet."""
    asked = replace(request(), spec=spec_of(interval="5s"))
    few, enough = [await look(asked, at, triton()) for at in (11.5, 16.5)]
    assert (few.scrapes, enough.scrapes) == (SETTLED - 1, SETTLED)
    assert not any(gate.left_out for gate in few.gates)
    assert {gate.name for gate in enough.gates if gate.left_out} == LEFT_OUT


@pytest.mark.slow
async def test_an_idle_stable_leaves_nothing_out():
    """What appears with the first request is not there yet."""
    assert await left_out(triton(growth=0)) == set()
    assert await left_out(triton(growth=0), gateway(120, stable=(0, 0), candidate=(0, 0)), dialect=TRAEFIK) == set()


async def test_a_gateway_that_is_alone_and_idle_leaves_nothing_out():
    heartbeat = Recording(scrapes(120), "traefik").growing(GATEWAY_HEARTBEAT, 0)
    found = await look(request(dialect=TRAEFIK), 120, heartbeat)
    assert not any(gate.left_out for gate in found.gates)
    assert found.halt is None
    assert {gate.source for gate in found.gates if gate.name in ("errors", "latency")} == {"Gateway"}


async def test_few_requests_prove_nothing():
    times = scrapes(120)
    few = np.zeros(len(times))
    few[-8:] = 1.0
    assert await left_out(triton(growth=few)) == set()  # type: ignore[arg-type]
    assert ANSWERED > 8


async def test_the_newest_requests_prove_nothing():
    """A series that comes with traffic may not have been scraped yet."""
    burst = np.zeros(len(scrapes(120)))
    burst[-2:] = 1000.0
    assert await left_out(triton(growth=burst)) == set()  # type: ignore[arg-type]


async def test_series_of_stable_alone_are_enough():
    """The candidate has answered nothing, so nothing of it may be there."""
    alone = dead_windows(120, "h1", stable=5, candidate=5)
    alone.points = {labels: rows for labels, rows in alone.points.items() if dict(labels)["version"] == "1"}
    out = await left_out(triton(), alone, steps=())
    assert "dead-neurons" not in out


async def test_a_candidate_that_drops_its_telemetry_dodges_no_gate():
    alone = dead_windows(300, "h1", stable=5, candidate=5)
    alone.points = {labels: rows for labels, rows in alone.points.items() if dict(labels)["version"] == "1"}
    found = await look(request(), 300, triton(300), alone)
    (dead,) = (gate for gate in found.gates if gate.name == "dead-neurons")
    assert (dead.required, dead.verdict, dead.unjudgeable) == (True, "NO_DATA", False)


@pytest.mark.slow
async def test_what_is_left_out_comes_back_with_its_series():
    late = slow_triton(after=START + 200)
    first, then = [await look(request(), at, late) for at in (150, 300)]
    assert "latency" in {gate.name for gate in first.gates if gate.left_out}
    (latency,) = (gate for gate in then.gates if gate.name == "latency")
    assert (latency.left_out, latency.required, latency.source) == (False, True, "Triton")
    assert then.default_gates == ("errors", "latency")


async def test_a_default_gate_that_could_be_judged_once_is_never_left_out():
    """A store that was emptied, or telemetry that was taken away, in the middle of a rollout."""
    found = await look(request(default_gates=("errors", "dead-neurons")), 120, triton())
    (dead,) = (gate for gate in found.gates if gate.name == "dead-neurons")
    assert (dead.left_out, dead.required, dead.verdict) == (False, True, "NO_DATA")


async def test_nothing_at_all_is_said_to_be_nothing_to_judge():
    assert (await look(request(steps=()), 120)).halt == "NothingToJudge"
    assert (await look(request(LATENCY), 120, triton())).halt == "NothingToJudge"


async def test_a_gate_of_the_gateways_series_without_a_dialect_is_refused_at_once():
    asked = {**ERRORS, "source": "Gateway"}
    for controller, refused in (("example.com/unheard-of", True), ("", False)):
        found = await look(request(asked, controller=controller, steps=()), 20, triton(growth=0))
        assert found.gates[0].unjudgeable is refused, "while the controller is not known, nothing is said"


async def test_a_gateway_that_counts_nothing_of_this_route_is_told_by_others_counts():
    heartbeat = Recording(scrapes(120), "traefik").growing(GATEWAY_HEARTBEAT, 0)
    found = await look(request({**ERRORS, "source": "Gateway"}, dialect=TRAEFIK), 120, heartbeat, triton())
    assert found.gates[0].unjudgeable
    assert "traefik_service_requests_total of this route" in found.gates[0].message


async def test_a_limit_of_its_own_waits_for_the_candidate():
    """Stable never had the series, and the candidate has answered nothing: it may bring it along."""
    own = {**DEAD, "max": "50%"}
    silent = triton()
    silent.points = {labels: rows for labels, rows in silent.points.items() if dict(labels)["version"] == "1"}
    before = await look(request(own, steps=()), 120, silent)
    after = await look(request(own), 120, triton())
    assert (before.gates[0].unjudgeable, after.gates[0].unjudgeable) == (False, True)


async def test_a_verdict_stands_whatever_else_is_absent():
    """Held against a limit of its own the candidate fails, though nobody can compare it with stable."""
    alone = dead_windows(900, "h1", stable=5, candidate=70)
    alone.points = {labels: rows for labels, rows in alone.points.items() if dict(labels)["version"] == "2"}
    both = {**DEAD, "max": "10%", "versusStable": {"ratio": 2}}
    found = await look(request(both), 900, triton(900), alone)
    assert (found.gates[0].verdict, found.gates[0].unjudgeable) == ("FAIL", False), found.gates[0].message


async def test_a_defect_is_not_taken_for_absence(monkeypatch: pytest.MonkeyPatch):
    def fails(*_: Any) -> Any:
        raise ArithmeticError("a defect")

    monkeypatch.setattr("modelrollout.core.analysis.gates.definition.not_unseen", fails)
    found = await look(request(DEAD), 120, triton())
    assert (found.gates[0].unjudgeable, found.gates[0].message[:9]) == (False, "NotJudged")


# Order


@pytest.mark.slow
async def test_the_first_source_that_exports_what_is_needed_counts():
    at_the_gateway = gateway(600, stable=(20, 0), candidate=(20, 0))
    both = await look(request(ERRORS, LATENCY, dialect=TRAEFIK), 600, at_the_gateway, slow_triton())
    assert [(gate.name, gate.source) for gate in both.gates] == [("errors", "Gateway"), ("latency", "Triton")]
    timed = histogram(600, stable={0.01: 20}, candidate={0.01: 20})
    first = await look(request(ERRORS, LATENCY, dialect=TRAEFIK), 600, timed, slow_triton())
    assert [gate.source for gate in first.gates] == ["Gateway", "Gateway"]


@pytest.mark.alike(1)
@pytest.mark.parametrize(("source", "reads"), [("Triton", "Triton"), ("Model", "Triton"), (None, "Triton")])
async def test_tritons_histogram_is_in_milliseconds(source: str | None, reads: str):
    gate = LATENCY if source is None else {**LATENCY, "source": source}
    found = (await look(request(gate, steps=((50, START),)), 600, slow_triton())).gates[0]
    assert (found.source, found.verdict) == (reads, "PASS")
    assert (found.observed, found.stable) == ("P99 <= 40 ms", "P99 <= 40 ms")


async def test_a_client_that_went_away_is_no_error_and_an_ensembles_member_is_not_counted():
    found = triton(600)
    found.growing(s.FAILURE, 19, since=START, reason="CANCELED", model="digits", version="2")
    for reason in ("BACKEND", "OTHER"):
        found.growing(s.FAILURE, 5, since=START, reason=reason, model="digits_scorer", version="2")
    gate = (await look(request(ERRORS, steps=((50, START),)), 600, of_the_model(found))).gates[0]
    assert (gate.verdict, gate.observed) == ("PASS", "0 %")


def of_the_model(recording: Recording) -> Recording:
    """What the query of this model selects, as Prometheus would."""
    kept = {labels: rows for labels, rows in recording.points.items() if dict(labels)["model"] == "digits"}
    return Recording(recording.times, recording.target, kept)
