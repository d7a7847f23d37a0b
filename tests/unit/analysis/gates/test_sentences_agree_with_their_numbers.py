"""Whatever the samples are, the sentence, the figures and the verdict of a gate say the same thing."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelrollout.cli.commands.judge import _File, judge_ticks
from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.registry import gate_types
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.series import make_series
from modelrollout.core.evaluation import GateResult
from tests.unit.analysis.recorded import (
    EDGES,
    GATEWAY_DURATION,
    GATEWAY_HEARTBEAT,
    GATEWAY_REQUESTS,
    START,
    Recording,
    backend,
    dead_windows,
    look,
    request_of,
    scrapes,
    spec_of,
)

NUMBER = r"(\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?)"
METHODS = st.sampled_from(["Sequential", "Threshold"])


def number(text: str) -> float:
    return float(text.replace(",", ""))


def found(pattern: str, text: str) -> list[float]:
    at = re.search(pattern, text)
    return [] if at is None else [number(one) for one in at.groups()]


def judged(gate: dict[str, Any], at: float, *recordings: Recording, values: Any = None, **request: Any) -> GateResult:
    spec = spec_of({"name": "g", **gate})
    return asyncio.run(look(request_of(spec, **request), at, *recordings, values=values)).gates[0]


def odds_decide(gate: GateResult) -> None:
    """The odds reach those at which they decide if and only if they have decided."""
    against = found(
        rf"[Oo]dds (?:over )?{NUMBER}:1 against the candidate \(\w+(?: back)? at (?:over )?{NUMBER}:1\)", gate.message
    )
    if against and "not held against it" not in gate.message:
        assert (against[0] >= against[1]) == (gate.verdict == "FAIL"), gate.message
    favour = found(rf"[Oo]dds (?:over )?{NUMBER}:1 for it.* \(passes at {NUMBER}:1\)", gate.message)
    if favour:
        assert gate.verdict != "FAIL", gate.message
        assert (favour[0] >= favour[1]) == (gate.verdict == "PASS"), gate.message


def figures_are_those_of_the_sentence(gate: GateResult) -> None:
    if gate.observed and gate.verdict != "NO_DATA":
        assert gate.observed.removesuffix(" refused") in gate.message
    if gate.evidence:
        assert gate.verdict == "NO_DATA" or gate.evidence.lower() in gate.message.lower()
    if gate.eta and gate.verdict == "CONTINUE":
        assert gate.eta.lower() in gate.message.lower()


def share_agrees(gate: GateResult) -> None:
    """Of a gate on shares: n of N is the share, and the share and its limit are on the sides the verdict says."""
    text = gate.message
    figures = found(rf"candidate {NUMBER} %[^(;]* \({NUMBER}/{NUMBER}\)", text)
    if not figures or gate.verdict == "NO_DATA":
        return
    share, bad, total = figures
    if "million" not in text:
        assert share == pytest.approx(100 * bad / total, rel=0.06, abs=100 / total), text
    at_least = "; allowed >= " in text
    (limit,) = found(rf"; allowed [<>]= {NUMBER} %", text)
    beyond = share < limit if at_least else share > limit
    twice = found(rf"at twice the margin, {'>' if at_least else '<'}= {NUMBER} %", text)
    assert twice or "twice the margin" not in text, text
    if gate.verdict == "FAIL":
        assert beyond, text
    elif gate.verdict == "PASS":
        assert not beyond or twice, text
        assert not twice or (share >= twice[0] if at_least else share <= twice[0]), text
    assert "one in " not in text or bad == (total if at_least else 0), text


def own_limit_is_named(asked: dict[str, Any], gate: GateResult) -> None:
    """Of a gate with a limit alone it is that one, of one with a margin alone stable's share with the margin."""
    given, margin = asked.get("max", asked.get("min")), asked.get("versusStable")
    named = found(rf"; allowed [<>]= {NUMBER} %", gate.message)
    if not named or " refused" in gate.message:
        return
    if given and not margin:
        assert named[0] == number(given.removesuffix("%")), gate.message
    beside = found(rf" vs stable {NUMBER} %; allowed <= {NUMBER} %", gate.message)
    if margin and not given and beside:
        stable, limit = beside
        expected = min(margin["ratio"] * stable + number(margin["plus"].removesuffix("%")), 100.0)
        assert limit == pytest.approx(expected, rel=0.07, abs=0.01), gate.message


