"""Sentences and verdicts agree for queries of any size, learned margins, burning budgets and any histograms."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.series import make_series
from tests.unit.analysis.gates.test_sentences_agree_with_their_numbers import (
    METHODS,
    NUMBER,
    counted,
    figures_are_those_of_the_sentence,
    found,
    judged,
    latency_agrees,
    number,
    odds_decide,
    pieces,
)
from tests.unit.analysis.recorded import (
    GATEWAY_DURATION,
    GATEWAY_REQUESTS,
    START,
    Recording,
    backend,
    dead_windows,
    look,
    promoted,
    request_of,
    scrapes,
    spec_of,
)

ANY = r"(-?[\d.]+(?:e[+-]?\d+)?)"
SIZES = st.sampled_from([1e-9, 1e-3, 1.0, 250.0, 1e6, 1e15])
PLACES = st.sampled_from([-2.0, -1.0, 0.0, 0.5, 0.949, 0.95, 0.951, 0.9999999, 1.0, 1.0000001, 1.05, 1.051, 2.0, 100.0])


@pytest.mark.slow
@given(SIZES, st.sampled_from(["min", "max", "within"]), st.lists(PLACES, min_size=1, max_size=9))
@example(1.0, "max", [-2.0, 1.0000001, 1.0000001, 1.0000001])
def test_a_query_of_any_size_says_where_its_value_lies(size, kind, places):
    low, high = {"min": (size, None), "max": (None, size), "within": (size / 2, size)}[kind]
    allowed = {"within": [f"{low:g}", f"{high:g}"]} if kind == "within" else {kind: f"{size:g}"}
    values = [place * size for place in places]
    series = make_series({}, [(START + 15.0 * (k + 1), value) for k, value in enumerate(values)])
    until = 15 * len(values) + 1
    rec = Recording(scrapes(until)).growing(s.SUCCESS, 1, model="digits", version="2")
    one = judged({"type": "Query", "query": "x", **allowed}, until, rec, values=[series])
    text = re.search(rf"^value {ANY}; allowed (?:{ANY} to {ANY}|([<>])= {ANY})\. (.*)$", one.message)
    assert text is not None, one.message
    value, below, above, side, limit, why = text.groups()
    least, most = (
        (float(below), float(above)) if below else (float(limit), np.inf) if side == ">" else (-np.inf, float(limit))
    )
    inside, real = (
        least <= float(value) <= most,
        (low is None or values[-1] >= low) and (high is None or values[-1] <= high),
    )
    assert inside == real, one.message
    if one.verdict == "PASS":
        assert inside or "give or take 5.0 % of it" in why, one.message
    if one.verdict == "FAIL":
        of_last = found(rf"[Bb]eyond the limit in {NUMBER} of the last {NUMBER} evaluations", why)
        in_a_row = found(rf"[Bb]eyond the limit in {NUMBER} evaluations in a row", why)
        assert bool(of_last) != bool(in_a_row), one.message
        assert not of_last or (0 < of_last[0] <= of_last[1] == min(len(values), 5)), one.message
        assert not in_a_row or (in_a_row[0] >= 3 and not inside), one.message


SHARES = st.lists(st.sampled_from([0.0, 0.01, 0.05, 0.1, 0.11, 0.3, 0.6]), min_size=0, max_size=6)
DEAD = st.lists(st.sampled_from([0, 2, 9, 10, 11, 14, 20, 30, 50, 90]), min_size=2, max_size=2)


@pytest.mark.slow
@given(METHODS, st.sampled_from([100, 600, 900]), DEAD, DEAD, SHARES, st.booleans())
@example("Sequential", 900, [14, 14], [2, 2], [0.1, 0.1, 0.1], True)
def test_a_learned_limit_is_the_one_that_decides(method, until, candidate, stable, past, alike):
    half = (scrapes(until) - START > until / 2).astype(int)
    rec = dead_windows(until, "h1", stable=0, candidate=0)
    for version, dead, since in (("1", stable, -np.inf), ("2", candidate, START)):
        values = np.array(dead)[half]
        labels = {"model": "digits", "version": version, "layer": "h1"}
        rec.growing(s.WINDOW_DEAD, values, since=since, **labels)
        rec.growing(s.WINDOW_DEAD_SQUARED, values.astype(float) ** 2, since=since, **labels)
    known = tuple(promoted(f"{at}", window_size=200 if alike else 100, h1=share) for at, share in enumerate(past))
    one = judged({"type": "DeadNeurons", "method": method}, until, rec, promoted=known)
    figures = found(rf"candidate {NUMBER} % dead.*; allowed <= {NUMBER} %", one.message)
    if one.verdict in {"FAIL", "PASS"}:
        share, limit = figures
        told = "though their mean is within it" in one.message
        assert (share > limit or told) == (one.verdict == "FAIL"), one.message
        learned = re.search(
            r"\(learned from (\d+) promoted versions, ([\d.]+) %(?: to ([\d.]+) %)? dead\)", one.message
        )
        assert (learned is None) == ("(default margin" in one.message), one.message
        if learned is not None:
            assert alike
            assert 3 <= int(learned.group(1)) <= len(past), one.message
            lowest, highest = number(learned.group(2)), number(learned.group(3) or learned.group(2))
            known_shares = [100 * share for share in past]
            assert any(lowest == pytest.approx(share, abs=0.06) for share in known_shares), one.message
            assert any(highest == pytest.approx(share, abs=0.06) for share in known_shares), one.message
    figures_are_those_of_the_sentence(one)


@pytest.mark.slow
@given(
    METHODS,
    st.sampled_from([300, 900, 1500]),
    pieces(0.3),
    pieces(0.3),
    st.sampled_from([4, 40]),
    st.sampled_from(["0.1%", "1%", "5%", "20%"]),
)
@example("Sequential", 900, [0, 0, 0.3], [0, 0, 0.3], 40, "1%")
def test_a_budget_that_burns_is_said_with_the_numbers_that_say_so(method, until, stable, candidate, per, limit):
    gate = {"name": "g", "type": "ErrorRate", "method": method, "max": limit}
    world = counted("ErrorRate", until, stable, candidate, per)
    result = asyncio.run(look(request_of(spec_of(gate)), until, world))
    burns = re.search(rf"\({NUMBER}x over this step, {NUMBER}x over 5 min(?:; stable {NUMBER}x)?\)", result.message)
    if result.halt in {"BurnRate", "SharedIncident"}:
        assert burns is not None, result.message
        assert f"the error budget of {limit.replace('%', ' %')}" in result.message
        assert all(number(one) >= 2 for one in burns.groups()[:2]), result.message
        assert (burns.group(3) is not None) == (result.halt == "SharedIncident"), result.message
        assert burns.group(3) is None or number(burns.group(3)) >= 2, result.message
    excused = "not held against it" in result.gates[0].message
    if excused:
        assert result.halt == "SharedIncident", (result.halt, result.gates[0].message)
        assert result.gates[0].verdict != "FAIL"
    odds_decide(result.gates[0])
    figures_are_those_of_the_sentence(result.gates[0])


ALL_EDGES = (0.001, 0.005, 0.01, 0.02, 0.021, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
LAYOUT = st.sets(st.sampled_from(ALL_EDGES), min_size=1, max_size=9)
SPREAD = st.dictionaries(
    st.sampled_from([*ALL_EDGES, np.inf]), st.sampled_from([0.05, 1, 5, 30]), min_size=1, max_size=4
)


def on_edges(until: float, versions: dict[str, tuple[set[float], dict[float, float]]]) -> Recording:
    """A gateway whose two versions' histograms have edges of their own."""
    rec = Recording(scrapes(until), "traefik")
    for version, (edges, spread) in versions.items():
        labels, since = {"code": "200", "service": backend(version)}, -np.inf if version == "1" else START
        rec.growing(GATEWAY_REQUESTS, sum(spread.values()), since=since, **labels)
        for edge in (*sorted(edges), np.inf):
            below = sum(how_many for under, how_many in spread.items() if under <= edge)
            rec.growing(GATEWAY_DURATION, below, since=since, le="+Inf" if edge == np.inf else f"{edge:g}", **labels)
    return rec


