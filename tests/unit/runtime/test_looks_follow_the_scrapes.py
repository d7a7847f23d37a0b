"""While the odds against a candidate rise, the next scrape is looked at; otherwise whole intervals are enough."""

from __future__ import annotations

import numpy as np
import pytest

from modelrollout.api.config import PrometheusServer
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series import make_series
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.core.analysis.metrics.tick_table import make_tick_table
from modelrollout.core.evaluation import Evaluation
from modelrollout.runtime.evaluation.question import looks_of
from tests.unit.analysis.recorded import SCRAPE, START, StoredLedger, evaluator, gateway, request_of, spec_of

ERRORS = {"name": "errors", "type": "ErrorRate"}


async def looked_at(ledger: StoredLedger, until: float) -> list[Evaluation]:
    """Every evaluation of an operator that asks when it is due."""
    judge, request, now, found = evaluator(ledger), request_of(spec_of(ERRORS)), START, []
    while now < START + until:
        now = ledger.now = max(judge.next_due(request, now), now + 0.1)
        got = await judge.evaluate(request, now)
        if isinstance(got, Evaluation):
            found.append(got)
    return found


def turning_bad(at: float) -> StoredLedger:
    """20 requests a scrape, 1 % errors of stable, and from `at` on 30 % of the candidate."""
    world = gateway(600, stable=(99, 1), candidate=(20, 0))
    for labels, points in world.points.items():
        bad = dict(labels).get("code", "200") != "200" and "-v2-" in dict(labels).get("service", "")
        if bad:
            world.points[labels] = [
                (t, v + 6 * max(0.0, np.floor((t - START - at) / SCRAPE)), seen) for t, v, seen in points
            ]
    return StoredLedger(world)


@pytest.mark.slow
async def test_a_candidate_as_good_as_stable_is_looked_at_once_an_interval():
    ends = np.array(
        [one.tick_end for one in await looked_at(StoredLedger(gateway(400, stable=(99, 1), candidate=(20, 0))), 300)]
    )
    assert (np.diff(ends) == 15).all()


@pytest.mark.slow
async def test_while_the_odds_rise_every_scrape_is_looked_at_and_none_twice():
    found = await looked_at(turning_bad(95), 200)
    ends = np.array([one.tick_end - START for one in found])
    assert (np.diff(ends)[ends[1:] <= 90] == 15).all()
    assert set(np.diff(ends)[ends[:-1] >= 105]) == {5.0}
    failed = next(one for one in found if one.gates[0].verdict == "FAIL")
    assert failed.tick_end - START <= 120
    assert failed.at < failed.tick_end + SCRAPE


@pytest.mark.parametrize(
    ("interval", "scrape", "parts"),
    [
        ("15s", 15, 1),
        ("15s", 5, 3),
        ("15s", 1, 3),
        ("15s", 6, 2),
        ("10s", 4, 2),
        ("5s", 1, 1),
        ("1m", 15, 4),
        ("15s", 60, 1),
    ],
)
def test_a_tick_has_as_many_looks_as_scrapes_none_shorter_than_five_seconds(interval, scrape, parts):
    request = request_of(spec_of(ERRORS, interval=interval))
    looks = looks_of(request, PrometheusServer(url="http://prometheus.test", scrape_interval=f"{scrape}s"))
    assert looks.parts == parts
    for tick in (-1, 0, 7):
        assert looks.tick(looks.at(tick)) == tick
        assert looks.end(looks.at(tick)) == request.tick_end(tick)


def test_whole_ticks_made_from_fine_ones_are_what_whole_ticks_would_have_read():
    request, ledger = request_of(spec_of(ERRORS)), turning_bad(95)
    series = [
        make_series(dict(labels), [(at, value) for at, value, _ in points if not START + 120 < at < START + 170])
        for recording in ledger.recordings
        for labels, points in recording.points.items()
    ]
    looks = looks_of(request, PrometheusServer(url="http://prometheus.test", scrape_interval=SCRAPE))
    one, coarse = looks_of(request, PrometheusServer(url="http://prometheus.test")), looks.tick(look := 40)
    stores = [SampleStore().merged(series)]
    fine = make_tick_table(stores, SeriesReader(request), looks.grid(look), SCRAPE)
    whole, wanted = fine.whole(looks.parts), make_tick_table(stores, SeriesReader(request), one.grid(coarse), SCRAPE)
    assert whole.grid == wanted.grid
    assert whole.growth.keys() == wanted.growth.keys()
    for channel, growth in wanted.growth.items():
        np.testing.assert_array_equal(whole.growth[channel], growth)
    assert whole.sampled.keys() == wanted.sampled.keys()
    for key, when in wanted.sampled.items():
        np.testing.assert_array_equal(whole.sampled[key], when)
