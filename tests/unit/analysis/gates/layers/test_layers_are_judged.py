"""Gates on a network's layers: dead units, sparsity, drift, and what makes two layers comparable."""

from __future__ import annotations

import numpy as np
import pytest

from modelrollout.core import reasons
from modelrollout.core.analysis.metrics import model_series as s
from tests.unit.analysis.gates.judged import BOTH, DEAD, ERRORS, PLAIN, judged
from tests.unit.analysis.recorded import (
    START,
    Recording,
    dead_windows,
    gateway,
    look,
    request_of,
    scrapes,
    spec_of,
)


@BOTH
async def test_the_layer_that_died_is_named(method):
    recs = [dead_windows(300, "h1", stable=7, candidate=74), dead_windows(300, "h2", stable=6, candidate=6)]
    gate = await judged({**DEAD, "method": method}, 300, *recs)
    assert (gate.verdict, gate.layer) == ("FAIL", "h1")
    assert (gate.observed, gate.stable, gate.limit) == ("74.0 % dead", "7.0 % dead", "<= 24 %")


@BOTH
async def test_equally_alive_layers_pass(method):
    recs = [dead_windows(600, "h1", stable=7, candidate=9), dead_windows(600, "h2", stable=6, candidate=5)]
    assert (await judged({**DEAD, "method": method}, 600, *recs)).verdict == "PASS"


async def test_two_dead_units_more_are_no_reason_even_where_stable_has_none():
    recs = [dead_windows(600, "h1", stable=0, candidate=2)]
    gate = {**DEAD, **PLAIN, "versusStable": {"ratio": 1.05, "plus": "0.5%"}}
    assert (await judged(gate, 600, *recs)).verdict == "PASS"


async def test_windows_of_different_size_are_not_comparable():
    gate = await judged(DEAD, 300, dead_windows(300, "h1", stable=7, candidate=7, size=(200, 100)))
    assert gate.verdict == "NOT_COMPARABLE"
    assert gate.message.startswith("WindowSizesDiffer:")


async def test_layers_that_only_one_version_has_are_not_comparable():
    rec = dead_windows(300, "h1", stable=7, candidate=7)
    rec.growing(s.WINDOWS, 1, since=START, model="digits", version="2", layer="h9")
    gate = await judged(DEAD, 300, rec)
    assert gate.verdict == "NOT_COMPARABLE"
    assert gate.message.startswith("LayersDiffer:")


async def test_a_candidate_without_telemetry_is_no_data_and_held():
    rec = Recording(scrapes(300)).growing(s.WINDOWS, 1, model="digits", version="1", layer="h1")
    found = await look(request_of(spec_of(DEAD)), 300, rec)
    assert found.gates[0].verdict == "NO_DATA"
    assert found.halt == reasons.SAMPLES_MISSING


@pytest.mark.alike(4)
@pytest.mark.parametrize(
    ("sentence", "per_scrape", "within", "verdict"),
    [
        ("inside the band", (50, 50), ["30%", "70%"], "PASS"),
        ("above the band", (50, 90), ["30%", "70%"], "FAIL"),
        ("below the band", (50, 10), ["30%", "70%"], "FAIL"),
        ("like stable", (50, 51), None, "PASS"),
        ("drifted from stable", (50, 70), None, "FAIL"),
    ],
)
@BOTH
async def test_sparsity_is(sentence, per_scrape, within, verdict, method):
    rec = Recording(scrapes(1500))
    for version, zeros, since in (("1", per_scrape[0], -np.inf), ("2", per_scrape[1], START)):
        labels = {"model": "digits", "version": version, "layer": "h1"}
        rec.growing(s.ELEMENTS, 100, since=since, **labels).growing(s.ZEROS, zeros, since=since, **labels)
    gate = {"name": "sparsity", "type": "ZeroRatio", "method": method}
    spec = spec_of({**gate, **({"within": within} if within else {})}, interval="5s")
    found = await judged(None, 1500, rec, request=request_of(spec))
    assert found.verdict == verdict, sentence
    assert found.required is (within is not None)


ALL_ZERO = {"name": "sparsity", "type": "ZeroRatio", "required": True}


def sparse(until, before, stable, candidate):
    """Shares of zeros of two layers in percent; each a number, or one a scrape."""
    rec = Recording(scrapes(until, before=before))
    for version, zeros, since in (("1", stable, -np.inf), ("2", candidate, START)):
        for layer in ("h1", "h2"):
            labels = {"model": "digits", "version": version, "layer": layer}
            share = 50 if layer == "h2" else zeros
            rec.growing(s.ELEMENTS, 100, since=since, **labels).growing(s.ZEROS, share, since=since, **labels)
    return rec


