"""A candidate that refuses what stable accepts is found by default; refusals that both give accuse nobody."""

from __future__ import annotations

import numpy as np
import pytest

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.stats import alpha_budget, limits
from modelrollout.core.analysis.stats.arrays import CountTicks
from modelrollout.core.analysis.stats.count_evidence import count_evidence
from modelrollout.core.analysis.stats.parameters import REFUSED_PART
from tests.draws import fixed
from tests.unit.analysis.gates.judged import BOTH, ERRORS, judged
from tests.unit.analysis.recorded import (
    GATEWAY_HEARTBEAT,
    GATEWAY_REQUESTS,
    GATEWAY_ROUTER,
    ROUTE,
    START,
    Recording,
    backend,
    look,
    request_of,
    scrapes,
    spec_of,
)

Answers = dict[str, float]


def answered(until: float, stable: Answers, candidate: Answers) -> Recording:
    """Answers per scrape of both versions, by status."""
    found = Recording(scrapes(until), "traefik").growing(GATEWAY_HEARTBEAT, 0)
    for version, answers, since in (("1", stable, -np.inf), ("2", candidate, START)):
        for code, growth in answers.items():
            found.growing(GATEWAY_REQUESTS, growth, since=since, code=code, service=backend(version))
    return found


ACCEPTS = {"200": 190.0, "400": 1.0}


@pytest.mark.alike(3)
@BOTH
@pytest.mark.parametrize("limits", [{}, {"max": "1%"}, {"max": "1%", "versusStable": {"ratio": 1.25, "plus": "0.1%"}}])
@pytest.mark.parametrize("code", ["400", "401", "404", "413", "422", "429", "3", "5", "16"])
async def test_a_candidate_that_refuses_everything_fails(method, limits, code):
    gate = await judged({**ERRORS, **limits, "method": method}, 300, answered(300, ACCEPTS, {code: 10}))
    assert (gate.verdict, gate.observed) == ("FAIL", "100 % refused"), gate.message
    assert gate.message.startswith("candidate 100 % refused (600/600) vs stable 0.5"), gate.message
    assert "; allowed <= 1.6" in gate.message


async def test_it_fails_by_default():
    found = await look(request_of(spec_of()), 300, answered(300, ACCEPTS, {"400": 10}))
    assert {one.name: one.verdict for one in found.gates}["errors"] == "FAIL"


async def test_a_part_of_the_clients_that_is_refused_is_found_too():
    """Every tenth client asks for version 1 by its number: /v2/models/digits/versions/1/infer."""
    part = answered(600, ACCEPTS, {"200": 9, "400": 1})
    assert (await judged(ERRORS, 600, part)).verdict == "FAIL"


@pytest.mark.alike(3)
@BOTH
@pytest.mark.parametrize("share", [0.0, 0.005, 0.05, 0.4])
async def test_what_both_refuse_alike_accuses_nobody(method, share):
    alike = {"200": 100 * (1 - share), "400": 100 * share}
    gate = await judged({**ERRORS, "method": method}, 1200, answered(1200, alike, alike))
    assert gate.verdict == "PASS", gate.message


@BOTH
@pytest.mark.parametrize("code", ["499", "1"])
async def test_a_client_that_went_away_was_not_refused(method, code):
    gone = answered(1200, ACCEPTS, {"200": 150, code: 50})
    assert (await judged({**ERRORS, "method": method}, 1200, gone)).verdict == "PASS"


async def test_what_no_version_answered_is_not_held_against_one():
    rec = answered(1200, {"200": 190}, {"200": 100})
    rec.growing(GATEWAY_ROUTER, 500, code="404", service=f"{ROUTE}-wrr@kubernetesgateway")
    assert (await judged(ERRORS, 1200, rec)).verdict == "PASS"


async def test_a_margin_of_its_own_lets_a_stricter_version_pass():
    stricter = answered(1200, ACCEPTS, {"200": 90, "400": 10})
    assert (await judged(ERRORS, 1200, stricter)).verdict == "FAIL"
    gate = await judged({**ERRORS, "refused": {"plus": "15%"}}, 1200, stricter)
    assert gate.verdict == "PASS", gate.message


async def test_without_requests_of_stable_an_absolute_limit_is_still_judged():
    alone = answered(1200, {}, {"200": 100, "400": 5})
    gate = await judged({**ERRORS, "max": "1%"}, 1200, alone)
    assert gate.verdict == "PASS", gate.message


async def test_the_models_own_count_knows_no_refusals_and_gives_nothing_away():
    rec = Recording(scrapes(600))
    for version, bad, since in (("1", 1, -np.inf), ("2", 20, START)):
        labels = {"model": "digits", "version": version}
        rec.growing(s.REQUESTS, 100, since=since, **labels).growing(s.REQUEST_ERRORS, bad, since=since, **labels)
    gate = await judged({**ERRORS, "source": "Model"}, 600, rec)
    assert gate.verdict == "FAIL"
    assert "rolls back at 25:1" in gate.message


@pytest.mark.alike(1)
@pytest.mark.parametrize(
    ("reason", "verdict"), [("CANCELED", "PASS"), ("REJECTED", "FAIL"), ("BACKEND", "FAIL"), ("OTHER", "FAIL")]
)
async def test_tritons_own_reasons_are_told_apart(reason, verdict):
    rec = Recording(scrapes(1200), "triton")
    for version, failed, since in (("1", 0, -np.inf), ("2", 20, START)):
        labels = {"model": "digits", "version": version}
        rec.growing(s.SUCCESS, 100, since=since, **labels)
        for each in ("CANCELED", "REJECTED", "BACKEND", "OTHER"):
            rec.growing(s.FAILURE, failed if each == reason else 0, since=since, reason=each, **labels)
    gate = await judged({**ERRORS, "source": "Model"}, 1200, rec)
    assert gate.verdict == verdict, gate.message


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0005, 0.01, 0.1, 0.4])
def test_equal_shares_are_accused_less_often_than_promised(share):
    """2,000 rollouts of an hour: the test of refused requests may err in 0.8 % of them, a fifth of 4 %."""
    rng, shape = fixed(2107), (2000, 240)
    stable, candidate = rng.binomial(900, share, shape), rng.binomial(100, share, shape)
    totals = np.full(shape, 100.0), np.full(shape, 900.0)
    seconds = 15.0 * np.arange(1, 241)
    ticks = CountTicks(seconds, candidate.astype(float), totals[0], stable.astype(float), totals[1])
    found = count_evidence(ticks, limits.REFUSED)
    needed = np.log(alpha_budget.odds_needed(REFUSED_PART))
    accused = (found.log_bad >= needed).any(axis=-1).mean()
    assert accused <= REFUSED_PART * 0.8 * 0.05
    assert found.passing[:, -1].mean() > 0.99