def pieces(most: float) -> st.SearchStrategy[list[float]]:
    """Three stretches of a rollout, as rates."""
    rates = st.one_of(st.just(0.0), st.floats(0.0005, most), st.sampled_from([0.01, 0.0125, 0.1, 1.0]))
    return st.lists(rates.map(lambda rate: min(rate, 1.0)), min_size=3, max_size=3)


@st.composite
def shares(draw: st.DrawFn) -> tuple[dict[str, Any], float, list[float], list[float], float, bool]:
    kind = draw(st.sampled_from(["ErrorRate", "refused", "Accuracy", "NonFinite"]))
    limits: dict[str, Any] = {}
    if draw(st.booleans()):
        limits["min" if kind == "Accuracy" else "max"] = draw(st.sampled_from(["1%", "1.25%", "50%", "0.1%", "99%"]))
    if draw(st.booleans()):
        limits["versusStable"] = {
            "ratio": draw(st.sampled_from([1, 1.25, 2])),
            "plus": draw(st.sampled_from(["0%", "1%"])),
        }
    gate = {"type": "ErrorRate" if kind == "refused" else kind, "method": draw(METHODS), **limits}
    until = draw(st.sampled_from([90, 300, 900, 1500]))
    per = draw(st.sampled_from([0.4, 4, 40]))
    candidate, stable = draw(pieces(0.2)), draw(pieces(0.2))
    return {**gate, "_kind": kind}, until, stable, candidate, per, draw(st.booleans())


def counted(kind: str, until: float, stable: list[float], candidate: list[float], per: float) -> Recording:
    """Samples in which the rates of both versions change twice."""
    times = scrapes(until)
    stretch = np.clip(np.floor(3 * (times - START) / until), 0, 2).astype(int)
    rec = Recording(times, "traefik").growing(GATEWAY_HEARTBEAT, 0)
    for version, rates, since, each in (("1", stable, -np.inf, 100.0), ("2", candidate, START, per)):
        rate = np.array(rates)[stretch]
        # whole requests, spread evenly
        bad = np.diff(np.floor(np.cumsum(rate * each)), prepend=0.0)
        total = np.maximum(np.diff(np.floor(np.cumsum(np.full(times.shape, each))), prepend=0.0), bad)
        labels = {"model": "digits", "version": version}
        if kind == "Accuracy":
            rec.growing(s.EVALS, total, since=since, source="labels", **labels)
            rec.growing(s.CORRECT, total - bad, since=since, source="labels", **labels)
        elif kind == "NonFinite":
            rows = {**labels, "layer": "h1"}
            rec.growing(s.SAMPLES, total, since=since, **rows).growing(s.ELEMENTS, 8 * total, since=since, **rows)
            rec.growing(s.NONFINITE, 8 * bad, since=since, kind="nan", **rows)
        else:
            code = "400" if kind == "refused" else "500"
            rec.growing(GATEWAY_REQUESTS, total - bad, since=since, code="200", service=backend(version))
            rec.growing(GATEWAY_REQUESTS, bad, since=since, code=code, service=backend(version))
    return rec


ERRORS = {"type": "ErrorRate", "method": "Sequential", "_kind": "ErrorRate"}


