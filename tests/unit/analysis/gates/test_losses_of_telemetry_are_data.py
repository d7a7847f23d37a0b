"""Rows that telemetry refused are no evidence that all is well: no PASS on what was left of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from activation_health.evals import LOST
from activation_health.spec import REASONS
from modelrollout.core.analysis.gates.checks.losses import ANSWER_FIXES, DROP_FIXES
from modelrollout.core.analysis.metrics import model_series as s
from tests.unit.analysis.gates.judged import BOTH, judged
from tests.unit.analysis.recorded import START, Recording, dead_windows, look, request_of, scrapes, spec_of

UNTIL = 900
OFTEN = {"interval": "5s"}
GATES: Mapping[str, dict[str, Any]] = {
    "dead": {"type": "DeadNeurons"},
    "nan": {"type": "NonFinite"},
    "zero": {"type": "ZeroRatio", "within": ["30%", "70%"]},
    "negative": {"type": "NegativeRatio", "within": ["30%", "70%"]},
    "drift": {"type": "Drift", "max": "10%"},
}
Drops = Mapping[str, Any]


def telemetry(stable: Drops, candidate: Drops, *, layers: Mapping[str, float], counted: str = s.OBSERVATIONS):
    """A healthy pair: what each dropped per scrape by reason; `layers`: what the candidate's took of 20, by name."""
    found = []
    for layer, took in layers.items():
        found.append(dead_windows(UNTIL, layer, stable=5, candidate=5))
        rec = Recording(scrapes(UNTIL), f"rows-{layer}")
        for version, since, each in (("1", -np.inf, 20.0), ("2", START, took)):
            labels = {"model": "digits", "version": version, "layer": layer}
            rows = {s.SAMPLES: 20, s.ELEMENTS: 20, s.ZEROS: 10, s.NEGATIVES: 10}
            for metric, growth in {**rows, counted: each}.items():
                rec.growing(metric, growth, since=since, **labels)
            rec.growing(s.NONFINITE, 0, since=since, kind="nan", **labels)
            for le, below in (("1", 18), ("+Inf", 20)):
                rec.growing(s.MAGNITUDES, below, since=since, le=le, **labels)
        found.append(rec)
    refused = Recording(scrapes(UNTIL), "refused")
    for version, since, drops in (("1", -np.inf, stable), ("2", START, candidate)):
        for reason in REASONS:
            labels = {"model": "digits", "version": version, "reason": reason}
            refused.growing(s.DROPPED, drops.get(reason, 0), since=since, **labels)
    return [*found, refused]


async def gates_of(*recordings, method="Sequential", **kw):
    gates = [{"name": name, "method": method, **gate} for name, gate in GATES.items()]
    found = await look(request_of(spec_of(*gates, **OFTEN), **kw), UNTIL, *recordings)
    return {gate.name: gate for gate in found.gates}, found.warnings


@BOTH
@pytest.mark.slow
async def test_without_drops_every_gate_passes(method):
    found, warnings = await gates_of(*telemetry({}, {}, layers={"h1": 20}), method=method)
    assert {name: gate.verdict for name, gate in found.items()} == dict.fromkeys(GATES, "PASS")
    assert not any("lost" in text for text in warnings)


@pytest.mark.slow
@pytest.mark.alike(2)
@BOTH
@pytest.mark.parametrize("reason", REASONS)
async def test_no_gate_on_activations_passes_on_the_rows_that_were_left(method, reason):
    found, _ = await gates_of(*telemetry({}, {reason: 18}, layers={"h1": 2}), method=method)
    for gate in found.values():
        assert gate.verdict == "NO_DATA", gate.message
        assert gate.layer == "h1"
        assert gate.message.startswith("ObservationsDropped: layer h1 of version 2 lost 90.0 % of its observations (")
        assert reason in gate.message
        assert DROP_FIXES[reason] in gate.message


@pytest.mark.alike(1)
@pytest.mark.parametrize("counted", [s.OBSERVATIONS, s.OFFERED, s.SAMPLES])
async def test_older_telemetry_is_read_by_the_rows_it_was_shown(counted):
    recordings = telemetry({}, {"width": 90}, layers={"h1": 10}, counted=counted)
    found, _ = await gates_of(*recordings)
    assert {gate.verdict for gate in found.values()} == {"NO_DATA"}


@pytest.mark.slow
async def test_the_layer_that_took_fewer_is_the_one_that_lost_them():
    found, _ = await gates_of(*telemetry({}, {"reused": 19}, layers={"h1": 20, "h2": 1, "h3": 20}))
    assert found["dead"].message.startswith(
        "ObservationsDropped: layer h2 of version 2 lost 95.0 % of its observations"
    )


async def test_a_few_are_a_warning():
    found, warnings = await gates_of(*telemetry({}, {"empty": 2}, layers={"h1": 18}))
    assert {gate.verdict for gate in found.values()} == {"PASS"}
    (text,) = [text for text in warnings if text.startswith("dead: ")]
    assert "layer h1 of version 2 lost 10.0 % of its observations" in text
    assert DROP_FIXES["empty"] in text


@pytest.mark.slow
async def test_very_few_are_not():
    _, warnings = await gates_of(*telemetry({}, {"empty": 1}, layers={"h1": 99}))
    assert not any("lost" in text for text in warnings)


def another_address(dropping: float) -> Recording:
    """One of the candidate's that appears late, with a life behind it in which it dropped nearly everything."""
    times = scrapes(UNTIL)
    found = Recording(times[times >= START + 100], "new")
    labels: dict[str, Any] = {"model": "digits", "version": "2"}
    since = np.arange(len(found.times))
    for metric in (s.SAMPLES, s.OBSERVATIONS):
        found.reading(metric, 20 + 20 * since, **labels, layer="h1")
    return found.reading(s.DROPPED, 90_000 + dropping * since, **labels, reason="tracing")


