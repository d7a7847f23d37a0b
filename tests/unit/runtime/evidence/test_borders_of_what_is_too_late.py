"""A sample within what is read again counts at once, one beyond when all is read again; a part is no answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelrollout.core.evaluation import Evaluation, MetricsOutage
from modelrollout.ports import LedgerFailure
from modelrollout.runtime.evaluation.past import LATE
from tests.expect import expect
from tests.unit.analysis.recorded import START, Recording, StoredLedger, evaluator, gateway, request_of, spec_of

ERRORS = {"name": "errors", "type": "ErrorRate"}
MOMENT = 0.001
"""What Prometheus's times are rounded to."""


def with_a_late_sample(at: float, seen: float) -> Recording:
    """500 errors of the candidate at one scrape, that can be read only from `seen` on."""
    found = gateway(900, stable=(300, 0), candidate=(60, 0))
    for key, rows in found.points.items():
        if ("code", "503") in key and "digits-v2" in str(key):
            found.points[key] = np.array([*rows[rows[:, 0] < at - 1], (at, 500.0, seen)])
    return found


class WithoutErrors(StoredLedger):
    """The same world without the errors."""

    def __init__(self, now: float) -> None:
        super().__init__(gateway(900, stable=(300, 0), candidate=(60, 0)))
        self.now = now


@pytest.mark.slow
@pytest.mark.alike(1)
@pytest.mark.parametrize(
    ("beyond", "at_once"), [(5.0, True), (MOMENT, True), (0.0, False), (-MOMENT, False), (-5.0, False)]
)
async def test_a_late_sample_counts_at_once_only_where_it_is_read_again(beyond, at_once):
    read = START + 500.25
    ledger = StoredLedger(with_a_late_sample(read - LATE + beyond, read + MOMENT))
    running, request = evaluator(ledger), request_of(spec_of(ERRORS), raise_from=START + 9999)
    ledger.now = read
    await running.evaluate(request, read)
    ledger.now = read + 15
    found, new = [expect(Evaluation, await one.evaluate(request, ledger.now)) for one in (running, evaluator(ledger))]
    assert "(500/" in new.gates[0].message
    assert ("(500/" in found.gates[0].message) is at_once
    ledger.now = read + LATE + 60
    due = request_of(spec_of(ERRORS, minimumRequests=20), raise_from=START)
    again, new = [expect(Evaluation, await one.evaluate(due, ledger.now)) for one in (running, evaluator(ledger))]
    without = expect(Evaluation, await evaluator(WithoutErrors(ledger.now)).evaluate(due, ledger.now))
    assert again.confirmed
    assert again.gates == new.gates, "before a raise everything is read again"
    assert again.gates != without.gates


class InPieces(StoredLedger):
    """Answers no more than `most` seconds at once, and `harm` says what is wrong with a piece that ends at a time."""

    def __init__(self, recording: Recording, most: float) -> None:
        super().__init__(recording)
        self.most, self.harmed = most, (0.0, 0.0)
        self.harm = LedgerFailure("PartialAnswer", "the answer may be incomplete: store x is down")

    async def range(self, server: Any, selector: str, start: float, end: float) -> Any:
        if end - start > self.most:
            return LedgerFailure("AnswerTooLarge", "too large")
        if self.harmed[0] < end and start < self.harmed[1]:
            return self.harm
        return await super().range(server, selector, start, end)


@pytest.mark.slow
@pytest.mark.parametrize("most", [40.0, 200.0, 1000.0])
@pytest.mark.parametrize("piece", [(-1500.0, -1490.0), (100.0, 101.0), (590.0, 600.0)])
@pytest.mark.parametrize("reason", ["PartialAnswer", "TooManySeries", "PrometheusTimeout", "AnswerTooLarge"])
async def test_one_piece_that_is_no_answer_is_no_evaluation_until_it_is_one(most, piece, reason):
    ledger = InPieces(gateway(700, stable=(300, 0), candidate=(60, 30)), most)
    ledger.harm = LedgerFailure(reason, "so it is")
    ledger.now, ledger.harmed = START + 600, (START + piece[0], START + piece[1])
    running, request = evaluator(ledger), request_of(spec_of(ERRORS))
    got = await running.evaluate(request, ledger.now)
    assert isinstance(got, MetricsOutage)
    assert got.reason == reason
    ledger.harmed = (0.0, 0.0)
    ledger.now += 20
    found = expect(Evaluation, await running.evaluate(request, ledger.now))
    new = expect(Evaluation, await evaluator(ledger).evaluate(request, ledger.now))
    assert (found.gates, found.requests) == (new.gates, new.requests)
    assert found.gates[0].verdict == "FAIL"


@pytest.mark.slow
@pytest.mark.parametrize("piece", [(-1500.0, -1490.0), (100.0, 101.0)])
async def test_nothing_is_raised_by_a_past_of_which_one_piece_cannot_be_read_again(piece):
    ledger = InPieces(gateway(1500, stable=(300, 0), candidate=(60, 0)), 200.0)
    ledger.now = START + 600
    running, held = evaluator(ledger), request_of(spec_of(ERRORS, minimumRequests=20), raise_from=START + 9999)
    assert expect(Evaluation, await running.evaluate(held, ledger.now)).gates[0].verdict == "PASS"
    due = request_of(spec_of(ERRORS, minimumRequests=20), raise_from=START)
    for after, harmed, confirmed in ((400, True, False), (420, True, False), (440, False, True)):
        ledger.now = START + 600 + after
        ledger.harmed = (START + piece[0], START + piece[1]) if harmed else (0.0, 0.0)
        found = await running.evaluate(due, ledger.now)
        assert isinstance(found, Evaluation)
        assert found.confirmed is confirmed