@pytest.mark.parametrize(("interval", "before", "until"), [("15s", 1800, 300), ("15s", 60, 720), ("60s", 1800, 1200)])
@pytest.mark.parametrize("zeros", [100, 0])
async def test_a_layer_gone_to_zero_fails_long_before_stable_has_a_hundred_batches(interval, before, until, zeros):
    request = request_of(spec_of(ALL_ZERO, interval=interval))
    gate = await judged(None, until, sparse(until, before, 50, zeros), request=request)
    assert (gate.verdict, gate.layer, gate.required) == ("FAIL", "h1", True), gate.message
    assert (
        gate.message == f"layer h1: candidate {zeros} % zero vs stable 50.0 %; allowed 47 % to 53 %. Beyond the limit"
    )


async def test_what_few_batches_of_stable_cannot_tell_is_said():
    near = await judged(None, 600, sparse(600, 1800, 50, 54), request=request_of(spec_of(ALL_ZERO)))
    assert near.verdict == "CONTINUE"
    assert near.message.endswith(
        "Stable has 39 batches: with fewer than 100 only a share far beyond the limit can fail"
    )
    soon = await judged(None, 300, sparse(300, 60, 50, 100), request=request_of(spec_of(ALL_ZERO)))
    assert soon.verdict == "CONTINUE"
    assert soon.message.endswith(
        "Far beyond the limit in the newest evaluation; can fail only once stable has 10 batches, it has 5"
    )


async def test_requests_that_change_for_both_versions_blame_neither():
    moved = np.where(scrapes(150) >= START, 90, 50)
    request = request_of(spec_of(ALL_ZERO, interval="5s"))
    gate = await judged(None, 150, sparse(150, 1800, moved, 90), request=request)
    assert gate.verdict == "CONTINUE", gate.message
    assert gate.message.endswith("Beyond the limit, but stable has 90.0 % in the same time")


@pytest.mark.alike(1)
@BOTH
async def test_drift_beyond_its_limit_fails_and_without_a_limit_is_only_reported(method):
    rec = Recording(scrapes(900))
    for version, small, since in (("1", 90, -np.inf), ("2", 10, START)):
        labels = {"model": "digits", "version": version, "layer": "h1"}
        rec.growing(s.MAGNITUDES, small, since=since, le="1", **labels)
        rec.growing(s.MAGNITUDES, 100, since=since, le="+Inf", **labels)
    gate = {"name": "drift", "type": "Drift", "method": method}
    assert (await judged({**gate, "max": "10%"}, 900, rec)).verdict == "FAIL"
    free = await judged(gate, 900, rec)
    assert (free.verdict, free.required, free.observed) == ("CONTINUE", False, "53.1 % divergence")


def with_marks(metric, label, stable, candidate, until=900, **labels):
    """Both versions' series that say something by their label: [(value of the label, from second, to second)]."""
    found = Recording(scrapes(until), "triton-marks")
    for version, values in (("1", stable), ("2", candidate)):
        for value, first, last in values:
            mark = {"model": "digits", "version": version, label: value, **labels}
            found.reading(metric, 1, since=START + first, **mark)
            key = tuple(sorted({"__name__": metric, "job": "lab", "instance": "triton-marks", **mark}.items()))
            found.points[key] = [point for point in found.points[key] if point[0] < START + last]
    return found


async def test_units_that_count_as_dead_by_other_rules_are_not_compared():
    rec = dead_windows(900, "hidden_1", stable=10, candidate=90)
    marks = with_marks(s.LAYER_INFO, "dead_if", [("zero", -1800, 900)], [("dormant<=0.025", 0, 900)], layer="hidden_1")
    found = await look(request_of(spec_of(DEAD)), 600, rec, marks)
    assert found.gates[0].verdict == "NOT_COMPARABLE"
    assert found.gates[0].message.startswith("CriteriaDiffer:")


@pytest.mark.slow
async def test_the_digest_of_the_candidates_weights_is_reported_and_differing_addresses_hold():
    rec = gateway(900, stable=(9, 1), candidate=(9, 1))
    alike = with_marks(s.INFO, "digest", [("sha256:a", -1800, 900)], [("sha256:b", 0, 900)])
    found = await look(request_of(spec_of(ERRORS)), 600, rec, alike)
    assert (found.digest, found.halt) == ("sha256:b", None)
    reloaded = with_marks(s.INFO, "digest", [], [("sha256:b", 0, 300), ("sha256:c", 303, 900)])
    found = await look(request_of(spec_of(ERRORS)), 600, rec, reloaded)
    assert (found.digest, found.halt) == ("sha256:c", None)
    both = with_marks(s.INFO, "digest", [], [("sha256:b", 0, 900), ("sha256:c", 303, 900)])
    found = await look(request_of(spec_of(ERRORS)), 600, rec, both)
    assert (found.digest, found.halt) == (None, "WeightsDiffer")
