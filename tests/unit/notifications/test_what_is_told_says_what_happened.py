"""Every Event has a kind, its facts and its evidence, whatever stands in the object; words are templates, never run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from modelrollout.api.config.notifications import NotificationTemplate, Sink
from modelrollout.api.problems import problems_of, summary
from modelrollout.core.notice import make_notice
from modelrollout.core.observation import Event
from tests.unit.notifications.told import ENTRY, notice, rolled_back, stored

PROMOTED = ENTRY | {"result": "Promoted", "reason": "Promoted"}
TARGET = {"apprise": {"urlFile": "/x"}}


def sink(**more: Any) -> Sink:
    return Sink.model_validate({"name": "chat"} | TARGET | more, by_alias=True)


@pytest.mark.parametrize(
    ("reason", "obj", "warning", "kind"),
    [
        ("RolloutStarted", stored(), False, "Started"),
        ("StepStarted", stored(), False, "Advanced"),
        ("ApprovalNeeded", stored(phase="AwaitingApproval"), False, "NeedsPerson"),
        ("NotProven", stored(phase="Inconclusive", reason="NotProven"), True, "NeedsPerson"),
        ("NotProven", stored(phase="Stepping", reason="NotProven"), True, "Warning"),
        ("Promoted", {"status": {"history": [PROMOTED]}}, False, "Promoted"),
        ("GateFailed", rolled_back(), True, "RolledBack"),
        ("RouteChanged", rolled_back(), False, "Info"),
        ("CandidateLost", stored(), True, "Warning"),
    ],
)  # fmt: skip
def test_the_kind_is_what_happened_not_what_it_is_called(reason: Any, obj: dict[str, Any], warning: bool, kind: str):
    assert notice(reason, obj, warning=warning).kind == kind


def test_a_rollback_by_drift_is_drift_as_well_and_names_the_version_that_was_tried():
    found = notice()
    assert found.kinds == {"RolledBack", "Drift"}
    assert found.facts["candidate"] == "2"
    assert found.data["rollout"]["result"] == "RolledBack"
    assert [gate["name"] for gate in found.data["gates"]] == ["drift", "errors"], "what failed comes first"
    assert notice(obj=rolled_back(gates=[])).kinds == {"RolledBack"}


@pytest.mark.parametrize(
    "status",
    [
        {"gates": 7, "history": "x", "weight": [1], "phase": None},
        {"gates": [None, {"verdict": ["FAIL"]}] * 500, "history": [3]},
        {"stable": "1\x1b[31m" + "x" * 10**6, "deciding": {"a": 1}, "rollout": 5},
    ],
)
def test_whatever_stands_in_a_status_is_bounded_and_printable(status: dict[str, Any]):
    found = make_notice({"metadata": {}, "status": status}, Event("Adopted", "a\nb" * 10**5), 0.0, "id")
    text = json.dumps(found.data, ensure_ascii=False)
    assert len(text) < 64 * 1024
    assert text.isprintable()
    assert all(value.isprintable() for value in found.facts.values())


def test_a_sink_hears_its_namespaces_and_kinds_alone():
    only = sink(namespaces=["vision-*"], kinds=["Drift"])
    assert only.wants("vision-a", frozenset({"RolledBack", "Drift"}))
    assert not only.wants("speech", frozenset({"Drift"}))
    assert not only.wants("vision-a", frozenset({"RolledBack"}))


def test_the_first_template_for_a_kind_counts_and_values_are_words_not_templates():
    mine = sink(
        templates=[{"kinds": ["Started"], "title": "no"}, {"title": "$model!", "text": "$message\n\n$evidence"}]
    )
    told = make_notice(stored(), Event("GateFailed", "$stable ${candidate} $$", warning=True), 0.0, "id")
    assert mine.render(told.kinds, told.facts) == ("digits!", "$stable ${candidate} $$")


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        (
            {"title": "$user"},
            'sinks[0].templates[0].title is "$user": $user is no placeholder: use $candidate, $evidence',
        ),
        ({"text": "5 $"}, 'sinks[0].templates[0].text is "5 $": write a dollar sign that starts no placeholder as $$'),
        ({"text": "{message.__class__}"}, ""),
        ({"kinds": ["Rollback"]}, "kinds"),
    ],
)
def test_a_template_is_refused_by_name_or_taken_as_text(template: dict[str, Any], sentence: str):
    from modelrollout.api.config.notifications import Notifications  # noqa: PLC0415

    document = {"sinks": [{"name": "chat", "apprise": {"urlFile": "/x"}, "templates": [template]}]}
    try:
        found = Notifications.model_validate_json(json.dumps(document), by_alias=True, by_name=False)
    except ValidationError as error:
        said = summary(problems_of(error, Notifications, ""))
        assert sentence, said
        assert sentence in said
    else:
        assert sentence == ""
        assert found.sinks[0].templates[0].render({})[1] == "{message.__class__}"


def test_the_words_of_a_default_message():
    title, text = NotificationTemplate().render(notice().facts)
    assert title == "digits: RolledBack, GateFailed (vision/digits)"
    assert text.splitlines() == [
        "version 2 rolled back: drift: 0.31 > 0.1",
        "Stable 1, candidate 2 at 5 %.",
        "kubectl modelrollout status digits -n vision",
    ]
