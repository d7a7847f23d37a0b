"""A pod that lives and is no longer scraped holds the weight; one that is gone does not."""

from __future__ import annotations

import numpy as np
import pytest

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.evaluation import Evaluation
from tests.expect import expect
from tests.unit.analysis.recorded import START, Recording, gateway, look, request_of, scrapes, spec_of

ERRORS = {"name": "errors", "type": "ErrorRate"}


def pod(name: str, *, until: float = 600.0, since: float = 0.0, version: str = "2") -> Recording:
    times = scrapes(600.0)
    found = Recording(times[(times <= START + until) & (times >= START + since)], name)
    return found.growing(s.REQUESTS, 5, model="digits", version=version)


async def halted(at: float, *pods: Recording, addresses: int | None) -> Evaluation:
    request = request_of(spec_of(ERRORS), addresses=addresses)
    world = gateway(600.0, stable=(100, 0), candidate=(10, 0))
    return expect(Evaluation, await look(request, at, world, *pods))


@pytest.mark.parametrize(("at", "held"), [(220, False), (280, True), (590, True)])
async def test_a_pod_that_lives_and_is_not_scraped_holds_for_as_long_as_it_lives(at, held):
    found = await halted(at, pod("a"), pod("b"), pod("c", until=200), addresses=3)
    assert found.halt == ("TargetNotScraped" if held else None)
    if held:
        assert found.message.startswith("c (job lab) has not been scraped for ")
        assert "2 of 3 addresses are scraped" in found.message
    assert found.requests > 0  # what it counted stays


async def test_a_pod_that_was_scaled_down_or_replaced_holds_nothing():
    assert (await halted(280, pod("a"), pod("b"), pod("c", until=200), addresses=2)).halt is None
    new = pod("d", since=210)
    assert (await halted(280, pod("a"), pod("b"), pod("c", until=200), new, addresses=3)).halt is None


async def test_stables_pods_may_come_and_go():
    pods = pod("a"), pod("s", version="1"), pod("t", version="1", until=200)
    assert (await halted(280, *pods, addresses=1)).halt is None


@pytest.mark.parametrize(("at", "held"), [(280, True), (590, False)])
async def test_while_nobody_counts_the_pods_a_lost_one_holds_for_a_while(at, held):
    found = await halted(at, pod("a"), pod("c", until=200), addresses=None)
    assert (found.halt == "TargetNotScraped") is held


@pytest.mark.parametrize(("at", "held"), [(280, True), (590, False)])
async def test_a_replica_of_the_gateway_that_was_lost_holds_for_a_while(at, held):
    lost = gateway(600.0, stable=(100, 0), candidate=(10, 0))
    for key, points in list(lost.points.items()):
        labels = tuple(sorted({**dict(key), "instance": "traefik-2"}.items()))
        lost.points[labels] = [one for one in points if one[0] < START + 200]
    found = expect(Evaluation, await look(request_of(spec_of(ERRORS), addresses=1), at, lost))
    assert (found.halt == "TargetNotScraped") is held


async def test_before_the_evidence_anything_may_have_gone():
    early = Recording(scrapes(-100.0), "old").growing(s.REQUESTS, 5, model="digits", version="2")
    assert len(early.times) > 0
    assert np.all(early.times < START)
    assert (await halted(280, pod("a"), early, addresses=2)).halt is None
