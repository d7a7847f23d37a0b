"""What is kept from one evaluation to the next is compared with an evaluation from scratch now and then."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from modelrollout.core.analysis.metrics.blocks.counts import Counts
from modelrollout.core.evaluation import Evaluation
from modelrollout.runtime.evaluation import evaluator as module
from modelrollout.runtime.evaluation import kept
from modelrollout.runtime.metrics import MemoryMetrics
from tests.unit.analysis.recorded import (
    GATEWAY_HEARTBEAT,
    GATEWAY_REQUESTS,
    START,
    Recording,
    StoredLedger,
    backend,
    evaluator,
    request_of,
    scrapes,
    spec_of,
)

REQUEST = request_of(spec_of({"name": "errors", "type": "ErrorRate"}), raise_from=START + 9999)


def world() -> StoredLedger:
    rng = np.random.RandomState(3)
    times = scrapes(600.0)
    found = Recording(times, "traefik").growing(GATEWAY_HEARTBEAT, 0)
    for version, since in (("1", -np.inf), ("2", START)):
        for code, rate in (("200", 60), ("500", 1)):
            labels = {"code": code, "service": backend(version)}
            found.growing(GATEWAY_REQUESTS, rng.poisson(rate, len(times)), since=since, **labels)
    return StoredLedger(found)


async def judged(judge: module.Evaluator, ledger: StoredLedger, ticks: range) -> list[object]:
    found: list[object] = []
    for tick in ticks:
        ledger.now = START + 15.0 * tick + 11
        one = await judge.evaluate(REQUEST, ledger.now)
        found.append(replace(one, at=0.0, confirmed=True) if isinstance(one, Evaluation) else one)
    return found


@pytest.mark.slow
async def test_what_is_not_as_from_scratch_is_logged_counted_and_replaced(monkeypatch, caplog):
    monkeypatch.setattr(kept, "CHECK_EVERY", 6)
    ledger, metrics = world(), MemoryMetrics()
    running = evaluator(ledger)
    running._mismatches = metrics.counter(module.MISMATCHES, "")
    await judged(running, ledger, range(1, 8))  # the seventh is compared, and is the same
    assert metrics.value(module.MISMATCHES) == 0
    honest = Counts.bring_up

    def lying(self, block, grid):
        honest(self, block, grid)
        self.growth[:, : grid.count - 3] *= 2.0

    monkeypatch.setattr(Counts, "bring_up", lying)
    wrong = await judged(running, ledger, range(8, 14))
    right = await judged(evaluator(ledger), ledger, range(8, 15))
    assert wrong[:6] != right[:6], "it matters what is kept"
    assert (await judged(running, ledger, range(14, 15))) == [await scratch(ledger, 14)]
    assert metrics.value(module.MISMATCHES) == 1
    assert "was not as from scratch" in caplog.text


async def scratch(ledger: StoredLedger, tick: int) -> object:
    """By a process that compares at once, and takes what is from scratch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept, "CHECK_EVERY", 0)
        return (await judged(evaluator(ledger), ledger, range(tick, tick + 1)))[0]
