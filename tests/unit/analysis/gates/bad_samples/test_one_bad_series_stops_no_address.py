"""One counter that stays bad among several of one address: the rest is judged where it cannot accuse; none passes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.core.analysis.metrics import model_series as s
from tests.unit.analysis.recorded import (
    GATEWAY_DURATION,
    GATEWAY_HEARTBEAT,
    GATEWAY_REQUESTS,
    START,
    Recording,
    backend,
    in_this_thread,
    look,
    request_of,
    scrapes,
    spec_of,
)

UNTIL = 900.0
BAD = (math.nan, math.inf, -math.inf, -5.0, 1e308)
BEGINS = (-math.inf, START, START + UNTIL / 2, START + UNTIL - 60)
Answers = Mapping[tuple[str, str], float]
"""Answers per scrape by status and method."""

FINE = {("200", "POST"): 50.0, ("200", "GET"): 6.0, ("404", "POST"): 3.0, ("503", "POST"): 0.0, ("500", "POST"): 0.0}
FAILING = {**FINE, ("503", "POST"): 25.0, ("500", "POST"): 25.0}
REFUSING = {**FINE, ("404", "POST"): 30.0, ("400", "POST"): 20.0}
LOST = {**FINE, ("503", "POST"): 5.0, ("404", "POST"): 40.0}
"""Few fail and most are refused: without the good answers, or without stable's errors, it looks far worse."""


def gateway(stable: Answers, candidate: Answers, *, durations: bool = False, name: str = "traefik") -> Recording:
    """One address that counts both versions' answers by status and method; `durations`: a histogram of them as well."""
    found = Recording(scrapes(UNTIL), name).growing(GATEWAY_HEARTBEAT, 0)
    for version, answers, since, share in (("1", stable, -np.inf, 5), ("2", candidate, START, 1)):
        for (code, method), growth in answers.items():
            found.growing(
                GATEWAY_REQUESTS, share * growth, since=since, code=code, method=method, service=backend(version)
            )
        for le in ("0.1", "+Inf") if durations else ():
            found.growing(GATEWAY_DURATION, share * sum(answers.values()), since=since, le=le, service=backend(version))
    return found


def spoil(
    found: Recording, version: str, codes: set[str], value: float, since: float, method: str = "POST"
) -> Recording:
    """The counters of these statuses read `value` from `since` on."""
    for key, rows in found.points.items():
        labels = dict(key)
        mine = labels.get("service") == backend(version) and labels["__name__"] == GATEWAY_REQUESTS
        if mine and labels["code"] in codes and labels["method"] == method:
            found.points[key] = np.where((rows[:, :1] >= since) & [False, True, False], value, rows)
    return found


def judged(gate: dict[str, Any], *recordings: Recording, at: float = UNTIL) -> Any:
    """With a Latency gate beside it, which has durations fetched."""
    spec = spec_of({"name": "it", "type": "ErrorRate", **gate}, {"name": "slow", "type": "Latency", "required": False})
    with in_this_thread():
        return asyncio.run(look(request_of(spec), at, *recordings))


GATES = st.sampled_from([{}, {"max": "2%"}, {"method": "Threshold"}, {"max": "2%", "method": "Threshold"}])
SPOILS = st.sampled_from(BAD), st.sampled_from(BEGINS)
NOT_GOOD = st.sets(st.sampled_from(["404", "400", "500"]), min_size=1)
"""Statuses of which some may stay bad, while the 503 that tell of the failure can be read."""


@pytest.mark.slow
@given(GATES, NOT_GOOD, *SPOILS, st.booleans())
def test_errors_that_can_be_read_fail_whatever_other_errors_and_refusals_cannot(gate, codes, value, since, durations):
    found = judged(gate, spoil(gateway(FINE, FAILING, durations=durations), "2", codes, value, since))
    assert found.gates[0].verdict == "FAIL", found.gates[0].message
    if codes & {"404", "500"}:
        assert any("reads NaN" in text for text in found.warnings), found.warnings
        assert any("bad sample" in text for text in found.warnings), found.warnings


@pytest.mark.slow
@given(
    st.sampled_from([{}, {"method": "Threshold"}]), st.sets(st.sampled_from(["503", "500", "400"]), min_size=1), *SPOILS
)
def test_refusals_that_can_be_read_fail_whatever_errors_and_other_refusals_cannot(gate, codes, value, since):
    found = judged(gate, spoil(gateway(FINE, REFUSING), "2", codes, value, since))
    assert found.gates[0].verdict == "FAIL", found.gates[0].message