@pytest.mark.parametrize(("dropping", "verdict"), [(0, "PASS"), (180, "NO_DATA")])
async def test_drops_before_the_first_scrape_are_as_unknown_as_the_rows_taken_until_then(dropping, verdict):
    found, _ = await gates_of(*telemetry({}, {}, layers={"h1": 20}), another_address(dropping))
    assert found["dead"].verdict == verdict, found["dead"].message


@pytest.mark.slow
async def test_two_versions_that_lose_alike_are_compared():
    """A layer that runs three times in each pass: two of three are refused in both versions."""
    found, warnings = await gates_of(*telemetry({"reused": 40}, {"reused": 40}, layers={"h1": 20}))
    assert {gate.verdict for gate in found.values()} == {"PASS"}
    assert any("66.7 %" in text for text in warnings)


@pytest.mark.slow
async def test_a_stable_that_lost_most_is_nothing_to_compare_with():
    found, _ = await gates_of(*telemetry({"dtype": 180}, {}, layers={"h1": 20}))
    assert found["dead"].verdict == "NO_DATA"
    assert "layer h1 of version 1 lost 90.0 % of its observations" in found["dead"].message
    assert found["zero"].verdict == "PASS", "a band of its own needs nothing of stable"


@pytest.mark.slow
async def test_drops_that_begin_in_this_step_count_though_the_rollout_was_good():
    late = np.where(scrapes(UNTIL) >= START + 840, 180.0, 0.0)
    steps = ((5, START), (50, START + 840))
    found, _ = await gates_of(*telemetry({}, {"rank": late}, layers={"h1": 20}), steps=steps)
    assert found["dead"].verdict == "NO_DATA"


def lives(length: int, dropped: Mapping[int, int]):
    """A candidate whose process starts again every `length` scrapes and drops as much in each life, by its scrape."""
    found = telemetry({}, {}, layers={"h1": 20})[:-1]
    rows, since = found[1], int(np.count_nonzero(scrapes(UNTIL) < START))
    age = np.arange(len(rows.times) - since) % length
    for key, points in rows.points.items():
        if ("version", "2") in key and ("__name__", s.NONFINITE) not in key:
            points[:, 1] = points[0, 1] * (age + 1)
    each = np.cumsum([dropped.get(at, 0) for at in range(length)])[age]
    values = np.concatenate([np.zeros(since), each])
    rows.reading(s.DROPPED, values, since=START, model="digits", version="2", reason="width")
    return found


@pytest.mark.alike(1)
@pytest.mark.parametrize("dropped", [{0: 360}, {0: 120, 1: 240}, {0: 300, 6: 60}], ids=str)
async def test_a_process_that_starts_again_and_drops_the_same_each_time_hides_nothing(dropped):
    """Its counter is where it was at the next scrape, or the one after: 360 of 600 are dropped in each life."""
    found, _ = await gates_of(*lives(12, dropped))
    for name in ("nan", "zero"):
        assert found[name].verdict == "NO_DATA", found[name].message
        share = float(found[name].message.partition(" lost ")[2].partition(" %")[0])
        assert 57 <= share <= 60.5, found[name].message


async def test_bad_rows_are_bad_whatever_was_dropped():
    dead = dead_windows(UNTIL, "h1", stable=5, candidate=80)
    drops = telemetry({}, {"width": 180}, layers={"h2": 20})
    gate = await judged({"name": "dead", "type": "DeadNeurons"}, UNTIL, dead, *drops)
    assert gate.verdict == "FAIL"


def answers(stable: Drops, candidate: Drops, source: str = "labels") -> Recording:
    rec = Recording(scrapes(UNTIL))
    for version, since, lost in (("1", -np.inf, stable), ("2", START, candidate)):
        labels = {"model": "digits", "version": version}
        rec.growing(s.EVALS, 100, since=since, source=source, **labels)
        rec.growing(s.CORRECT, 97, since=since, source=source, **labels)
        for reason in LOST:
            rec.growing(s.EVALS_LOST, lost.get(reason, 0), since=since, reason=reason, **labels)
    return rec


@pytest.mark.alike(1)
@BOTH
@pytest.mark.parametrize(
    ("source", "reason"),
    [*(("labels", one) for one in LOST if one != "unanswered"), ("golden", "unanswered"), ("shadow", "mismatched")],
)
async def test_accuracy_does_not_pass_on_the_answers_that_were_left(method, source, reason):
    gate = {"name": "accuracy", "type": "Accuracy", "labels": source, "method": method}
    assert (await judged(gate, UNTIL, answers({}, {}, source))).verdict == "PASS"
    found = await judged(gate, UNTIL, answers({}, {reason: 300}, source))
    assert found.verdict == "NO_DATA", found.message
    text = f"AnswersLost: version 2 lost 75.0 % of its answers (54,000/72,000; {reason} 54,000). Fix {reason}: "
    assert found.message.startswith(text)
    assert ANSWER_FIXES[reason] in found.message


async def test_labels_for_few_answers_of_either_version_are_no_loss_of_one():
    """One answer in fifty ever gets its label: the others expire, in both versions."""
    gate = {"name": "accuracy", "type": "Accuracy"}
    assert (await judged(gate, UNTIL, answers({"expired": 4900}, {"expired": 4800}))).verdict == "PASS"


def test_every_reason_of_telemetry_has_a_fix():
    assert set(DROP_FIXES) == set(REASONS)
    assert set(ANSWER_FIXES) == set(LOST)
