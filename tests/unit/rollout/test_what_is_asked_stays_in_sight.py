"""While a rollout waits for a person, every message also carries the question, until it is answered."""

from __future__ import annotations

import pytest

from modelrollout.api.base import LONGEST_STRING
from modelrollout.api.status import LONGEST_QUESTION, Status, dump
from modelrollout.core.evaluation import MetricsOutage
from modelrollout.core.finding import Finding
from modelrollout.core.rollout.status_message import approval, remember, say
from tests.expect import present
from tests.unit.rollout.world import World, manifest

STEPS = [{"weight": 5, "hold": "30s", "approval": True}, {"weight": 50, "hold": "30s"}]
APPROVE = approval(0, 5).message


@pytest.fixture
def awaiting() -> World:
    world = World(spec=manifest(steps=STEPS)).stepping()
    for _ in range(5):
        world.tick()
    assert (world.phase, world.parsed.reason, world.parsed.message) == ("AwaitingApproval", "ApprovalNeeded", APPROVE)
    return world


@pytest.fixture
def inconclusive() -> World:
    world = World(spec=manifest(analysis={"deadline": "10m", "minimumRequests": 100})).stepping()
    world.verdict = "CONTINUE"
    for _ in range(60):
        world.tick()
    assert (world.phase, world.parsed.reason) == ("Inconclusive", "DeadlineExceeded")
    return world


def truths(status: Status) -> dict[str, str]:
    return {condition.type: condition.status for condition in status.conditions}


def test_a_fixed_spec_is_no_longer_called_invalid(awaiting: World):
    fixed = awaiting.spec
    awaiting.spec = fixed | {"steps": []}
    awaiting.tick()
    assert awaiting.parsed.reason == "InvalidSpec"
    assert truths(awaiting.parsed)["Stalled"] == "True"
    assert awaiting.parsed.message.endswith(APPROVE)
    awaiting.spec = fixed
    awaiting.tick()
    assert (awaiting.parsed.reason, awaiting.parsed.message) == ("ApprovalNeeded", APPROVE)
    assert "Stalled" not in truths(awaiting.parsed)


def test_after_pause_and_resume_the_question_is_back(awaiting: World):
    for verb, reason in (("pause", "Paused"), ("resume", "Resumed")):
        awaiting.ask(verb)
        awaiting.tick()
        assert awaiting.parsed.reason == reason
        assert awaiting.parsed.message.endswith(APPROVE)
    awaiting.tick()
    assert (awaiting.parsed.reason, awaiting.parsed.message) == ("ApprovalNeeded", APPROVE)


def test_metrics_that_are_gone_are_told_to_whoever_is_to_approve(awaiting: World):
    awaiting.outage = MetricsOutage("PrometheusUnreachable", "connection refused", awaiting.now)
    awaiting.tick()
    assert awaiting.parsed.reason == "MetricsUnavailable"
    assert awaiting.parsed.message.endswith(APPROVE)
    awaiting.outage = None
    awaiting.tick()
    assert awaiting.parsed.reason == "ApprovalNeeded"


@pytest.mark.slow
def test_a_weight_lowered_by_hand_hides_nothing(inconclusive: World):
    question = inconclusive.parsed.message
    weight = inconclusive.weight
    inconclusive.evaluating = False
    inconclusive.set_weight(1)
    inconclusive.tick()
    assert inconclusive.parsed.reason == "WeightLowered"
    assert inconclusive.parsed.message.endswith(question)
    inconclusive.evaluating = True
    inconclusive.tick()
    inconclusive.tick()
    assert inconclusive.weight == weight
    assert (inconclusive.parsed.reason, inconclusive.parsed.message) == ("DeadlineExceeded", question)


def test_the_question_ends_with_the_phase(inconclusive: World):
    assert present(inconclusive.parsed.rollout).question is not None
    question = inconclusive.parsed.message
    inconclusive.ask("resume")
    inconclusive.tick()
    inconclusive.tick()
    assert inconclusive.phase == "Stepping"
    assert present(inconclusive.parsed.rollout).question is None
    assert question not in inconclusive.parsed.message


@pytest.mark.slow
def test_a_status_from_before_questions_were_kept_keeps_its_sentence(inconclusive: World):
    question = inconclusive.parsed.message
    del inconclusive.status["rollout"]["question"]
    inconclusive.tick()
    assert (inconclusive.parsed.reason, inconclusive.parsed.message) == ("DeadlineExceeded", question)
    fixed = inconclusive.spec
    inconclusive.spec = fixed | {"steps": []}
    inconclusive.tick()
    assert inconclusive.parsed.reason == "InvalidSpec"
    inconclusive.spec = fixed
    inconclusive.tick()
    assert inconclusive.parsed.reason == "DeadlineExceeded"
    assert "resume" in inconclusive.parsed.message


@pytest.mark.parametrize("edit", [{"gates": [{"name": "errors", "type": "ErrorRate", "max": "2%"}]}, {"steps": None}])
def test_edits_are_shown_beside_the_question(awaiting: World, edit: dict):
    lower = [{"weight": 3, "hold": "30s", "approval": True}, *STEPS[1:]]
    awaiting.spec |= edit if "gates" in edit else {"steps": lower}
    awaiting.tick()
    weight = 5 if "gates" in edit else 3
    assert awaiting.parsed.reason == ("GatesChanged" if "gates" in edit else "StepsChanged")
    assert awaiting.parsed.message.endswith(approval(0, weight).message)


def test_an_approval_that_the_manifest_no_longer_asks_for_is_not_waited_for(awaiting: World):
    awaiting.spec |= {"steps": [{"weight": 5, "hold": "30s"}, STEPS[1]]}
    awaiting.tick()
    assert (awaiting.phase, awaiting.parsed.reason) == ("Stepping", "Approved")
    awaiting.tick()
    assert awaiting.weight_of("2") == 50


def test_an_approval_under_an_invalid_spec_says_what_is_in_its_way(awaiting: World):
    awaiting.spec |= {"steps": []}
    awaiting.ask("approve", "2", 0)
    awaiting.tick()
    assert present(awaiting.parsed.last_command).result.startswith("refused: the spec")


@pytest.mark.slow
def test_message_and_question_fit_into_the_status(inconclusive: World):
    status = inconclusive.parsed
    long = remember(status.model_copy(update={"message": "why " * 2000}))
    both = say(long, Finding("Paused", "because " * 2000))
    assert len(both.message) == LONGEST_STRING
    assert both.message.startswith("because")
    assert both.message.endswith(present(present(long.rollout).question).message)
    assert len(present(present(long.rollout).question).message) <= LONGEST_QUESTION
    assert Status.model_validate(dump(both.model_copy(update={"conditions": []}))) is not None
