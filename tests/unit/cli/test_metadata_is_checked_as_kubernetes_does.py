from __future__ import annotations

from typing import Any

import pytest

from modelrollout.cli.metadata import metadata_problems
from tests.unit.api.bad_input import TABLE

LONG = "a" * 64


def found(metadata: dict[Any, object]) -> list[str]:
    return [problem.sentence for problem in metadata_problems({"metadata": {"name": "digits", **metadata}})]


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"name": "digits.eu"},
        {"name": "a" * 253},
        {"generateName": "digits-"},
        {"namespace": "vision"},
        {"namespace": None},
        {"namespace": ""},
        {"labels": None},
        {"labels": {"team": "a", "app.kubernetes.io/name": "A_b.c-1", "empty": "", "unset": None}},
        {"annotations": {"example.com/at": "12:30, any text\n\u00fc"}},
        {"finalizers": ["modelrollout.dev/traffic"], "ownerReferences": [], "creationTimestamp": None},
    ],
)
def test_what_an_api_server_takes_is_no_finding(metadata: dict[Any, object]):
    assert found(metadata) == []


@pytest.mark.alike(10)
@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({"name": "digits..eu"}, 'metadata.name is "digits..eu"'),
        ({"name": "digits.-eu"}, "metadata.name"),
        ({"name": ".digits"}, "metadata.name"),
        ({"name": "digits."}, "metadata.name"),
        ({"name": "digits\n"}, 'metadata.name is "digits\\n"'),
        ({"name": "Digits"}, "metadata.name"),
        ({"name": "d\u0456gits"}, "metadata.name"),
        ({"name": ""}, "metadata.name"),
        ({"name": None}, "metadata.name is null"),
        ({"name": 5}, 'write a string in quotes, such as "5"'),
        ({"name": True}, 'write a string in quotes, such as "text"'),
        ({"name": "a" * 254}, "metadata.name has 254 characters"),
        ({"generateName": "Digits-"}, "metadata.generateName"),
        ({"namespace": "vision.eu"}, "metadata.namespace"),
        ({"namespace": "Vision"}, "metadata.namespace"),
        ({"namespace": LONG}, "metadata.namespace has 64 characters: use at most 63"),
        ({"lables": {}}, "metadata.lables is not a field: did you mean labels?"),
        ({"annotation": {}}, "did you mean annotations?"),
        ({"spec": {}}, "metadata.spec is not a field"),
        ({5: 1}, "metadata.5 is not a field"),
        ({"labels": ["a"]}, "metadata.labels is"),
        ({"labels": {"team": 5}}, 'metadata.labels.team is 5: write a string in quotes, such as "5"'),
        ({"labels": {"team": True}}, "metadata.labels.team is true"),
        ({"labels": {"team": "a b"}}, 'metadata.labels.team is "a b"'),
        ({"labels": {"team": "-a"}}, "metadata.labels.team"),
        ({"labels": {"team": LONG}}, "metadata.labels.team"),
        ({"labels": {LONG: "a"}}, "metadata.labels has the key"),
        ({"labels": {"": "a"}}, "metadata.labels has the key"),
        ({"labels": {"/a": "a"}}, "metadata.labels has the key"),
        ({"labels": {"a..b/c": "a"}}, 'metadata.labels has the key "a..b/c"'),
        ({"labels": {"a/b/c": "a"}}, "metadata.labels has the key"),
        ({"labels": {True: "a"}}, "metadata.labels has the key"),
        ({"annotations": {"a b": "a"}}, "metadata.annotations has the key"),
        ({"annotations": {"a": {"b": 1}}}, "metadata.annotations.a is"),
        ({"annotations": {"a": "x" * 300_000}}, "metadata.annotations holds 300,001 bytes"),
    ],
)
def test_what_an_api_server_refuses_or_drops_is_a_finding(metadata: dict[Any, object], says: str):
    (sentence,) = found(metadata)
    assert says in sentence


@pytest.mark.parametrize("metadata", [None, [], "digits", 5])
def test_metadata_of_another_type_is_a_finding(metadata: object):
    (problem,) = metadata_problems({"metadata": metadata})
    assert problem.fix == "add metadata with a name"


def test_a_generated_name_is_no_name_for_a_rollout():
    (problem,) = metadata_problems({"metadata": {"generateName": "digits-"}})
    assert problem.path == "metadata.name"
    assert "instead of generateName" in problem.fix


def test_dns_names_with_empty_parts_are_bad_input_in_every_field_that_holds_one():
    names = {bad.name for bad in TABLE if bad.value is not None and ".." in str(bad.value)}
    assert {"gateway_with_an_empty_part", "section_with_an_empty_part", "hostname_with_an_empty_part"} <= names