@pytest.mark.slow
@given(GATES, st.sets(st.sampled_from(["404", "200"]), min_size=1), *SPOILS)
def test_errors_fail_whatever_of_stables_other_answers_cannot_be_read(gate, codes, value, since):
    found = judged(gate, spoil(gateway(FINE, FAILING), "1", codes, value, since))
    assert found.gates[0].verdict == "FAIL", found.gates[0].message


CODES = st.sets(st.sampled_from(["200", "404", "503", "500"]), min_size=1)


@pytest.mark.slow
@given(GATES, st.sampled_from([FINE, LOST]), st.sampled_from("12"), CODES, *SPOILS, st.booleans())
def test_equal_versions_neither_fail_nor_pass_whatever_of_one_cannot_be_read(
    gate, like, version, codes, value, since, durations
):
    """Without its good answers the candidate would fail everywhere; so it would without the errors of stable."""
    known = {**gate, "max": "15%"} if "max" in gate else gate
    found = judged(known, spoil(gateway(like, like, durations=durations), version, codes, value, since))
    assert found.gates[0].verdict == "NO_DATA", found.gates[0].message
    assert found.rollback is None
    assert found.gates[0].message.startswith("SampleNotANumber")


@pytest.mark.alike(3)
@pytest.mark.parametrize("durations", [False, True])
@pytest.mark.parametrize("version", "12")
@pytest.mark.parametrize("codes", [{"200"}, {"404"}, {"503"}, {"404", "503"}])
def test_an_equal_version_that_is_mostly_refused_does_not_fail_for_what_cannot_be_read(codes, version, durations):
    found = judged({}, spoil(gateway(LOST, LOST, durations=durations), version, codes, math.nan, -math.inf))
    assert (found.gates[0].verdict, found.rollback) == ("NO_DATA", None), found.gates[0].message


def test_what_was_bad_before_a_counter_stayed_bad_is_left_out_as_well():
    spoilt = gateway(FINE, {**FINE, ("503", "POST"): 0.1})
    for key, rows in spoilt.points.items():
        if dict(key).get("code") == "503" and dict(key)["service"] == backend("2"):
            spike = (abs(rows[:, :1] - START - 750) < 40) & (rows[:, :1] % 10 < 5) & [False, True, False]
            late = (rows[:, :1] > START + 800) & [False, True, False]
            spoilt.points[key] = np.where(late, math.nan, np.where(spike, rows + 40_000, rows))
    found = judged({"max": "2%"}, spoilt)
    assert found.gates[0].verdict == "NO_DATA", found.gates[0].message


@pytest.mark.slow
@given(GATES, st.sampled_from("12"), CODES, *SPOILS)
def test_with_a_histogram_of_the_same_requests_nothing_hides_a_failure(gate, version, codes, value, since):
    """What the bad counters have grown by is the difference; where they are several, the candidate has the benefit."""
    sick = {
        ("200", "POST"): 20.0,
        ("503", "POST"): 30.0,
        ("500", "POST"): 0.0,
        ("404", "POST"): 0.0,
        ("504", "POST"): 20.0,
    }
    found = judged(gate, spoil(gateway(FINE, sick, durations=True), version, codes, value, since))
    wanted = {"FAIL"} if (version == "1" and codes == {"200"}) or version == "2" else {"FAIL", "NO_DATA"}
    assert found.gates[0].verdict in wanted, found.gates[0].message


@pytest.mark.slow
@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("version", "12")
def test_a_series_that_is_good_again_is_counted_as_if_it_had_never_been_bad(version, value):
    clean = gateway(FINE, FAILING)
    spoilt = spoil(gateway(FINE, FAILING), version, {"200"}, value, START + 300)
    for key, rows in clean.points.items():
        late = rows[:, 0] >= START + 600
        spoilt.points[key] = np.where(late[:, None], rows, spoilt.points[key])
    assert judged({}, spoilt, at=590.0).gates[0].verdict in {"FAIL", "NO_DATA"}
    again = judged({}, spoilt).gates[0]
    assert (again.verdict, again.samples) == ("FAIL", judged({}, clean).gates[0].samples)


def test_an_incident_of_both_is_not_read_into_what_stable_cannot_show():
    """Without stable's good answers its errors would be all it has: the candidate's own stay its own."""
    little = {**FINE, ("503", "POST"): 0.05}
    spoilt = spoil(gateway(little, FAILING), "1", {"200"}, math.nan, -math.inf)
    spoilt = spoil(spoilt, "1", {"200", "404"}, math.nan, -math.inf, method="GET")
    found = judged({"max": "2%"}, spoilt)
    assert found.gates[0].verdict == "FAIL", found.gates[0].message
    assert "not held against it" not in found.gates[0].message