@pytest.mark.slow
@given(shares())
@example(
    (
        {
            "type": "ErrorRate",
            "method": "Sequential",
            "versusStable": {"ratio": 1, "plus": "1%"},
            "_kind": "ErrorRate",
        },
        90,
        [0.0, 0.0, 1.0],
        [0.0, 0.0, 0.125],
        40,
        False,
    )
)
@example(
    (
        {"type": "ErrorRate", "method": "Sequential", "_kind": "ErrorRate"},
        1500,
        [0, 0, 0.125],
        [0, 0.03125, 0],
        4,
        False,
    )
)
@example(
    (
        {"type": "ErrorRate", "method": "Sequential", "_kind": "ErrorRate"},
        900,
        [0.03125, 0, 0],
        [0, 0, 0.015625],
        40,
        False,
    )
)
@example((ERRORS, 90, [0, 0, 0], [0.125, 0, 0], 40, True))
@example(({**ERRORS, "max": "1%"}, 900, [0, 0, 0], [0, 0, 0.2], 40, False))
@example(({**ERRORS, "versusStable": {"ratio": 1.25, "plus": "1%"}}, 900, [0.02] * 3, [0.02, 0.02, 0.2], 40, False))
def test_a_share_is_on_the_side_of_its_limit_that_the_verdict_says(drawn):
    asked, until, stable, candidate, per, baking = drawn
    kind, gate = asked["_kind"], {key: value for key, value in asked.items() if key != "_kind"}
    when = {"bake_started_at": START + until // 2} if baking else {}
    one = judged(gate, until, counted(kind, until, stable, candidate, per), **when)
    share_agrees(one)
    if not baking:  # then a margin is over what stable was before
        own_limit_is_named(asked, one)
    odds_decide(one)
    figures_are_those_of_the_sentence(one)


def milliseconds(text: str) -> float:
    value, unit = text.split()
    return number(value) * {"ms": 1, "s": 1000}[unit]


def latency_agrees(gate: GateResult, method: str) -> None:
    text = gate.message
    slow = re.search(
        rf"candidate (P[\d.]+) (<=|>) ([\d.]+ m?s), {NUMBER} % slower than ([\d.]+ m?s) \({NUMBER}/{NUMBER}\)", text
    )
    if slow is None or gate.verdict == "NO_DATA":
        return
    name, side, observed, share, edge, bad, total = slow.groups()
    assert number(share) == pytest.approx(100 * number(bad) / number(total), rel=0.06, abs=100 / number(total)), text
    allowed = re.search(rf"; allowed {name} <= ([\d.]+ m?s)(?: \(the last bucket edge is ([\d.]+ m?s))?", text)
    assert allowed is not None, text
    assert edge == (allowed.group(2) or allowed.group(1)), text
    assert gate.verdict != "FAIL" or allowed.group(2) is None, text
    tail = 100 - float(name[1:])
    above = side == ">" or milliseconds(observed) > milliseconds(edge)
    assert above == (number(bad) > tail / 100 * number(total) + 1e-6), text
    beyond = number(bad) / number(total) - tail / 100
    if gate.verdict == "FAIL":
        assert above, text
        assert beyond > 0, text
    if gate.verdict == "PASS":
        assert not above or method == "Sequential", text
        assert beyond <= 0.25 * tail / 100 + 1e-6, text
    stable = re.search(rf"vs stable {name} (<=|>) ([\d.]+ m?s)(?:, {NUMBER} % slower than ([\d.]+ m?s))?", text)
    if stable is not None and stable.group(3) is not None:
        within = stable.group(1) == "<=" and milliseconds(stable.group(2)) <= milliseconds(stable.group(4))
        figures = 10 ** -len(stable.group(3).partition(".")[2])
        assert within or number(stable.group(3)) >= tail - figures, text
        assert not within or number(stable.group(3)) <= tail + figures, text
    none = re.search(rf"None in {NUMBER} requests slower than ([\d.]+ m?s)", text)
    assert "None in" not in text or none is not None, text
    if none is not None:
        assert none.group(1) == total, text
        assert milliseconds(none.group(2)) > milliseconds(edge) or number(bad) == 0, text


Spread = dict[float, float]


@st.composite
def histograms(draw: st.DrawFn) -> tuple[dict[str, Any], float, tuple[list[Spread], list[Spread]], bool]:
    quantile = draw(st.sampled_from([0.5, 0.9, 0.99]))
    gate: dict[str, Any] = {"type": "Latency", "method": draw(METHODS), "quantile": quantile}
    if draw(st.booleans()):
        gate["max"] = draw(st.sampled_from(["45ms", "50ms", "100ms", "1s"]))
    if draw(st.booleans()):
        gate["versusStable"] = {"buckets": draw(st.integers(1, 2))}
    growths = st.sampled_from([0.05, 0.2, 1, 5, 30])
    spread = st.dictionaries(st.sampled_from([*EDGES, np.inf]), growths, min_size=1, max_size=4)
    spreads = st.one_of(spread.map(lambda one: [one] * 3), st.lists(spread, min_size=3, max_size=3))
    stable = draw(spreads)
    candidate = draw(st.one_of(spreads, st.just(stable)))
    return gate, draw(st.sampled_from([120, 600, 1200])), (stable, candidate), draw(st.booleans())


def changing(until: float, stable: list[Spread], candidate: list[Spread]) -> Recording:
    """As recorded.histogram, with latencies that change twice."""
    found = Recording(scrapes(until), "traefik")
    stretch = np.clip(np.floor(3 * (found.times - START) / until), 0, 2).astype(int)
    for version, spreads, since in (("1", stable, -np.inf), ("2", candidate, START)):
        labels = {"code": "200", "service": backend(version)}
        for edge in (*EDGES, np.inf):
            slow = np.array([sum(number for under, number in one.items() if under <= edge) for one in spreads])
            name = "+Inf" if edge == np.inf else f"{edge:g}"
            found.growing(GATEWAY_DURATION, slow[stretch], since=since, le=name, **labels)
        found.growing(GATEWAY_REQUESTS, slow[stretch], since=since, **labels)
    return found


P90 = {"type": "Latency", "method": "Sequential", "quantile": 0.9}
P99 = {**P90, "quantile": 0.99}


@pytest.mark.slow
@given(histograms())
@example((P90, 1200, ([{0.01: 9.955, 0.02: 0.005, 0.05: 0.04}] * 3, [{0.01: 9.9, 0.05: 0.1}] * 3), False))
@example((P90, 1200, ([{0.01: 8, np.inf: 2}] * 3, [{0.01: 7, np.inf: 3}] * 3), True))
@example((P99, 1200, ([{0.01: 9, 0.04: 0.9, np.inf: 0.1}] * 3, [{0.01: 9, 0.05: 0.8, np.inf: 0.2}] * 3), False))
def test_a_latency_names_the_edge_and_the_quantile_that_decided(drawn):
    gate, until, (stable, candidate), baking = drawn
    when = {"bake_started_at": START + until // 2} if baking else {}
    one = judged(gate, until, changing(until, stable, candidate), **when)
    latency_agrees(one, gate["method"])
    odds_decide(one)
    figures_are_those_of_the_sentence(one)


DEAD = st.lists(st.sampled_from([0, 2, 9, 10, 11, 14, 20, 30, 50, 90]), min_size=2, max_size=2)


@pytest.mark.slow
@given(METHODS, st.sampled_from([100, 600, 900]), DEAD, DEAD, st.sampled_from([None, "10%", "9.5%", "50%"]))
@example("Threshold", 900, [14, 14], [2, 2], None)
@example("Sequential", 900, [50, 50], [2, 50], None)
def test_a_layer_is_on_the_side_of_its_limit_that_the_verdict_says(method, until, candidate, stable, limit):
    half = (scrapes(until) - START > until / 2).astype(int)
    dead, known = np.array(candidate)[half], np.array(stable)[half]
    gate: dict[str, Any] = {"type": "DeadNeurons", "method": method, **({"max": limit} if limit else {})}
    rec = dead_windows(until, "h1", stable=0, candidate=0)
    for version, values, since in (("1", known, -np.inf), ("2", dead, START)):
        labels = {"model": "digits", "version": version, "layer": "h1"}
        rec.growing(s.WINDOW_DEAD, values, since=since, **labels)
        rec.growing(s.WINDOW_DEAD_SQUARED, values.astype(float) ** 2, since=since, **labels)
    one = judged(gate, until, rec)
    figures = found(rf"candidate {NUMBER} % dead.*; allowed <= {NUMBER} %", one.message)
    if one.verdict in {"FAIL", "PASS"}:
        share, limit = figures
        told = "though their mean is within it" in one.message
        assert (share > limit or told) == (one.verdict == "FAIL"), one.message
    figures_are_those_of_the_sentence(one)


RATIOS = st.sampled_from([("ZeroRatio", "zero", s.ZEROS), ("NegativeRatio", "negative", s.NEGATIVES)])


@pytest.mark.slow
@given(st.data())
def test_a_ratio_is_where_the_verdict_says(data):
    kind, noun, part_of = data.draw(RATIOS)
    method, until = data.draw(METHODS), data.draw(st.sampled_from([120, 600, 900]))
    times = scrapes(until)
    part = np.clip(np.floor(4 * (times - START) / until), 0, 3).astype(int)
    zeros = np.array(
        data.draw(st.lists(st.sampled_from([10, 29, 30, 31, 50, 69, 70, 71, 73, 90]), min_size=4, max_size=4))
    )
    rec = Recording(times)
    for version, values, since in (("1", np.full(times.shape, 50), -np.inf), ("2", zeros[part], START)):
        labels = {"model": "digits", "version": version, "layer": "h1"}
        rec.growing(s.ELEMENTS, 100, since=since, **labels).growing(part_of, values, since=since, **labels)
    gate: dict[str, Any] = {"type": kind, "method": method, "required": True}
    if data.draw(st.booleans()):
        gate["within"] = ["30%", "70%"]
    one = judged(gate, until, rec)
    figures = found(rf"candidate {NUMBER} % {noun}.*; allowed {NUMBER} % to {NUMBER} %", one.message)
    if one.verdict in {"FAIL", "PASS"}:
        share, low, high = figures
        inside = low <= share <= high
        assert inside == (one.verdict == "PASS" or "not clear of it" in one.message), one.message
    figures_are_those_of_the_sentence(one)


MOVED = st.lists(st.sampled_from([0, 5, 9, 10, 11, 30, 60, 100]), min_size=4, max_size=4)


@pytest.mark.slow
@given(METHODS, st.sampled_from([120, 600, 900]), MOVED, st.sampled_from(["1%", "2.5%", "10%", "50%"]))
@example("Sequential", 600, [0, 0, 0, 10], "2.5%")
def test_a_divergence_is_where_the_verdict_says(method, until, moved, limit):
    times = scrapes(until)
    part = np.clip(np.floor(4 * (times - START) / until), 0, 3).astype(int)
    rec = Recording(times)
    for version, high, since in (("1", np.zeros(times.shape), -np.inf), ("2", np.array(moved)[part], START)):
        labels = {"model": "digits", "version": version, "layer": "h1"}
        for edge, grown in (("1", 100 - high), ("2", np.full(times.shape, 100)), ("+Inf", np.full(times.shape, 100))):
            rec.growing(s.MAGNITUDES, grown, since=since, le=edge, **labels)
    one = judged({"type": "Drift", "method": method, "required": True, "max": limit}, until, rec)
    figures = found(rf"candidate {NUMBER} % divergence; allowed <= {NUMBER} %", one.message)
    if one.verdict in {"FAIL", "PASS"}:
        share, most = figures
        told = "not clear of it" in one.message or "though their mean is within it" in one.message
        assert (share <= most) == (one.verdict == "PASS" or told), one.message
    figures_are_those_of_the_sentence(one)


COLUMN = st.lists(st.tuples(*[st.sampled_from([0, 1, 2, 5, 99, 100])] * 2), min_size=1, max_size=9)


@given(st.sampled_from(["ErrorRate", "Accuracy", "NonFinite"]), COLUMN, COLUMN, st.sampled_from([None, "1%", "99%"]))
def test_what_judge_says_of_past_counts_is_on_the_side_of_its_verdict(kind, candidate, stable, limit):
    limits = {} if limit is None else {"min" if kind == "Accuracy" else "max": limit}
    gate = _File.model_validate({"gates": [{"name": "g", "type": kind, **limits}]}).gates[0]
    rows = [
        f"r,{60 * (at + 1)},{bad},{max(bad, total)},{known},{max(known, all_known)}"
        for at, ((bad, total), (known, all_known)) in enumerate(zip(candidate, stable * 9, strict=False))
    ]
    columns = "rollout,time,candidate_bad,candidate_total,stable_bad,stable_total"
    (one,) = judge_ticks(gate, [columns, *rows], increments=True)
    figures = found(rf"candidate {NUMBER} %[^(;]* \({NUMBER}/{NUMBER}\).*; allowed <= {NUMBER} %", one.message)
    if one.verdict in {"FAIL", "PASS"}:
        share, bad, total, most = figures
        assert share == pytest.approx(100 * bad / total, rel=0.06, abs=100 / total), one.message
        assert one.verdict == "PASS" or share > most, one.message
    against = found(
        rf"[Oo]dds (?:over )?{NUMBER}:1 against the candidate \(\w+ back at (?:over )?{NUMBER}:1\)", one.message
    )
    if against:
        assert (against[0] >= against[1]) == (one.verdict == "FAIL"), one.message


def test_what_judge_rounds_is_not_its_limit():
    gate = _File.model_validate({"gates": [{"name": "g", "type": "ErrorRate", "max": "1%"}]}).gates[0]
    rows = [f"r,{60 * (at + 1)},10004,1000000,0,1000000" for at in range(3)]
    columns = "rollout,time,candidate_bad,candidate_total,stable_bad,stable_total"
    (one,) = judge_ticks(gate, [columns, *rows], increments=True)
    assert "candidate 1.0004 % (30,012/3.0 million)" in one.message, one.message
    assert "allowed <= 1 %" in one.message, one.message


def test_every_gate_type_is_drawn():
    drawn = set(re.findall(r"[\"'](\w+)[\"']", Path(__file__).read_text(encoding="utf-8")))
    assert set(gate_types()) - {"Webhook"} <= drawn, "but for those whose sentence is another system's"


@pytest.mark.slow
@given(
    st.lists(st.sampled_from([1.0, 9.4, 9.5, 9.99, 10.0, 10.0000001, 10.4, 10.5, 10.6, 30.0]), min_size=1, max_size=8)
)
def test_a_query_says_where_its_value_lies(values):
    series = make_series({}, [(START + 15.0 * (k + 1), value) for k, value in enumerate(values)])
    gate = {"type": "Query", "query": "x", "max": "10"}
    rec = Recording(scrapes(15 * len(values) + 1)).growing(s.SUCCESS, 1, model="digits", version="2")
    one = judged(gate, 15 * len(values) + 1, rec, values=[series])
    if one.verdict == "NO_DATA":
        return
    (value, limit) = found(rf"value {NUMBER}; allowed <= {NUMBER}\.", one.message)
    assert (value > limit) == (values[-1] > 10)
    if one.verdict == "PASS" and value > limit:
        assert "give or take 5.0 % of it" in one.message
        assert value <= 1.05 * limit


@given(st.floats(0, 1), st.floats(0, 1))
@example(0.0100001, 0.01)
@example(0.99949, 0.9995)
def test_rounding_never_turns_a_relation_round(one, other):
    share, limit = (float(text.removesuffix(" %")) for text in say.beside(one, other))
    if abs(one - other) > 1e-12:
        assert (share > limit) == (one > other)


@given(st.floats(0.05, 650), st.floats(0.05, 650))
@example(np.log(31.1), np.log(31.25))
@example(np.log(3e6), np.log(2e6))
def test_odds_that_are_not_enough_are_never_shown_as_enough(found_odds, needed):
    text = say.evidence(found_odds, needed, 0.0)
    shown, line = found(
        rf"odds (?:over )?{NUMBER}:1 against the candidate \(rolls back at (?:over )?{NUMBER}:1\)", text
    )
    if abs(found_odds - needed) > 1e-9:
        assert (shown >= line) == (found_odds >= needed), text
