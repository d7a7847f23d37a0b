"""The limit of dead units is learned from promoted versions that were measured alike, and the sentence says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from modelrollout.api.status import LONGEST_LAYER, MOST_LAYERS, DeadShare, PromotedVersion
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.evaluation import GateResult
from tests.unit.analysis.gates.judged import BOTH, DEAD, judged
from tests.unit.analysis.recorded import START, Recording, dead_windows, look, promoted, request_of, spec_of

PAST = tuple(promoted(version, h1=dead) for version, dead in (("7", 0.06), ("8", 0.07), ("9", 0.08)))
LEARNED = "learned from 3 promoted versions, 6.0 % to 8.0 % dead"


def with_rule(rule: str) -> Recording:
    found = dead_windows(600, "h1", stable=7, candidate=9)
    for version in "12":
        found.reading(s.LAYER_INFO, 1, model="digits", version=version, layer="h1", dead_if=rule)
    return found


async def seen(past: tuple[PromotedVersion, ...], *recordings: Recording, **gate: Any) -> GateResult:
    request = request_of(spec_of({**DEAD, **gate}), promoted=past)
    found: GateResult = await judged(
        None, 600, *(recordings or (dead_windows(600, "h1", stable=7, candidate=9),)), request=request
    )
    return found


@BOTH
async def test_the_sentence_says_from_how_many_versions_the_limit_was_learned(method: str):
    found = await seen(PAST, method=method)
    assert f"({LEARNED})" in found.message
    assert found.verdict == "PASS"


@BOTH
async def test_what_the_default_allows_beyond_the_models_own_past_is_a_failure(method: str):
    past = tuple(promoted(str(n), h1=0.15 + n / 1000) for n in range(6))
    recording = dead_windows(600, "h1", stable=15, candidate=37)
    assert (await seen((), recording, method=method)).verdict == "PASS"
    found = await seen(past, recording, method=method)
    assert (found.verdict, "learned from 6 promoted versions" in found.message) == ("FAIL", True)


async def test_without_three_versions_it_is_the_default_and_says_so():
    assert "(default margin)" in (await seen(())).message
    two = "(default margin; 2 of 3 comparable promoted versions known)"
    assert two in (await seen(PAST[:2])).message
    assert two in (await seen((*PAST[:2], PAST[1]))).message


@pytest.mark.parametrize("changed", [{"units": 99}, {"window_size": 100}, {"dead_if": "zero"}])
async def test_a_version_that_was_measured_otherwise_is_left_out(changed: dict[str, Any]):
    assert "2 of 3" in (await seen((*PAST[:2], promoted("9", h1=0.08, **changed)))).message


@pytest.mark.slow
async def test_a_version_that_drifted_is_left_out():
    assert "2 of 3" in (await seen((*PAST[:2], promoted("9", h1=0.74)))).message
    assert f"({LEARNED})" in (await seen((promoted("6", h1=0.74), *PAST))).message


async def test_a_layer_of_another_name_is_left_out():
    assert "2 of 3" in (await seen((*PAST[:2], promoted("9", other=0.08)))).message


@pytest.mark.slow
async def test_the_rule_for_dead_units_is_part_of_the_measure():
    past = tuple(promoted(str(n), h1=0.07, dead_if="zero") for n in range(3))
    assert "learned from 3" in (await seen(past, with_rule("zero"))).message
    assert "(default margin)" in (await seen(past, with_rule("dormant<=0.025"))).message


@pytest.mark.slow
@pytest.mark.parametrize("gate", [{"max": "50%"}, {"versusStable": {"ratio": 2, "plus": "10%"}}])
async def test_a_limit_in_the_spec_is_the_limit(gate: dict[str, Any]):
    found = await seen(PAST, **gate)
    assert (found.limit, found.message) == ((await seen((), **gate)).limit, (await seen((), **gate)).message)
    assert "learned" not in found.message
    assert "default" not in found.message


async def test_retrains_say_nothing_of_the_same_weights():
    found = await seen(PAST, profile="SameWeights")
    assert found.limit == (await seen((), profile="SameWeights")).limit


async def test_each_layer_has_its_own_past():
    second = dead_windows(600, "h2", stable=7, candidate=80)
    found = await seen(PAST, dead_windows(600, "h1", stable=7, candidate=9), second)
    assert found.layer == "h2"
    assert "(default margin)" in found.message


async def test_an_evaluation_measures_the_layers_for_the_next_retrain():
    request = request_of(spec_of(DEAD))
    found = await look(request, 600, dead_windows(600, "h1", stable=7, candidate=9), with_rule("zero"))
    assert found.layers == (DeadShare(layer="h1", dead=0.09, units=100, window_size=200, dead_if="zero"),)
    few = await look(request, 31, dead_windows(31, "h1", stable=7, candidate=9))
    assert few.layers == ()


async def test_what_is_measured_counts_from_where_evidence_does():
    recording = dead_windows(1200, "h1", stable=7, candidate=9)
    recording.growing(s.WINDOW_DEAD, 50, since=START + 600, model="digits", version="2", layer="h1")
    found = await look(request_of(spec_of(DEAD), evidence_from=START + 600), 1200, recording)
    assert [one.dead for one in found.layers] == [0.5]


@pytest.mark.parametrize("size", [float("nan"), float("inf"), 1e300, 0.0, -1.0])
async def test_a_size_that_is_none_is_not_kept(size: float):
    recording = dead_windows(600, "h1", stable=7, candidate=9, size=(200, size))
    assert (await look(request_of(spec_of(DEAD)), 600, recording)).layers == ()


@pytest.mark.slow
async def test_what_is_kept_is_bounded_in_number_and_length():
    many = [dead_windows(600, f"h{n:03}", stable=7, candidate=9) for n in range(MOST_LAYERS + 1)]
    long = dead_windows(600, "a" * (LONGEST_LAYER + 1), stable=7, candidate=9)
    found = await look(request_of(spec_of(DEAD)), 600, long, *many)
    assert [one.layer for one in found.layers] == [f"h{n:03}" for n in range(MOST_LAYERS)]


@pytest.mark.slow
@pytest.mark.parametrize("text", ["h\x001", "h\n1", "\ud8001", "\u202eh", "h" * 10_000])
async def test_a_name_or_rule_that_no_status_should_hold_is_kept_clean_or_not_at_all(text: str):
    request = request_of(spec_of(DEAD))
    named = await look(request, 600, dead_windows(600, text, stable=7, candidate=9))
    ruled = await look(request, 600, dead_windows(600, "h1", stable=7, candidate=9), with_rule(text))
    for kept in (*named.layers, *ruled.layers):
        assert kept.layer.isprintable()
        assert kept.dead_if.isprintable()
        assert max(len(kept.layer), len(kept.dead_if)) <= LONGEST_LAYER


@pytest.mark.slow
async def test_the_same_past_read_from_the_status_again_gives_the_same_verdict():
    request = request_of(spec_of(DEAD), promoted=PAST)
    stored = tuple(PromotedVersion.model_validate_json(one.model_dump_json(by_alias=True)) for one in PAST)
    recording = dead_windows(600, "h1", stable=7, candidate=40)
    first = await look(request, 600, recording)
    assert first == await look(replace(request, promoted=stored), 600, recording)
    assert first == await look(replace(request, promoted=stored[::-1]), 600, recording)
