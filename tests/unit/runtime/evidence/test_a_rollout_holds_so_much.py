"""One rollout's samples and table, and those of all together, fit into memory: by a shorter past, and said aloud."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.evaluation import Evaluation, MetricsOutage
from modelrollout.runtime.evaluation import evaluator as evaluating
from modelrollout.runtime.evaluation import past, question
from modelrollout.runtime.evaluation.evaluator import whose
from tests.unit.analysis.recorded import (
    GATEWAY_HEARTBEAT,
    GATEWAY_REQUESTS,
    SCRAPE,
    START,
    Recording,
    StoredLedger,
    backend,
    evaluator,
    request_of,
    scrapes,
    spec_of,
)
from tests.unit.runtime.evidence.test_late_samples_change_no_verdict import FEW, beside_a_new_one, same, world

GATES = ({"name": "errors", "type": "ErrorRate"}, {"name": "dead", "type": "DeadNeurons"})
MODEL = {"model": "digits", "load": "1"}


def recordings(length: float, *, layers: int = 2, dead: int = 7) -> list[Recording]:
    times = scrapes(length)
    found = Recording(times, "traefik").growing(GATEWAY_HEARTBEAT, 0)
    for version, rate in (("1", 200), ("2", 12)):
        for code, growth in (("200", rate), ("500", 0)):
            found.growing(GATEWAY_REQUESTS, growth, code=code, service=backend(version))
    model = Recording(times, "triton")
    for version in "12":
        for layer in range(layers):
            labels: dict[str, Any] = {**MODEL, "version": version, "layer": f"h{layer}"}
            dies = dead if version == "2" else 7
            for metric, step in ((s.WINDOWS, 1), (s.WINDOW_NEURONS, 100), (s.WINDOW_DEAD, dies)):
                model.growing(metric, step, **labels)
            model.growing(s.WINDOW_DEAD_SQUARED, dies**2, **labels)
    return [found, model]


async def judged(ledger: StoredLedger, at: float, **changes: Any) -> Any:
    ledger.now = START + at
    return await evaluator(ledger).evaluate(request_of(spec_of(*GATES), **changes), START + at)


@pytest.mark.slow
@given(most=st.integers(100_000, 900_000), at=st.sampled_from([400.0, 1500.0, 2700.0]))
def test_a_bound_that_is_not_reached_changes_nothing(most, at):
    async def both() -> tuple[Any, Any]:
        ledger = StoredLedger(*recordings(at))
        free, kept = await judged(ledger, at), past.MOST_BYTES
        past.MOST_BYTES = most
        try:
            return free, await judged(ledger, at)
        finally:
            past.MOST_BYTES = kept

    free, bound = asyncio.run(both())
    assert isinstance(free, Evaluation)
    if isinstance(bound, MetricsOutage):
        assert bound.reason == "TooManySeries"
    elif not any("forgotten" in text for text in bound.warnings):
        assert bound == free


@pytest.mark.slow
async def test_where_a_past_does_not_fit_the_rest_is_judged_and_it_is_said(monkeypatch):
    ledger = StoredLedger(*recordings(7200.0))
    whole = await judged(ledger, 7200.0)
    monkeypatch.setattr(past, "MOST_BYTES", 600_000)
    found = await judged(ledger, 7200.0)
    assert isinstance(found, Evaluation)
    (said,) = (text for text in found.warnings if "forgotten" in text)
    assert not any("forgotten" in text for text in whole.warnings)
    ticks = int(said.split()[3])
    assert ticks in question.SHORTER
    assert "of 21 series" in said
    assert [one.verdict for one in found.gates] == [one.verdict for one in whole.gates]
    assert found.gates[0].samples != whole.gates[0].samples


async def test_what_does_not_fit_at_all_is_an_outage(monkeypatch):
    ledger = StoredLedger(*recordings(1500.0))
    monkeypatch.setattr(past, "MOST_BYTES", 20_000)
    found = await judged(ledger, 1500.0)
    assert isinstance(found, MetricsOutage)
    assert found.reason == "TooManySeries"
    assert "series need" in found.message


@pytest.mark.slow
async def test_a_day_that_has_passed_is_forgotten_aloud(monkeypatch):
    monkeypatch.setattr(question, "SHORTER", (300,))
    ledger = StoredLedger(*recordings(6000.0))
    assert any("longer analysis.interval" in text for text in (await judged(ledger, 6000.0)).warnings)
    assert not any("longer analysis.interval" in text for text in (await judged(ledger, 3000.0)).warnings)


def test_each_cut_holds_less_than_before_it():
    request = request_of(spec_of(*GATES))
    for last in (0, 300, 2000, 5999, 7001, 20_000, 100_001):
        first = [question.first_tick(request, last, cuts) for cuts in range(len(question.SHORTER))]
        assert first == sorted(first)
        for cuts, kept in enumerate(question.SHORTER):
            held = last - first[cuts] + 1
            assert held <= kept * 7 / 6 + 1
            assert held >= min(kept, last - question.history_of(request))


@pytest.mark.slow
@settings(max_examples=FEW)
@given(seed=st.integers(0, 10**6), most=st.integers(42_000, 60_000))
def test_nothing_is_raised_by_another_past_than_a_new_process_would_read(seed, most):
    request = request_of(spec_of(*GATES, minimumRequests=20), raise_from=START + 100)
    kept, shorter = past.MOST_BYTES, question.SHORTER
    past.MOST_BYTES = most
    past.SHORTER = question.SHORTER = tuple(int(160 * 0.8**cut) for cut in range(6))  # type: ignore[attr-defined]
    try:
        pairs = asyncio.run(beside_a_new_one(world(seed, longest=20.0), request, seed))
    finally:
        past.MOST_BYTES, past.SHORTER, question.SHORTER = kept, shorter, shorter  # type: ignore[attr-defined]
    assert len(pairs) > 10
    for found, new in pairs:
        if isinstance(found, Evaluation) and found.confirmed:
            assert same(found) == same(new)


@pytest.mark.slow
async def test_whoever_holds_little_is_kept_whatever_the_others_hold(monkeypatch):
    small, large = StoredLedger(*recordings(600.0)), StoredLedger(*recordings(600.0, layers=40))
    small.now = large.now = START + 300
    judge, request = evaluator(small), request_of(spec_of(*GATES))
    little = replace(request, rollout="small")
    assert isinstance(await judge.evaluate(little, START + 300), Evaluation)
    held = judge._memories[whose(little)].past.bytes
    monkeypatch.setattr(evaluating, "MOST_BYTES", 4 * held)
    judge._ledger = large
    found = [await judge.evaluate(replace(request, rollout=f"large {n}"), START + 300) for n in range(6)]
    assert {one.reason for one in found if isinstance(one, MetricsOutage)} == {"TooManySeries"}
    assert "used up" in found[-1].message  # type: ignore[union-attr]
    assert whose(little) in judge._memories
    assert sum(memory.past.bytes for memory in judge._memories.values()) <= 4 * held
    asked = len(small.asked)
    judge._ledger, small.now = small, START + 300 + SCRAPE * 4
    assert isinstance(await judge.evaluate(little, small.now), Evaluation)
    assert all(end - start < 500 for _, start, end in small.asked[asked:]), "it had to be read again"


@pytest.mark.slow
async def test_a_namespace_of_many_large_rollouts_takes_no_room_from_another(monkeypatch):
    recorded = StoredLedger(*recordings(600.0, layers=8))
    recorded.now = START + 300
    judge, request = evaluator(recorded), request_of(spec_of(*GATES))
    mine = replace(request, namespace="speech")
    assert isinstance(await judge.evaluate(mine, START + 300), Evaluation)
    held = judge._memories[whose(mine)].past.bytes
    judge.forget(mine)
    monkeypatch.setattr(evaluating, "MOST_BYTES", 3 * held)
    for n in range(6):
        await judge.evaluate(replace(request, rollout=f"{n}"), START + 300)
    assert isinstance(await judge.evaluate(mine, START + 300), Evaluation)
    for n in range(6):
        await judge.evaluate(replace(request, rollout=f"again {n}"), START + 300)
    assert judge._memories[whose(mine)].past.bytes == held
