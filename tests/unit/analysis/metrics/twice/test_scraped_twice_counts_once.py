"""One process under two jobs, or two scrapers of one job, counts once; two processes count twice."""

from __future__ import annotations

import random
from typing import Any

import pytest

from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.scraped_twice import counted_once
from modelrollout.core.analysis.metrics.series import Series, make_series
from modelrollout.core.evaluation import Evaluation
from tests.expect import expect
from tests.unit.analysis.recorded import GATEWAY_REQUESTS, Recording, gateway, look, request_of, spec_of

ONE = {"__name__": "model_requests_total", "job": "a", "instance": "10.0.0.1:8002", "version": "2"}


def counter(first: int = 0, last: int = 20, *, shift: float = 0.0, **labels: str) -> Series:
    return make_series({**ONE, **labels}, [(5.0 * n + shift, 10.0 * n) for n in range(first, last)])


def once(*series: Series) -> tuple[list[Series], tuple[str, ...]]:
    found, said = counted_once(SampleStore().merged(series))
    return list(found.series.values()), said


@pytest.mark.parametrize(
    "other",
    [
        {"job": "b"},
        {"job": "b", "endpoint": "metrics", "container": "triton"},
        {"job": "b", "service": "digits-v2"},
        {"prometheus_replica": "p-1"},
        {"job": "federate", "instance": "prom:9090", "exported_instance": "10.0.0.1:8002", "exported_job": "a"},
    ],
)
@pytest.mark.parametrize("shift", [0.0, 1.7, -1.7])
def test_twins_count_as_the_first_of_them_and_it_is_said(other, shift):
    series = [counter(), counter(shift=shift, **other)]
    random.shuffle(series)
    kept, said = once(*series)
    assert len(kept) == 1
    assert kept[0].times.tolist() in [one.times.tolist() for one in series]
    assert said[0].startswith("10.0.0.1:8002 is scraped twice, by ")


@pytest.mark.parametrize(
    "other",
    [
        {"instance": "10.0.0.2:8002"},
        {"instance": "10.0.0.1:8003"},
        {"pod": "p-1"},
        {"version": "1"},
        {"cluster": "eu"},
        {"__name__": "model_request_errors_total"},
        {"__name__": GATEWAY_REQUESTS, "service": "x"},
    ],
)
def test_what_differs_in_more_than_the_scrape_is_another_counter(other):
    kept, said = once(counter(), counter(**other))
    assert (len(kept), said) == (2, ())


def test_a_backend_of_a_gateway_is_no_label_of_the_scrape():
    two = [counter(__name__=GATEWAY_REQUESTS, service=name) for name in ("digits-v1", "digits-v2")]
    assert len(once(*two)[0]) == 2


def test_without_an_instance_nobody_can_tell():
    assert len(once(counter(instance=""), counter(instance="", job="b"))[0]) == 2


def test_a_job_that_follows_another_is_not_scraped_twice():
    kept, said = once(counter(0, 10), counter(10, 20, job="b"))
    assert (len(kept), said) == (2, ())


def test_where_the_first_job_ends_the_other_goes_on_and_nothing_is_lost():
    (kept,), _ = once(counter(0, 10), counter(5, 20, shift=1.0, job="b"))
    assert kept.values.tolist() == sorted(kept.values.tolist())
    assert kept.values[-1] == 190.0
    assert kept.times.tolist()[:10] == counter(0, 10).times.tolist()


def test_two_that_follow_one_another_beside_a_third_are_all_one():
    (kept,), _ = once(counter(0, 9), counter(11, 20, job="b"), counter(0, 20, job="c"))
    assert kept.values.tolist() == sorted(kept.values.tolist())
    assert (kept.values[0], kept.values[-1]) == (0.0, 190.0)


@pytest.mark.slow
async def test_a_gateway_under_two_jobs_gives_the_verdict_of_one():
    def world(*jobs: str) -> Recording:
        found = gateway(300.0, stable=(100, 1), candidate=(10, 1))
        points: dict[Any, Any] = {}
        for job in jobs:
            points |= {tuple(sorted({**dict(key), "job": job}.items())): value for key, value in found.points.items()}
        found.points = points
        return found

    request = request_of(spec_of({"name": "errors", "type": "ErrorRate"}))
    one, two = [expect(Evaluation, await look(request, 250, world(*jobs))) for jobs in (("a",), ("a", "b"))]
    assert (one.requests, one.gates) == (two.requests, two.gates)
    assert any("scraped twice, by the jobs a and b" in text for text in two.warnings)
    assert not any("scraped twice" in text for text in one.warnings)
