"""Just after the gates were edited there is no tick to judge yet: that is waiting, never a failure."""

from __future__ import annotations

from modelrollout.core.evaluation import Evaluation
from tests.expect import present
from tests.unit.analysis.recorded import START, StoredLedger, evaluator, gateway, request_of, spec_of

ERRORS = {"name": "errors", "type": "ErrorRate", "max": "5%"}
EDITED = START + 100.0


async def test_an_evaluation_right_after_an_edit_waits_for_the_first_tick_of_the_new_evidence():
    request = request_of(spec_of(ERRORS), evidence_from=EDITED)
    ledger = StoredLedger(gateway(400, stable=(50, 0), candidate=(10, 0)))
    judge = evaluator(ledger)
    for seconds in (107.0, 119.0):
        ledger.now = START + seconds
        assert await judge.evaluate(request, ledger.now) is None
    ledger.now = START + 130.0  # the tick from 105 to 120 s is the first that began after the edit
    found = await judge.evaluate(request, ledger.now)
    assert isinstance(found, Evaluation)
    assert present(found.gates[0].samples).startswith("40 vs 200")
