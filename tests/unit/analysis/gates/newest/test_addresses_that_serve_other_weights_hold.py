"""Addresses of one version that serve different weights hold it, also while one of them misses a scrape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.evaluation import Evaluation
from tests.expect import expect
from tests.unit.analysis.recorded import START, Recording, gateway, look, request_of, scrapes, spec_of

ERRORS = {"name": "errors", "type": "ErrorRate"}
UNTIL = 300.0


def pod(name: str, digest: str, *, since: float = -np.inf, until: float = np.inf, missing: float = 0.0) -> Recording:
    """An address that shows this digest from `since` until `until`, without the scrapes of the last `missing` s."""
    times = scrapes(UNTIL)
    kept = (times >= START + since) & (times < START + min(until, UNTIL - missing))
    found = Recording(times[kept], name)
    return found.reading(s.INFO, 1, model="digits", version="2", digest=digest)


async def evaluated(*pods: Recording, **request: Any) -> Evaluation:
    world = gateway(UNTIL, stable=(100, 0), candidate=(10, 0))
    return expect(Evaluation, await look(request_of(spec_of(ERRORS), **request), UNTIL, world, *pods))


@pytest.mark.parametrize("missing", [0.0, 15.0, 30.0])
async def test_a_missed_scrape_is_no_agreement(missing: float):
    found = await evaluated(pod("a", "d1"), pod("b", "d2", missing=missing))
    assert found.halt == "WeightsDiffer"
    assert "(d1, d2)" in found.message


@pytest.mark.parametrize(
    "pods",
    [
        [pod("a", "d1"), pod("b", "d1", missing=15.0)],
        [pod("a", "d1", until=280.0), pod("a", "d2", since=280.0)],
        [pod("a", "d2"), pod("b", "d1", until=100.0)],
    ],
    ids=["the same weights", "one address that was loaded again", "an address that is gone"],
)
async def test_what_agrees_is_not_held(pods: list[Recording]):
    there = {one.target for one in pods if one.times[-1] > START + UNTIL / 2}
    assert (await evaluated(*pods, addresses=len(there))).halt is None


async def test_what_was_there_before_the_evidence_holds_nothing():
    pods = pod("a", "d2"), pod("b", "d1", missing=40.0)
    assert (await evaluated(*pods, addresses=1)).halt == "WeightsDiffer"
    assert (await evaluated(*pods, addresses=1, evidence_from=START + 270.0)).halt is None
