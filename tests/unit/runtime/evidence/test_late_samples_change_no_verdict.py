"""Samples that come late, out of order, rewritten or not for ever: the process that runs finds what a new one finds."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.series import Series, make_series
from modelrollout.core.evaluation import Evaluation, EvaluationRequest
from modelrollout.ports import LedgerFailure
from modelrollout.runtime.evaluation.past import AT_ONCE, LATE, READ_AGAIN
from tests.expect import present
from tests.unit.analysis.recorded import (
    GATEWAY_REQUESTS,
    METRICS,
    SCRAPE,
    START,
    StoredLedger,
    backend,
    evaluator,
    request_of,
    spec_of,
)

ERRORS = {"name": "errors", "type": "ErrorRate"}
DEAD = {"name": "dead", "type": "DeadNeurons"}
LAYER = {s.WINDOWS: 1, s.WINDOW_NEURONS: 100, s.WINDOW_DEAD: 7, s.WINDOW_DEAD_SQUARED: 49}
LENGTH = 360
MINIMUM = 20
FEW = max(1, present(settings.default).max_examples // 5)
"""Examples of a world with a new process beside every look of the running one: two seconds each."""
Point = tuple[float, float, float, float]
"""Time, value, and from when until when it can be read."""


@dataclass
class Remote(StoredLedger):
    """A store that is written from far away: a sample is there for a while, and not in the order of its time."""

    series: dict[tuple[tuple[str, str], ...], list[Point]] = field(default_factory=dict)
    now: float = 0.0
    failure: LedgerFailure | None = None
    asked: list[tuple[str, float, float]] = field(default_factory=list)
    values: list[Series] = field(default_factory=list)
    order: random.Random = field(default_factory=lambda: random.Random(0))

    async def range(self, _server: Any, selector: str, start: float, end: float) -> Any:
        self.asked.append((selector, start, end))
        if self.failure:
            return self.failure
        found = []
        for labels, points in self.series.items():
            name = dict(labels)["__name__"]
            if name not in selector or (name in METRICS.values()) != (GATEWAY_REQUESTS in selector):
                continue
            seen = [
                (at, value) for at, value, since, until in points if start < at <= end and since <= self.now < until
            ]
            if seen:
                found.append(make_series(dict(labels), seen))
        self.order.shuffle(found)
        return tuple(found)


def world(seed: int, *, longest: float, pods: str = "a") -> Remote:
    """Two versions at a gateway and in a model; scrapes are late by up to `longest` seconds, and some are changed."""
    rng, remote = random.Random(seed), Remote()
    for pod in pods:
        for version, rate in (("1", 100), ("2", 10)):
            labels = {"job": "gw", "instance": pod, "service": backend(version)}
            share = rng.choice([0.0, 0.01, 0.1])
            for code, growth in (("200", rate), ("503", rate * share)):
                remote.series[key(GATEWAY_REQUESTS, labels | {"code": code})] = points(rng, growth, longest)
            layer = {"job": "triton", "instance": pod, "model": "digits", "version": version, "layer": "h"}
            for metric, growth in (
                (s.WINDOWS, 1),
                (s.WINDOW_NEURONS, 100),
                (s.WINDOW_DEAD, 7),
                (s.WINDOW_DEAD_SQUARED, 49),
            ):
                remote.series[key(metric, layer)] = points(rng, growth, longest)
    return remote


def key(metric: str, labels: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({"__name__": metric, **labels}.items()))


def points(rng: random.Random, growth: float, longest: float) -> list[Point]:
    found, value, moved = [], 0.0, rng.random() < 0.3
    for number in range(-60, LENGTH // int(SCRAPE)):
        at = START + 1.3 + SCRAPE * number
        value += rng.uniform(0, 2 * growth)
        since = at + rng.choice([0.05, 0.05, rng.uniform(0, longest)])
        until = at + rng.uniform(0, longest) if moved and rng.random() < 0.1 else float("inf")
        found.append((at, float(int(value)), since, until))
        if until < float("inf"):  # and then another value stands there
            found.append((at, float(int(value) + 1), max(until, since), float("inf")))
    return found


def decides(found: Any) -> Any:
    """All of an evaluation that a raise depends on."""
    if not isinstance(found, Evaluation):
        return found
    gates = [(gate.name, gate.verdict, gate.leaning_bad, gate.required) for gate in found.gates]
    return found.tick, found.requests >= MINIMUM, found.halt, found.rollback, gates


def same(found: Any) -> Any:
    return replace(found, confirmed=True) if isinstance(found, Evaluation) else found


async def beside_a_new_one(remote: Remote, request: EvaluationRequest, seed: int) -> list[tuple[Any, Any]]:
    """What the running process found at each moment, and what a new one finds at the same moment."""
    rng, running, pairs = random.Random(seed), evaluator(remote), []
    now = START
    while now < START + LENGTH - 20:
        now += rng.uniform(4, 16)
        remote.now = now
        found = await running.evaluate(request, now)
        if found is not None:
            pairs.append((found, await evaluator(remote).evaluate(request, now)))
            if isinstance(found, Evaluation) and found.confirmed:
                request = replace(request, steps=(*request.steps, (25, now)), raise_from=now + 100)  # as a pass would
    return pairs


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(480)
@settings(max_examples=FEW)
@given(seed=st.integers(0, 10**6))
def test_what_is_not_too_late_counts_at_once(seed):
    request = request_of(spec_of(ERRORS, DEAD, minimumRequests=MINIMUM), raise_from=START + 9999)
    pairs = asyncio.run(beside_a_new_one(world(seed, longest=LATE - 20), request, seed))
    assert len(pairs) > 10
    assert [same(found) for found, _ in pairs] == [same(new) for _, new in pairs]
    assert not any(found.confirmed for found, _ in pairs)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(480)
@settings(max_examples=FEW)
@given(seed=st.integers(0, 10**6))
def test_nothing_is_raised_by_what_a_new_process_would_not_find(seed):
    request = request_of(spec_of(ERRORS, DEAD, minimumRequests=MINIMUM), raise_from=START + 100)
    pairs = asyncio.run(beside_a_new_one(world(seed, longest=5 * LATE), request, seed))
    raising = [(found, new) for found, new in pairs if isinstance(found, Evaluation) and found.confirmed]
    assert [decides(found) for found, _ in raising] == [decides(new) for _, new in raising]


@pytest.mark.slow
async def test_errors_that_come_too_late_are_found_before_the_weight_is_raised():
    remote = Remote()
    for version, code, growth, since in (("1", "200", 100, 0), ("2", "200", 100, 0), ("2", "503", 30, START + 450)):
        labels = {"job": "gw", "instance": "a", "service": backend(version), "code": code}
        times = [START + 1.3 + SCRAPE * n for n in range(-100, 120)]
        kept = [(at, float(growth * n), float(since), float("inf")) for n, at in enumerate(times)]
        remote.series[key(GATEWAY_REQUESTS, labels)] = [one for one in kept if code == "200" or one[0] < START + 100]
    request = request_of(spec_of(ERRORS, minimumRequests=MINIMUM), raise_from=START + 500)
    running, verdicts = evaluator(remote), []
    for now in range(int(START) + 20, int(START) + 540, 15):
        remote.now = float(now)
        found = await running.evaluate(request, float(now))
        if isinstance(found, Evaluation):
            verdicts.append((now - START, found.gates[0].verdict, found.confirmed))
    assert "FAIL" not in [verdict for at, verdict, _ in verdicts if at < 480], verdicts
    assert verdicts[-1][1] == "FAIL", verdicts
    assert not any(confirmed for _, _, confirmed in verdicts)


async def test_a_failure_waits_for_no_second_reading():
    remote = Remote()
    for version, bad in (("1", 0), ("2", 90)):
        for code, growth in (("200", 100), ("503", bad)):
            labels = {"job": "gw", "instance": "a", "service": backend(version), "code": code}
            remote.series[key(GATEWAY_REQUESTS, labels)] = [
                (at, float(growth * n * (at > START or code == "200")), 0.0, float("inf"))
                for n, at in enumerate(START + 1.3 + SCRAPE * k for k in range(-100, 60))
            ]
    request, running = request_of(spec_of(ERRORS, minimumRequests=MINIMUM), raise_from=START), evaluator(remote)
    for now in (START + 10, START + 60.0, START + 120.0):
        remote.now, before = now, len(remote.asked)
        found = await running.evaluate(request, now)
    assert isinstance(found, Evaluation)
    assert found.gates[0].verdict == "FAIL"
    assert len(remote.asked) - before == 2


@pytest.mark.slow
async def test_a_hold_of_any_length_is_read_again_now_and_then():
    remote = world(3, longest=1.0)
    request, running = request_of(spec_of(ERRORS), raise_from=START + 99_999), evaluator(remote)
    spans = []
    for now in range(int(START) + 16, int(START + 2 * READ_AGAIN), 60):
        remote.now, remote.asked = float(now), []
        await running.evaluate(request, float(now))
        spans.append(max((end - start for _, start, end in remote.asked), default=0.0))
    again = [span for span in spans[1:] if span > LATE + 90]
    assert len(again) == 1


@pytest.mark.slow
async def test_a_slow_store_is_read_again_in_pieces_and_raises_nothing_meanwhile(monkeypatch):
    remote = world(5, longest=1.0)
    request, running = request_of(spec_of(ERRORS, minimumRequests=MINIMUM), raise_from=START + 60), evaluator(remote)
    remote.now = START + 40
    assert await running.evaluate(replace(request, raise_from=START + 9999), START + 40)
    monkeypatch.setattr("modelrollout.runtime.evaluation.past.AT_ONCE", -AT_ONCE)
    confirmed = []
    monkeypatch.setattr("modelrollout.runtime.evaluation.evaluator.LATE", 200.0)
    for now in (START + 280, START + 295.0, START + 310.0, START + 325.0, START + 340.0):
        remote.now = now
        found = await running.evaluate(request, now)
        assert isinstance(found, Evaluation)
        confirmed.append(found.confirmed)
    assert confirmed[0] is False
    assert confirmed[-1] is True


async def test_an_answer_that_is_too_large_is_asked_for_in_smaller_pieces():
    remote = world(6, longest=1.0)
    real = remote.range

    async def small(server: Any, selector: str, start: float, end: float) -> Any:
        if end - start > 200:
            return LedgerFailure("AnswerTooLarge", "too large")
        return await real(server, selector, start, end)

    request = request_of(spec_of(ERRORS))
    remote.now = START + 100
    whole = await evaluator(remote).evaluate(request, START + 100)
    remote.range = small  # type: ignore[method-assign, assignment]
    assert isinstance(whole, Evaluation)
    assert await evaluator(remote).evaluate(request, START + 100) == whole


@pytest.mark.slow
def test_no_verdict_depends_on_the_hash_seed():
    script = (
        "import asyncio; from tests.unit.runtime.evidence.test_late_samples_change_no_verdict import *\n"
        "request = request_of(spec_of(ERRORS, DEAD, minimumRequests=MINIMUM), raise_from=START + 100)\n"
        "print(asyncio.run(beside_a_new_one(world(11, longest=900.0), request, 11)))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(said) == 1
    assert len(said.pop()) > 1000


@pytest.mark.parametrize("error", [TypeError("x"), MemoryError(), RecursionError(), OverflowError()])
async def test_what_cannot_be_judged_is_an_outage_with_a_reason(monkeypatch, error):
    def broken(*_: Any) -> Any:
        raise error

    monkeypatch.setattr("modelrollout.runtime.evaluation.kept.judge", broken)
    remote = world(7, longest=1.0)
    remote.now = START + 100
    got = await evaluator(remote).evaluate(request_of(spec_of(ERRORS)), START + 100)
    assert got.reason == "EvaluationFailed"  # type: ignore[union-attr]
