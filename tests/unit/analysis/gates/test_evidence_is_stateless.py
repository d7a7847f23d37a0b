"""The ledger is Prometheus: an operator that forgets everything at any moment reaches the same verdicts."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.evaluation import Evaluation, MetricsOutage
from modelrollout.ports import LedgerFailure
from modelrollout.runtime.evaluation import evaluator as module
from modelrollout.runtime.evaluation.past import LATE
from tests.draws import fixed
from tests.expect import expect
from tests.unit.analysis.recorded import (
    GATEWAY_HEARTBEAT,
    GATEWAY_REQUESTS,
    SCRAPE,
    START,
    Recording,
    StoredLedger,
    backend,
    evaluator,
    promoted,
    request_of,
    scrapes,
    spec_of,
)

pytestmark = pytest.mark.slow  # replays of whole rollouts

GATES = (
    {"name": "errors", "type": "ErrorRate"},
    {"name": "plain", "type": "ErrorRate", "method": "Threshold", "max": "2%"},
    {"name": "dead", "type": "DeadNeurons"},
)
LENGTH = 420.0


def recordings(
    seed: int, *, late_share: float = 0.2, traffic: tuple[float, float] = (200, 12), bad: float = 0.03
) -> list[Recording]:
    """Traffic with bursts, a restarted target, lost scrapes, and scrapes that are late by up to two intervals.

    `traffic`: requests a scrape of stable and of the candidate, of which so many are `bad`.
    """
    rng = fixed(seed)
    times = scrapes(LENGTH, before=600.0)
    late = np.where(rng.random_sample(len(times)) < late_share, rng.uniform(0, 1.9 * SCRAPE, len(times)), 0.05)
    late = np.maximum.accumulate(times + late) - times  # a target's scrapes become visible in their order
    found = Recording(times, "traefik").growing(GATEWAY_HEARTBEAT, 0, late=late)
    for version, rate, share, since in (("1", traffic[0], 0.01, -np.inf), ("2", traffic[1], bad, START)):
        requests = rng.poisson(rate, len(times))
        wrong = rng.binomial(requests, share)
        for code, growth in (("200", requests - wrong), ("500", wrong)):
            found.growing(GATEWAY_REQUESTS, growth, since=since, late=late, code=code, service=backend(version))
    layers = Recording(times, "triton")
    for version, dead, since in (("1", 7, -np.inf), ("2", 9, START)):
        labels = {"model": "digits", "version": version, "layer": "h1", "load": "1"}
        counts = rng.binomial(100, dead / 100, len(times))
        for metric, step in ((s.WINDOWS, 1), (s.WINDOW_NEURONS, 100), (s.WINDOW_DEAD, counts)):
            layers.growing(metric, step, since=since, late=late, **labels)
        layers.growing(s.WINDOW_DEAD_SQUARED, counts**2, since=since, late=late, **labels)
        layers.reading(s.WINDOW_SIZE, 200, since=since, late=late, **labels)
    for recording in (found, layers):
        restart = START + rng.uniform(100, 300)
        lost = set(rng.choice(times, int(30 * late_share), replace=False).tolist())
        for key, points in recording.points.items():
            before = max((value for at, value, _ in points if at <= restart), default=0.0)
            if dict(key)["__name__"] == s.WINDOW_SIZE:  # a gauge
                before = 0.0
            recording.points[key] = [
                (at, value - before if at > restart else value, seen) for at, value, seen in points if at not in lost
            ]
    return [found, layers]


async def run(ledger: StoredLedger, *, forget_at: set[int], moments: list[float], request) -> dict[float, Evaluation]:
    """Evaluate at every moment; forget everything before the evaluations in `forget_at`."""
    judge = evaluator(ledger)
    found: dict[float, Evaluation] = {}
    for number, now in enumerate(moments):
        if number in forget_at:
            judge = evaluator(ledger)
        ledger.now = now
        got = await judge.evaluate(request, now)
        assert not isinstance(got, MetricsOutage)
        if got is not None:
            # a forgetful operator may judge a tick twice: only when it was, and what was read, may differ
            judged = replace(got, at=0.0, confirmed=True)
            assert found.setdefault(got.tick_end, judged) == judged
    return found


@pytest.mark.parametrize("seed", [1, 2])
async def test_memory_thrown_away_at_random_ticks_changes_no_verdict(seed):
    rng = random.Random(seed)
    past = tuple(promoted(str(dead), h1=dead / 100) for dead in (6, 7, 8))
    request = request_of(spec_of(*GATES), steps=((5, START), (25, START + 240)), promoted=past)
    moments = [START + 15.0 * k + rng.uniform(0.1, 12) for k in range(1, int(LENGTH / 15))]
    world = recordings(seed)
    kept = await run(StoredLedger(*world), forget_at=set(), moments=moments, request=request)
    forgetful = {n for n in range(len(moments)) if rng.random() < 0.4}
    again = await run(StoredLedger(*world), forget_at=forgetful, moments=moments, request=request)
    assert again == kept
    assert len(kept) > 20
    assert len({gate.verdict for found in kept.values() for gate in found.gates}) > 1
    assert "learned from 3" in kept[max(kept)].gates[2].message


@pytest.mark.parametrize("seed", [11, 12])
async def test_few_requests_are_joined_alike_by_every_process(seed):
    rng = random.Random(seed)
    request = request_of(spec_of(GATES[0]), steps=((5, START), (25, START + 240)))
    moments = [START + 5.0 * k + rng.uniform(0.1, 4) for k in range(1, int(LENGTH / 5))]
    world = recordings(seed, traffic=(2, 2), bad=0.6)
    kept = await run(StoredLedger(*world), forget_at=set(), moments=moments, request=request)
    forgetful = {n for n in range(len(moments)) if rng.random() < 0.4}
    again = await run(StoredLedger(*world), forget_at=forgetful, moments=moments, request=request)
    assert {at: found.gates for at, found in kept.items() if at in again} == {
        at: found.gates for at, found in again.items() if at in kept
    }
    assert len(kept) > 20
    assert {gate.verdict for found in kept.values() for gate in found.gates} == {"CONTINUE", "FAIL"}


async def test_what_was_seen_while_prometheus_was_down_is_made_up_for():
    request = request_of(spec_of(*GATES))
    world = recordings(4)
    moments = [START + 15.0 * k + 11 for k in range(1, 27)]
    kept = await run(StoredLedger(*world), forget_at=set(), moments=moments, request=request)
    ledger = StoredLedger(*world)
    judge = evaluator(ledger)
    for number, now in enumerate(moments):
        ledger.now = now
        ledger.failure = LedgerFailure("PrometheusUnreachable", "down") if 10 <= number < 18 else None
        got = await judge.evaluate(request, now)
        if ledger.failure:
            assert isinstance(got, MetricsOutage)
            assert got.since == moments[10]
        elif got is not None:
            judged = expect(Evaluation, got)
            assert replace(judged, at=0.0, confirmed=True) == kept[judged.tick_end]


async def test_a_tick_is_judged_once():
    ledger = StoredLedger(*recordings(5))
    judge = evaluator(ledger)
    request = request_of(spec_of(GATES[2]))  # no odds that rise: the next look is at the next tick's end
    ledger.now = START + 100
    assert isinstance(await judge.evaluate(request, START + 100), Evaluation)
    before = len(ledger.asked)
    assert await judge.evaluate(request, START + 104) is None
    assert len(ledger.asked) == before


async def test_a_tick_within_a_hold_costs_two_queries_of_what_may_still_come_late():
    ledger = StoredLedger(*recordings(6, late_share=0.0))
    judge, request = evaluator(ledger), request_of(spec_of(*GATES), raise_from=START + 9999)
    now, counts = START, []
    while now < START + LENGTH - 20:
        now = max(judge.next_due(request, now), now + 0.1)
        ledger.now, before = now, len(ledger.asked)
        got = await judge.evaluate(request, now)
        counts.append((got is not None, len(ledger.asked) - before))
    looks = sum(1 for judged, _ in counts if judged)
    assert looks >= 25
    assert sum(asked for _, asked in counts[1:]) == 2 * (looks - 1)
    assert all(end - start <= LATE + 30 for _, start, end in ledger.asked[10:])


async def test_a_forgotten_rollout_is_fetched_again():
    ledger = StoredLedger(*recordings(7))
    judge, request = evaluator(ledger), request_of(spec_of(*GATES))
    ledger.now = START + 100
    first = await judge.evaluate(request, START + 100)
    judge.forget(request)
    assert await judge.evaluate(request, START + 100) == first


async def test_two_that_began_at_the_same_instant_share_nothing():
    here, there = StoredLedger(*recordings(7)), StoredLedger(*recordings(8))
    here.now = there.now = START + 100
    judge, request = evaluator(here), request_of(spec_of(*GATES))
    other = replace(request, namespace="speech")
    mine = await judge.evaluate(request, START + 100)
    judge._ledger = there
    assert await judge.evaluate(other, START + 100) == await evaluator(there).evaluate(other, START + 100)
    judge.forget(other)
    assert mine == await evaluator(here).evaluate(request, START + 100)
    assert len(judge._memories) == 1


async def test_memory_is_bounded_and_what_is_not_asked_for_goes_first(monkeypatch):
    ledger = StoredLedger(*recordings(7))
    judge, request = evaluator(ledger), request_of(spec_of(*GATES))
    ledger.now = START + 100
    for rollout in ("a", "b", "c"):
        await judge.evaluate(replace(request, rollout=rollout), START + 100)
    assert [key[2] for key in judge._memories] == ["a", "b", "c"]
    monkeypatch.setattr(module, "MOST_BYTES", next(iter(judge._memories.values())).past.bytes)
    await judge.evaluate(replace(request, rollout="d"), START + 100)
    assert [key[2] for key in judge._memories] == ["d"]
    monkeypatch.undo()
    ledger.now = START + 100 + module.IDLE + 1
    await judge.evaluate(replace(request, rollout="e"), ledger.now)
    assert [key[2] for key in judge._memories] == ["e"]


async def test_an_unknown_server_is_blind_and_says_its_name():
    ledger = StoredLedger()
    got = await evaluator(ledger).evaluate(request_of(spec_of(prometheus="other")), START + 100)
    assert isinstance(got, MetricsOutage)
    assert "'other'" in got.message


async def test_edited_gates_start_new_evidence_and_use_what_came_before_only_as_history():
    ledger = StoredLedger(*recordings(8))
    ledger.now = START + 400
    later = request_of(spec_of(*GATES), evidence_from=START + 350)
    found = await evaluator(ledger).evaluate(later, START + 400)
    assert isinstance(found, Evaluation)
    samples = found.gates[0].samples
    assert samples is not None
    assert int(samples.split()[0].replace(",", "")) < 12 * 12


@pytest.mark.parametrize("seed", [9, 10])
async def test_a_back_test_with_every_late_scrape_in_place_reaches_the_verdicts_of_the_day(seed):
    request = request_of(spec_of(*GATES))
    world = recordings(seed, late_share=0.5)
    moments = [START + 15.0 * k + extra for k in range(1, 27) for extra in (0.2, 3.0, 9.9)]
    live = await run(StoredLedger(*world), forget_at=set(), moments=moments, request=request)
    for recording in world:
        for key, points in recording.points.items():
            recording.points[key] = [(at, value, at) for at, value, _ in points]
    later = await run(StoredLedger(*world), forget_at=set(), moments=moments, request=request)
    common = sorted(set(live) & set(later))
    assert len(common) > 20
    assert [live[tick] for tick in common] == [later[tick] for tick in common]
