"""Where the scrape names the Pod, a candidate cannot write stable's evidence, nor stable the candidate's."""

from __future__ import annotations

import pytest

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.arms.pods import Pods
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.core.evaluation import Evaluation, EvaluationRequest
from tests.expect import expect
from tests.unit.analysis.recorded import (
    START,
    Recording,
    StoredLedger,
    evaluator,
    in_this_thread,
    look,
    request_of,
    scrapes,
    spec_of,
)


def request() -> EvaluationRequest:
    return request_of(spec_of(), name="digits", dialect=None)


def service(version: str) -> str:
    return request().spec.serving.service_of(version)


@pytest.mark.parametrize(
    ("version", "pod", "counted"),
    [
        ("1", "", True),
        ("1", "triton-0", True),
        ("1", f"{service('1')}-7d9f8b6c5-x2x1z", True),
        ("1", f"{service('2')}-7d9f8b6c5-x2x1z", False),
        ("1", f"{service('2')}-0", False),
        ("2", f"{service('1')}-0", False),
        ("2", f"{service('2')}-0", True),
        ("1", f"{service('2')}-gpu-large-0", True),
        ("1", f"{service('2')}0-0", True),
    ],
)
def test_the_pods_of_the_other_service_are_not_believed(version: str, pod: str, *, counted: bool):
    labels = {"__name__": s.SUCCESS, "model": "digits", "version": version} | ({"pod": pod} if pod else {})
    assert (SeriesReader(request()).channel(labels) is not None) is counted


def forged(growth: int) -> Recording:
    """Equal versions, and a Pod of the candidate that writes errors of stable's: `growth` a scrape."""
    found = Recording(scrapes(300), "models")
    for version in ("1", "2"):
        pod = {"pod": f"{service(version)}-0"}
        found.growing(s.SUCCESS, 20, since=START, version=version, **pod)
        found.growing(s.FAILURE, 0, since=START, version=version, **pod)
    if growth:
        found.growing(s.FAILURE, growth, since=START, version="1", pod=f"{service('2')}-1")
    return found


async def test_what_a_candidate_writes_about_stable_changes_no_verdict_and_is_said():
    honest = await look(request(), 300, forged(0))
    found = await look(request(), 300, forged(50))
    assert [(gate.name, gate.verdict, gate.message) for gate in found.gates] == [
        (gate.name, gate.verdict, gate.message) for gate in honest.gates
    ]
    (said,) = [text for text in found.warnings if "no version speaks for the other" in text]
    assert f"{service('2')}-1" in said
    assert not [text for text in honest.warnings if "no version speaks for the other" in text]


async def test_it_is_said_at_every_evaluation_also_where_only_new_samples_are_read():
    ledger = StoredLedger(forged(50))
    judge = evaluator(ledger)
    with in_this_thread():
        for seconds in (120, 150, 180, 240):
            ledger.now = START + seconds
            found = expect(Evaluation, await judge.evaluate(request(), ledger.now))
            assert [text for text in found.warnings if "no version speaks for the other" in text]


def test_many_are_said_in_a_short_sentence():
    pods = Pods(request())
    for number in range(100):
        assert not pods.may_speak("stable", {"pod": f"{service('2')}-{number}"})
    (said,) = pods.warnings()
    assert "97 more" in said
    assert len(said) < 300
