from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from modelrollout.api.config import PrometheusServer
from modelrollout.cli.report.reading.subject import kept_of
from modelrollout.cli.report.replay import MOMENTS, moments, replayed
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series import make_series
from modelrollout.runtime.evaluation.question import judge, looks_of
from modelrollout.runtime.postmortems import _course
from tests.unit.analysis.recorded import SCRAPE, START, Recording, gateway, request_of, scrapes, spec_of

ERRORS = {"name": "errors", "type": "ErrorRate"}
REQUEST = request_of(spec_of(ERRORS, interval="5s"))
SERVER = PrometheusServer(url="http://p", scrape_interval=SCRAPE)
UNTIL = START + 300.0


def stored(recording: Recording) -> list[SampleStore]:
    rows = recording.points.items()
    return [SampleStore().merged(make_series(dict(labels), points[:, :2].tolist()) for labels, points in rows)]


STORES = stored(gateway(300, stable=(100, 1), candidate=(20, 5)))


@pytest.mark.slow
def test_each_verdict_and_its_odds_are_the_operators_where_an_interval_is_a_scrape():
    found = replayed(REQUEST, STORES, SCRAPE, UNTIL)
    assert looks_of(REQUEST, SERVER).parts == 1
    assert len(found) == MOMENTS
    for one in (found[3], found[20], found[-1]):
        look = round((one.at - START) / REQUEST.interval) - 1
        theirs = judge(REQUEST, STORES, SERVER, look, {}, one.at)
        assert one.gates == theirs.gates
        assert [gate.against for gate in one.gates] == [gate.against for gate in theirs.gates]
    assert found[-1].gates[0].verdict == "FAIL"
    assert all(before.at < after.at for before, after in pairwise(found))


@pytest.mark.slow
def test_steps_that_were_to_come_change_nothing_of_what_was_before():
    ramp: Any = np.linspace(1, 5, len(scrapes(60)))
    undecided, until = stored(gateway(60, stable=(100, 1), candidate=(ramp, 0))), START + 60
    later = replace(REQUEST, steps=(*REQUEST.steps, (50, until - 10)), bake_started_at=until - 5)
    before, with_later = (replayed(request, undecided, SCRAPE, until)[:9] for request in (REQUEST, later))
    assert before[-1].gates[0].eta
    assert before == with_later


def test_nothing_more_is_judged_once_nobody_waits():
    assert replayed(REQUEST, STORES, SCRAPE, UNTIL, lambda: True) == ()


def test_a_rollout_without_a_whole_interval_has_no_moments():
    assert moments(REQUEST, START + 1) == []
    assert moments(REQUEST, START + 5) == [0]
    assert len(moments(REQUEST, START + 5 * 86_400)) == MOMENTS


def test_what_a_snapshot_keeps_of_the_course_is_read_back():
    request = replace(
        REQUEST, steps=((5, START), (50, START + 60)), bake_started_at=START + 120, evidence_from=START + 2
    )
    kept = kept_of({"data": {"snapshot.json": json.dumps({"rollout": _course(request)})}})
    assert (kept.steps, kept.bake_started_at, kept.evidence_from) == (request.steps, START + 120, START + 2)
