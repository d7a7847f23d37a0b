"""A run sends every row to both versions once its series are scraped; anything less is never Done."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from modelrollout.prober import replay as module
from modelrollout.prober.counts import ArmCounts, said
from modelrollout.prober.exposition import Exposition
from modelrollout.prober.golden.fit import GoldenRows
from modelrollout.prober.replay import Run, replay

ROWS = 30
X = np.arange(ROWS, dtype=np.float32).reshape(ROWS, 1)


class FakeArm:
    """Answers a row's number modulo `classes`; silent from row `until` on; `nan` in every third answer."""

    def __init__(self, version: str, classes: int = 10, until: int = ROWS, *, nan: bool = False) -> None:
        labels = ("vision", "digits", "digits", version, "run")
        self.version, self.counts = version, ArmCounts(labels, ("golden", "shadow"))
        self.classes, self.until, self.nan = classes, until, nan
        self.silent, self.why = 0, ""

    async def ask(self, index: int, inputs: Any, dtypes: Any) -> Any:
        await asyncio.sleep(0)
        if index >= self.until:
            self.silent, self.why = self.silent + 1, "no answer within 5 s"
            self.counts.failed()
            return None
        self.silent = 0
        score = np.array([np.nan if self.nan and index % 3 == 0 else 1.0], np.float32)
        answer = {"CLASS": np.array([int(inputs["X"][0, 0]) % self.classes], np.int32), "SCORE": score}
        self.counts.answered(0.002, answer)
        return answer


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK", 0.0)
    monkeypatch.setattr(module, "AGAIN", 0.0)


async def carried_out(stable: FakeArm, candidate: FakeArm, scrapes: Any = None) -> Run:
    run, seen = Run("run", "asked"), iter(range(10**9))
    labels = np.arange(ROWS) % 10
    golden = GoldenRows({"X": X}, {"X": "FP32"}, labels, "CLASS", ROWS)
    await asyncio.wait_for(
        replay(run, golden, cast("Any", (stable, candidate)), 1e6, scrapes or (lambda: next(seen))), 5
    )
    return run


async def test_every_row_goes_to_both_and_is_counted_for_both():
    stable, candidate = FakeArm("1"), FakeArm("2", classes=9, nan=True)
    run = await carried_out(stable, candidate)
    assert (run.state, run.rows, run.of) == ("Done", ROWS, ROWS)
    assert (stable.counts.requests, candidate.counts.requests) == (ROWS, ROWS)
    assert (stable.counts.right["golden"], candidate.counts.right["golden"]) == (ROWS, 9)
    assert candidate.counts.judged == {"golden": ROWS, "shadow": ROWS}
    assert candidate.counts.right["shadow"] == 9
    assert candidate.counts.nonfinite == {"nan": 10, "inf": 0}


async def test_nothing_is_sent_before_somebody_has_scraped():
    stable, candidate = FakeArm("1"), FakeArm("2")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(carried_out(stable, candidate, lambda: 7), 0.05)
    assert stable.counts.requests == 0


async def test_a_version_that_stops_answering_ends_it_and_stable_that_does_has_it_sent_again():
    run = await carried_out(FakeArm("1"), FakeArm("2", until=5))
    assert run.state == "Unanswered"
    assert "version 2 gave no answer to" in run.message
    stable = FakeArm("1", until=0)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(carried_out(stable, FakeArm("2")), 0.1)
    assert stable.counts.requests > ROWS


def test_what_an_answer_says():
    assert said(np.array([3], np.int32)) == 3
    assert said(np.array([[0.1, 0.7, 0.2]], np.float32)) == 1
    assert said(np.array([[0.1, np.nan, 0.2]], np.float32)) is None
    assert said(None) is None
    assert said(np.array([b"cat"])) == b"cat"


def test_every_series_is_there_at_0_before_the_first_row():
    registry, arms = CollectorRegistry(), tuple(FakeArm(version).counts for version in "12")
    registry.register(Exposition(lambda: [arms]))
    text = generate_latest(registry).decode()
    for name in ("requests", "errors", "answers", "judged", "right", "nonfinite_answers"):
        found = [line for line in text.splitlines() if line.startswith(f"modelrollout_preflight_{name}_total{{")]
        assert len(found) >= 2
        assert all(line.endswith(" 0.0") for line in found)
    assert 'modelrollout_preflight_duration_seconds_bucket{le="+Inf",model="digits",namespace="vision"' in text
