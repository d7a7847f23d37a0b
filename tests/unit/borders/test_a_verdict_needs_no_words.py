"""A verdict stands whatever is wrong with the words for it: a FAIL that cannot be described lowers all the same."""

from __future__ import annotations

import inspect
import math
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.core import reasons
from modelrollout.core.analysis.gates import evaluate, formatting
from modelrollout.core.analysis.gates.checks.latency import by_evidence, shown
from modelrollout.core.analysis.metrics.series import make_series
from modelrollout.runtime.evaluation import question
from tests.unit.analysis.gates.newest.test_no_pass_at_the_tick_of_a_collapse import COLLAPSES, TICK, UNTIL, gate_of
from tests.unit.analysis.recorded import START, gateway, look, request_of, scrapes, spec_of
from tests.unit.borders.hostile import NUMBERS

SAFE = {"few", "last_ticks", "sentence"}
"""They join texts, or print a whole number of ticks."""
WORDS = sorted(
    name
    for name, each in vars(formatting).items()
    if inspect.isfunction(each) and not name.startswith("_") and name not in SAFE
)
BESIDE = {
    "left_out_warnings": evaluate,
    "measured": evaluate,
    "nothing_to_judge": evaluate,
    "request_totals": evaluate,
    "traffic_warnings": evaluate,
    "with_source": evaluate,
    "not_in_force": evaluate,
    "to_be_recorded": evaluate,
    "lookalikes": question,
    "uncovered": question,
    "unnamed": question,
}
"""What an evaluation is told besides its gates, and where from."""


SLOW = "ZeroRatio, versus stable"
"""Needs more batches than there are here to fail by evidence."""
CASES = [(what, "Threshold") for what in COLLAPSES] + [(what, "Sequential") for what in COLLAPSES if what != SLOW]


def broken(*_: Any, **__: Any) -> NoReturn:
    raise OverflowError("a defect\x1b of a sentence" + "!" * 500)


async def failing(what: str, method: str) -> Any:
    """The evaluation of one gate of a candidate that has been bad all the time."""
    recordings, values = COLLAPSES[what][1](scrapes(UNTIL) > START)
    if what == "Query":
        values = [make_series({}, [(START + TICK * at, 1e6) for at in range(1, int(UNTIL // TICK) + 1)])]
    return await look(request_of(spec_of(gate_of(what, method))), UNTIL + 1, *recordings, values=values)


@pytest.mark.alike(2)
@pytest.mark.parametrize(("what", "method"), CASES)
async def test_a_fail_stands_though_no_number_can_be_shown(what: str, method: str, monkeypatch: pytest.MonkeyPatch):
    known = await failing(what, method)
    assert known.gates[0].verdict == "FAIL"
    for name in WORDS:
        monkeypatch.setattr(formatting, name, broken)
    found = (await failing(what, method)).gates[0]
    assert (found.verdict, found.required, found.layer) == ("FAIL", True, known.gates[0].layer)
    short = "beyond what is allowed; the figures cannot be put into words (OverflowError: a defect"
    assert found.message.startswith(short) or found.message == known.gates[0].message  # a query's are its own
    assert found.message.isprintable()
    assert len(found.message) < 250


@pytest.mark.alike(3)
@pytest.mark.parametrize("name", WORDS)
@pytest.mark.parametrize("what", ["ErrorRate", "Latency", "DeadNeurons", "ZeroRatio"])
async def test_no_single_word_is_needed(name: str, what: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(formatting, name, broken)
    assert (await failing(what, "Sequential")).gates[0].verdict == "FAIL"


async def test_a_latencys_own_words_are_not_needed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(by_evidence, "_claim", broken)
    monkeypatch.setattr("modelrollout.core.analysis.gates.latency.coarse_buckets", broken)
    monkeypatch.setattr("modelrollout.core.analysis.gates.latency._shown", broken)
    assert shown.named(0.5, 0.01, 0.6) == ("P50", 0.5)
    assert (await failing("Latency", "Sequential")).gates[0].verdict == "FAIL"


@pytest.mark.alike(2)
@pytest.mark.parametrize("name", BESIDE)
@pytest.mark.parametrize("gates", [({"name": "g", "type": "ErrorRate"},), ()])
async def test_a_fail_stands_whatever_else_an_evaluation_cannot_say(
    name: str, gates: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(BESIDE[name], name, broken)
    bad = gateway(600, stable=(300, 0), candidate=(30, 30))
    found = await look(request_of(spec_of(*gates)), 601, bad)
    assert found.gates[0].verdict == "FAIL"
    good = gateway(600, stable=(300, 0), candidate=(60, 0))
    whole = await look(request_of(spec_of(*gates)), 601, good)
    harmless = name in {"unnamed", "with_source"} or (gates and name in {"not_in_force", "to_be_recorded"})
    assert (whole.halt is None) == bool(harmless), whole
    assert whole.halt in {None, reasons.INTERNAL_ERROR}
    assert not whole.confirmed or whole.halt is None
    assert whole.message.isprintable()
    assert name != "unnamed" or any("a defect" in text for text in whole.warnings)


@pytest.mark.slow
async def test_evidence_of_all_gates_together_needs_no_words_either(monkeypatch: pytest.MonkeyPatch):
    rec = gateway(900, stable=(190, 2), candidate=(38, 1))
    gates = [{"name": f"g{number}", "type": "ErrorRate"} for number in range(2)]
    known = await look(request_of(spec_of(*gates, falseRollback=1e-7)), 900, rec)
    assert known.rollback == reasons.COMBINED_EVIDENCE
    monkeypatch.setattr(evaluate, "_together", broken)
    found = await look(request_of(spec_of(*gates, falseRollback=1e-7)), 900, rec)
    assert found.rollback == reasons.COMBINED_EVIDENCE
    assert "OverflowError" in found.message


ONE_NUMBER = ("percent", "margin", "count", "odds", "seconds", "lasting", "clock")


@given(numbers=st.lists(NUMBERS, min_size=3, max_size=3))
def test_any_number_can_be_put_into_words(numbers: list[Any]):
    one, two, three = (math.inf if each > 1e308 else float(max(each, -1e308)) for each in numbers)
    said = [getattr(formatting, name)(one) for name in ONE_NUMBER]
    said += [*formatting.beside(one, two), formatting.evidence(one, two, three), formatting.eta(one, two)]
    said += [formatting.counted(one, "batch"), formatting.quantile(one, two, three)[0]]
    assert all(isinstance(text, str) and text.isprintable() and len(text) < 400 for text in said)