def triton(name: str, failing: float) -> Recording:
    """Triton's own counters: failures by reason beside successes."""
    found = Recording(scrapes(UNTIL), f"triton-{name}")
    for version, bad, since, share in (("1", 0.0, -np.inf, 5), ("2", failing, START, 1)):
        labels = {"model": "digits", "version": version}
        found.growing(s.SUCCESS, 50 * share, since=since, **labels)
        for reason, growth in (("BACKEND", bad), ("REJECTED", 0.0), ("OTHER", 0.0), ("CANCELED", 1.0 * share)):
            found.growing(s.FAILURE, growth, since=since, reason=reason, **labels)
    return found


def layers(name: str, failing: float) -> Recording:
    """A layer's rows, with NaN and Inf apart, and what else is counted of it."""
    found = Recording(scrapes(UNTIL), f"triton-{name}")
    for version, bad, since in (("1", 0.0, -np.inf), ("2", failing, START)):
        labels = {"model": "digits", "version": version, "layer": name}
        for metric, growth in ((s.SAMPLES, 60.0), (s.ELEMENTS, 600.0), (s.ZEROS, 300.0), (s.NEGATIVES, 100.0)):
            found.growing(metric, growth, since=since, **labels)
        for kind, growth in (("nan", 10 * bad), ("inf", 0.0)):
            found.growing(s.NONFINITE, growth, since=since, kind=kind, **labels)
    return found


def labelled(_name: str, failing: float) -> Recording:
    found = Recording(scrapes(UNTIL), "triton")
    for version, bad, since in (("1", 1.0, -np.inf), ("2", 1.0 + failing, START)):
        labels = {"model": "digits", "version": version}
        for source in ("labels", "golden"):
            found.growing(s.EVALS, 100, since=since, source=source, **labels)
            found.growing(s.CORRECT, 100 - bad, since=since, source=source, **labels)
        found.growing(s.EVALS_LOST, 0, since=since, reason="expired", **labels)
    return found


def zeros(name: str, failing: float) -> Recording:
    found = layers(name, 0)
    for version, growth, since in (("1", 300, -np.inf), ("2", 300 + 9 * failing, START)):
        found.growing(s.ZEROS, growth, since=since, model="digits", version=version, layer=name)
    return found


OTHERS: dict[str, tuple[dict[str, Any], Any, str, list[dict[str, str]]]] = {
    "Triton's reasons": (
        {"type": "ErrorRate", "source": "Model"},
        triton,
        "2",
        [{"reason": "REJECTED"}, {"reason": "OTHER"}],
    ),
    "kinds of NaN": (
        {"type": "NonFinite"},
        layers,
        "2",
        [{"kind": "inf"}, {"__name__": s.ZEROS}, {"__name__": s.NEGATIVES}],
    ),
    "zeros of stable": ({"type": "NonFinite", "max": "1%"}, layers, "1", [{"__name__": s.ZEROS}]),
    "another source of labels": (
        {"type": "Accuracy"},
        labelled,
        "2",
        [{"source": "golden"}, {"__name__": s.EVALS_LOST}],
    ),
    "NaN beside zeros": (
        {"type": "ZeroRatio", "required": True},
        zeros,
        "2",
        [{"__name__": s.NONFINITE}, {"__name__": s.NEGATIVES}, {"__name__": s.SAMPLES}],
    ),
}


@pytest.mark.slow
@pytest.mark.alike(5)
@pytest.mark.parametrize("method", ["Sequential", "Threshold"])
@pytest.mark.parametrize("since", BEGINS)
@pytest.mark.parametrize("what", OTHERS)
def test_counters_that_a_gate_can_do_without_hide_no_failure(what, since, method):
    gate, unit, version, spoils = OTHERS[what]
    for which in spoils:
        for sick, wanted in ((30.0, "FAIL"), (0.0, "PASS" if version == "1" else "NO_DATA")):
            found = unit("h1", sick)
            for key, rows in found.points.items():
                if ("version", version) in key and set(which.items()) <= set(key):
                    found.points[key] = np.where((rows[:, :1] >= since) & [False, True, False], math.nan, rows)
            beside = [
                {"name": kind.lower(), "type": kind, "required": False}
                for kind in ("ZeroRatio", "NegativeRatio", "NonFinite")
            ]
            spec = spec_of({"name": "it", "method": method, **gate}, *beside, interval="5s")
            with in_this_thread():
                one = asyncio.run(look(request_of(spec), UNTIL, found)).gates[0]
            assert one.verdict == wanted, (which, sick, one.message)
