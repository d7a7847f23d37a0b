"""A question goes out after an evaluation, one at a time; its answer counts for the step that it was asked about."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from modelrollout.api.config import OperatorConfig
from modelrollout.core.evaluation import EvaluationRequest
from modelrollout.ports import Said, Unclear, Undelivered
from modelrollout.runtime.evaluation import webhook_answers as module
from modelrollout.runtime.evaluation.webhook_answers import AT_ONCE, OF_ONE, WebhookAnswers
from modelrollout.runtime.metrics import MemoryMetrics
from tests.unit.analysis.recorded import START, request_of, spec_of
from tests.unit.webhooks.asked import GATE, FakeJudge, answers_of, config, evaluation, hook, never, settle

REQUEST = request_of(spec_of(GATE))
NEXT = replace(REQUEST, steps=((5, START), (50, START + 600)))


async def asked_at(answers: WebhookAnswers, *ticks: int, request: EvaluationRequest = REQUEST) -> None:
    for tick in ticks:
        answers.ask(request, evaluation(tick), START + 15.0 * tick)
        await settle()


def verdict(answers: WebhookAnswers, request: EvaluationRequest = REQUEST) -> Any:
    """The verdict, or the reason why there is none; None where nothing is known of this step."""
    told = answers.known(request).get("load")
    return None if told is None else told.verdict or (told.problem and told.problem.reason)


async def test_a_continue_is_asked_about_again_at_each_interval_and_an_answer_holds_for_the_step():
    judge = FakeJudge([Said("CONTINUE"), Said("CONTINUE"), Said("PASS"), Said("FAIL")])
    answers = answers_of(judge)
    await asked_at(answers, 1, 1, 2)
    assert (verdict(answers), len(judge.asked)) == ("CONTINUE", 2), "once an interval"
    await asked_at(answers, 3, 4, 5)
    assert (verdict(answers), len(judge.asked)) == ("PASS", 3), "who has agreed is not asked again in this step"


async def test_each_question_has_its_own_id_and_a_subject_that_stays():
    judge = FakeJudge()
    await asked_at(answers_of(judge), 1, 2)
    await asked_at(answers_of(judge), 2)
    assert judge.asked[0].ident != judge.asked[1].ident == judge.asked[2].ident, "after a restart it is the same one"
    assert len({one.data["subject"] for one in judge.asked}) == 1


async def test_the_next_step_asks_anew_and_the_answer_of_the_last_one_counts_no_more():
    judge = FakeJudge([Said("PASS"), Said("CONTINUE")])
    answers = answers_of(judge)
    await asked_at(answers, 1)
    assert (verdict(answers), verdict(answers, NEXT)) == ("PASS", None)
    await asked_at(answers, 41, request=NEXT)
    assert (verdict(answers, NEXT), len(judge.asked)) == ("CONTINUE", 2)
    assert verdict(answers) is None


@pytest.mark.parametrize("what", [{"rollout": "other gates"}, {"steps": NEXT.steps}, {"bake_started_at": START + 9}])
async def test_an_answer_that_comes_late_counts_for_nothing_but_what_was_asked(what: dict[str, Any]):
    said = asyncio.get_running_loop().create_future()
    judge = FakeJudge([lambda _: said, Said("CONTINUE")])
    answers, now = answers_of(judge), replace(REQUEST, **what)
    await asked_at(answers, 1)
    await asked_at(answers, 2, request=now)
    if not said.done():
        said.set_result(Said("PASS"))
    await settle()
    assert verdict(answers, now) == "CONTINUE"


async def test_nobody_is_asked_twice_at_once_and_nothing_waits_for_who_hangs():
    judge = FakeJudge([never])
    answers = answers_of(judge)
    await asked_at(answers, 1, 2, 3)
    assert (verdict(answers), len(judge.asked)) == (None, 1)
    assert answers.known(REQUEST)["load"].verdict is None
    answers.forget(REQUEST)
    await settle()
    assert not [one for one in asyncio.all_tasks() if one is not asyncio.current_task()], "over: nobody waits for it"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Undelivered("it answered 500"), "WebhookSilent"),
        (Undelivered("it answered 404", final=True), "WebhookSilent"),
        (Unclear("its answer is no JSON"), "WebhookUnclear"),
        (RuntimeError("http://secret.example/token"), "WebhookSilent"),
    ],
)
async def test_silence_and_nonsense_are_no_verdict_and_the_next_interval_asks_again(error: Exception, reason: str):
    judge = FakeJudge([error, Said("PASS")])
    answers = answers_of(judge)
    await asked_at(answers, 1)
    assert verdict(answers) == reason
    problem = answers.known(REQUEST)["load"].problem
    assert problem is not None
    assert problem.message.startswith("webhook load-test gives no verdict: ")
    assert "secret" not in problem.message
    await asked_at(answers, 2)
    assert verdict(answers) == "PASS"


async def test_a_pass_that_was_not_heard_again_does_not_outlive_a_continue():
    answers = answers_of(FakeJudge([Said("CONTINUE"), Undelivered("it answered 500")]))
    await asked_at(answers, 1, 2)
    assert verdict(answers) == "WebhookSilent"


async def test_a_server_in_trouble_is_tried_again_with_growing_pauses_and_one_that_refuses_is_not(
    monkeypatch: pytest.MonkeyPatch,
):
    pauses, real = list[float](), asyncio.sleep

    async def slept(seconds: float) -> None:
        if seconds:
            pauses.append(seconds)
        await real(0)

    monkeypatch.setattr("modelrollout.runtime.evaluation.webhook_answers.asyncio.sleep", slept)
    judge = FakeJudge([Undelivered("it answered 503", retry_after=999.0), Undelivered("no answer"), Said("PASS")])
    answers = answers_of(judge, config(hook(tries=3)))
    await asked_at(answers, 1)
    assert (verdict(answers), pauses) == ("PASS", [30.0, 2.0])
    assert len({one.ident for one in judge.asked}) == 1, "another try of the same question"
    refusing = FakeJudge([Undelivered("it answered 403", final=True)])
    await asked_at(answers_of(refusing, config(hook(tries=3))), 1)
    assert len(refusing.asked) == 1


@pytest.mark.parametrize("known", [config(hook("another")), config(hook(namespaces=["other-*"]))])
async def test_only_a_webhook_of_the_configuration_that_is_for_this_namespace_is_asked(known: OperatorConfig):
    judge = FakeJudge()
    answers = answers_of(judge, known)
    await asked_at(answers, 1, 2)
    told = answers.known(replace(REQUEST, steps=()))["load"]
    assert (verdict(answers), judge.asked) == ("WebhookNotAllowed", [])
    assert told.problem is not None
    assert "webhooks of the operator's configuration" in told.problem.message, "said before any traffic"


@pytest.mark.parametrize("early", [{"steps": ()}, {"preflight": "run"}])
async def test_nobody_is_asked_about_a_candidate_that_no_user_meets(early: dict[str, Any]):
    judge = FakeJudge()
    answers = answers_of(judge)
    await asked_at(answers, 1, request=replace(REQUEST, **early))
    assert not judge.asked


async def test_one_that_hangs_has_no_place_of_another_webhook_and_one_namespace_not_all_of_one():
    judge = FakeJudge([never])
    known = config(hook(namespaces=["*"]), hook("other", namespaces=["*"]))
    answers = WebhookAnswers(judge, known, MemoryMetrics())
    for number in range(AT_ONCE):
        await asked_at(answers, 1, request=replace(REQUEST, name=f"r{number}"))
    assert len(judge.asked) == OF_ONE
    for number in range(AT_ONCE):
        await asked_at(answers, 1, request=replace(REQUEST, namespace=f"n{number}"))
    assert len(judge.asked) == AT_ONCE
    spec = spec_of({**GATE, "webhook": "other"})
    await asked_at(answers, 1, request=request_of(spec))
    assert len(judge.asked) == AT_ONCE + 1
    for request in [REQUEST, request_of(spec)]:
        answers.forget(request)


async def test_a_rollout_that_nobody_evaluates_is_forgotten_and_one_of_the_longest_interval_is_not():
    answers = answers_of(FakeJudge([Said("PASS")]))
    await asked_at(answers, 1)
    other = replace(REQUEST, name="other")
    answers.ask(other, evaluation(1), START + 3600.0)
    assert verdict(answers) == "PASS"
    answers.ask(other, evaluation(1), START + 4 * 3600.0)
    assert verdict(answers) is None


async def test_each_question_is_counted_by_its_outcome():
    metrics = MemoryMetrics()
    answers = WebhookAnswers(FakeJudge([Said("CONTINUE"), Unclear("?"), Said("PASS")]), config(), metrics)
    await asked_at(answers, 1, 2, 3)
    counted = metrics.counters[module.QUESTIONS].values
    assert counted == {("load-test", one): 1.0 for one in ("CONTINUE", "unclear", "PASS")}