@pytest.mark.slow
@given(
    METHODS,
    st.sampled_from([0.5, 0.9, 0.99]),
    st.sampled_from([None, "7ms", "50ms", "3s", "2m"]),
    st.booleans(),
    st.sampled_from([120, 600]),
    st.tuples(LAYOUT, LAYOUT, st.booleans()),
    st.tuples(SPREAD, SPREAD, st.booleans()),
)
def test_a_latency_on_any_edges_names_those_that_decided(method, quantile, limit, versus, until, layouts, spreads):
    gate: dict[str, Any] = {"type": "Latency", "method": method, "quantile": quantile}
    gate |= {"max": limit} if limit else {}
    gate |= {"versusStable": {"buckets": 1}} if versus else {}
    mine, other = layouts[0], layouts[0] if layouts[2] else layouts[1]
    fast, slow = spreads[0], spreads[0] if spreads[2] else spreads[1]
    one = judged(gate, until, on_edges(until, {"1": (other, slow), "2": (mine, fast)}))
    if one.verdict == "NOT_COMPARABLE":
        assert not mine & other, one.message
        return
    assert one.verdict == "FAIL" or (mine & other) or not (versus or not limit), one.message
    latency_agrees(one, method)
    odds_decide(one)
    figures_are_those_of_the_sentence(one)
