"""The real passes and evaluator: a webhook's word holds, rolls back or lets go on; one that hangs delays nothing."""

from __future__ import annotations

from typing import Any

import pytest

from modelrollout.api.config import OperatorConfig
from modelrollout.core.analysis.metrics.series import Series
from modelrollout.ports import Said, Undelivered
from modelrollout.runtime.evaluation.evaluator import Evaluator
from modelrollout.runtime.reconcile import Reconciler
from modelrollout.runtime.watch import Watch
from tests.unit.analysis.recorded import backend
from tests.unit.runtime.in_memory import EVERY, Clock, GrowingLedger, MemoryCluster, made, one_pass, router_of
from tests.unit.webhooks.asked import GATE, FakeJudge, answers_of, config, hook, never, settle

World = tuple[Reconciler, Watch, MemoryCluster, Clock]


def world(judge: FakeJudge, known: OperatorConfig | None = None, **gate: Any) -> World:
    reconciler, watch, cluster, clock = made()
    reconciler.config = watch.config = known or config(scrape_interval=EVERY)
    watch.evaluator = Evaluator(GrowingLedger(), watch.config, webhooks=answers_of(judge, watch.config))
    cluster.obj["spec"]["gates"].append({**GATE, **gate})
    return reconciler, watch, cluster, clock


async def passes(found: World, number: int, until: str = "") -> dict[str, Any]:
    """The status after so many passes, or as soon as it is in the phase `until`, or its message says so."""
    for _ in range(number):
        await one_pass(*found)
        await settle()
        status = found[2].obj.get("status", {})
        if until and (status.get("phase") == until or until in status.get("message", "")):
            return status
    assert not until, found[2].obj["status"]["message"]
    return found[2].obj["status"]


def weight(found: World) -> int:
    route = router_of(found[0]).route
    return route.weight_of("2") if route is not None else 0


@pytest.mark.slow
async def test_each_step_and_the_bake_wait_for_a_pass_of_their_own():
    judge = FakeJudge([Said("CONTINUE", "40 % of the load is sent")])
    found = world(judge)
    status = await passes(found, 120, "40 % of the load is sent")
    first = weight(found)
    assert (status["phase"], status["reason"]) == ("Stepping", "NotProven")
    assert status["message"].startswith("load: webhook load-test answered CONTINUE at ")
    status = await passes(found, 20)
    assert (status["phase"], weight(found)) == ("Stepping", first), "CONTINUE holds"
    judge.answers = [Said("PASS")]
    await passes(found, 200, "Baking")
    steps = len(found[2].obj["spec"]["steps"])
    assert len({one.data["subject"] for one in judge.asked}) == steps
    judge.answers = [Said("CONTINUE", "still sending")]
    status = await passes(found, 60, "still sending")
    assert (status["phase"], status["stable"]) == ("Baking", "1")
    judge.answers = [Said("PASS")]
    for _ in range(60):
        await passes(found, 1)
        if found[2].obj["status"]["stable"] == "2":
            return
    raise AssertionError(found[2].obj["status"]["message"])


@pytest.mark.slow
async def test_a_fail_rolls_back_with_the_other_sides_words():
    judge = FakeJudge([Said("CONTINUE"), Said("FAIL", "P99 of the load test is 2.1 s")])
    found = world(judge)
    status = await passes(found, 120, "RolledBack")
    assert (status["reason"], weight(found)) == ("GateFailed", 0)
    assert "load: webhook load-test answered FAIL at " in status["message"]
    assert status["message"].endswith("UTC: P99 of the load test is 2.1 s")
    shown = next(one for one in status["gates"] if one["name"] == "load")
    assert (shown["verdict"], shown["type"]) == ("FAIL", "Webhook")


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [never, Undelivered("it answered 500")])
async def test_one_that_hangs_or_fails_holds_with_its_reason_and_never_promotes(wrong: Any):
    judge = FakeJudge([wrong])
    found = world(judge)
    reason = "has not answered yet" if wrong is never else "WebhookSilent: webhook load-test gives no verdict: it "
    status = await passes(found, 120, reason)
    assert (status["phase"], status["reason"]) == ("Stepping", "NotProven")
    first = weight(found)
    status = await passes(found, 25)
    assert (status["stable"], weight(found)) == ("1", first)


class Worse(GrowingLedger):
    """From `since` on the candidate answers nothing but errors."""

    since = float("inf")

    async def range(self, _server: Any, selector: str, start: float, end: float) -> tuple[Series, ...]:
        found = await super().range(_server, selector, start, end)
        return tuple(self._spoilt(one) for one in found)

    def _spoilt(self, one: Series) -> Series:
        labels = dict(one.labels)
        if labels["service"] != backend("2") or labels["code"] != "503":
            return one
        late = one.times / 1000 > self.since
        one.values[late] += 20.0 * (one.times[late] / 1000 - self.since)
        return one


async def lowered_after(found: World) -> int:
    """Passes from the first bad answer of the candidate, in its first step, until it has no traffic."""
    ledger = Worse()
    found[1].evaluator._ledger = ledger
    while not weight(found):
        await passes(found, 1)
    ledger.since = found[3].now()
    for count in range(1, 20):
        status = await passes(found, 1)
        if status["phase"] == "RolledBack":
            assert (status["reason"], weight(found)) == ("GateFailed", 0)
            return count
    raise AssertionError("it was not rolled back")


@pytest.mark.slow
async def test_with_one_that_hangs_a_breach_is_lowered_as_soon_as_without_it():
    alone = world(FakeJudge())
    alone[2].obj["spec"]["gates"].pop()
    assert await lowered_after(world(FakeJudge([never]))) == await lowered_after(alone)


@pytest.mark.slow
async def test_after_a_restart_it_is_asked_again_and_an_answer_from_before_is_none():
    judge = FakeJudge([Said("PASS")])
    found = world(judge)
    while not judge.asked:
        await passes(found, 1)
    before = judge.asked[0].data["subject"]
    judge.answers = [never]
    watch = found[1]
    watch.evaluator = Evaluator(GrowingLedger(), watch.config, webhooks=answers_of(judge, watch.config))
    number, first = len(judge.asked), weight(found)
    status = await passes(found, 25)
    assert judge.asked[number].data["subject"] == before
    assert (status["phase"], weight(found)) == ("Stepping", first)


@pytest.mark.slow
async def test_a_webhook_that_this_namespace_may_not_have_keeps_the_candidate_at_0():
    found = world(FakeJudge([Said("PASS")]), config(hook(namespaces=["other"]), scrape_interval=EVERY))
    status = await passes(found, 15)
    assert (status["reason"], weight(found)) == ("GateNotJudgeable", 0)
    assert "no webhook load-test that namespace vision may have asked" in status["message"]
    assert "required: false" in status["message"]


@pytest.mark.slow
async def test_one_that_decides_nothing_is_asked_and_holds_nothing():
    judge = FakeJudge([Said("FAIL", "no")])
    found = world(judge, required=False)
    await passes(found, 200, "Baking")
    assert judge.asked
