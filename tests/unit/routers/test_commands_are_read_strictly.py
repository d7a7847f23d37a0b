"""A command names what it applies to, or it is refused; nothing in an annotation can do more than that."""

from __future__ import annotations

import json
from typing import Any

import pytest

from modelrollout.adapters.kubernetes.command_annotation import COMMAND, LONGEST, command_of, write_command
from modelrollout.core.observation import Command, MalformedCommand


def annotated(text: str, fields: dict[str, Any] | None = None) -> dict[str, Any]:
    meta: dict[str, Any] = {"annotations": {COMMAND: text}}
    if fields is not None:
        meta["managedFields"] = fields
    return {"metadata": meta}


@pytest.mark.parametrize("obj", [{}, {"metadata": {}}, {"metadata": {"annotations": {"a": "b"}}}])
def test_no_annotation_is_no_command(obj: dict[str, Any]) -> None:
    assert command_of(obj) is None


@pytest.mark.parametrize(
    "command",
    [
        Command("approve", "n-1", "2", 1, by="ana", why="looks good"),
        Command("pause", "2026.1", None, None),
        Command("retry", "x", "7", 0),
        Command("approve", "x", "7", 0, rollout="2026-11-26T20:00:00.125Z"),
    ],
)
def test_what_is_written_is_read_back(command: Command) -> None:
    assert command_of(annotated(write_command(command))) == command


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("abort", "Invalid JSON"),
        ("[]", "should be an object"),
        ('{"nonce":"x"}', "verb"),
        ('{"verb":"destroy","nonce":"x"}', "'destroy'"),
        ('{"verb":"abort"}', "nonce"),
        ('{"verb":"abort","nonce":"a b"}', "nonce"),
        ('{"verb":"abort","nonce":"x","version":"../2"}', "version"),
        ('{"verb":"abort","nonce":"x","version":2}', "version"),
        ('{"verb":"approve","nonce":"x","step":"1"}', "step"),
        ('{"verb":"approve","nonce":"x","step":-1}', "step"),
        ('{"verb":"abort","nonce":"x","force":true}', "force"),
        ('{"verb":"abort","nonce":"x","why":"' + "y" * 1500 + '"}', "why"),
        ('{"verb":"abort","nonce":"x","rollout":1700000000}', "rollout"),
        ('{"verb":"abort","nonce":"x","rollout":"2026-11-26"}', "rollout"),
        ('{"verb":"abort","nonce":"x","rollout":"2026-11-26T20:00:00.000+00:00"}', "rollout"),
        ('{"verb":"abort","nonce":"x","rollout":"٢٠٢٦-11-26T20:00:00.000Z"}', "rollout"),
        ('{"verb":"abort","nonce":"x","rollout":"2026-11-26T20:00:00.000Z\\n"}', "rollout"),
    ],
)
def test_what_is_no_command_is_refused_with_the_field_and_the_value(text: str, says: str) -> None:
    found = command_of(annotated(text))
    assert isinstance(found, MalformedCommand)
    assert says in found.message
    assert len(found.message) < 400


def test_a_huge_annotation_is_refused_unread() -> None:
    found = command_of(annotated(json.dumps({"verb": "abort", "nonce": "x", "why": "ü" * LONGEST})))
    assert isinstance(found, MalformedCommand)
    assert f"{LONGEST} bytes" in found.message


def test_the_same_malformed_text_has_the_same_nonce_and_another_text_another() -> None:
    nonces = [command_of(annotated(text)) for text in ("abort", "abort", "approve")]
    assert all(isinstance(each, MalformedCommand) for each in nonces)
    first, again, other = (each.nonce for each in nonces if each)
    assert first == again != other


def test_the_manager_is_who_wrote_the_annotation_last_not_who_wrote_the_object_last() -> None:
    mine: dict[str, Any] = {"f:metadata": {"f:annotations": {f"f:{COMMAND}": {}}}}
    fields: Any = [
        {"manager": "argocd", "time": "2026-01-03T00:00:00Z", "fieldsV1": {"f:spec": {}}},
        {"manager": "kubectl-annotate", "time": "2026-01-02T00:00:00Z", "fieldsV1": mine},
        {"manager": "old", "time": "2026-01-01T00:00:00Z", "fieldsV1": mine},
    ]
    found = command_of(annotated('{"verb":"abort","nonce":"x"}', fields))
    assert isinstance(found, Command)
    assert found.manager == "kubectl-annotate"


ALONE: dict[str, Any] = {"f:metadata": {"f:annotations": {".": {}, f"f:{COMMAND}": {}}}}
BESIDE: dict[str, Any] = {"f:metadata": {"f:annotations": {f"f:{COMMAND}": {}, "f:other": {}}}}
WITH_SPEC = ALONE | {"f:spec": {"f:model": {}}}


@pytest.mark.parametrize(
    ("fields", "time", "written_at", "dated"),
    [
        (ALONE, "1970-01-02T00:00:00Z", 86_400.0, True),
        (BESIDE, "1970-01-02T00:00:00Z", 86_400.0, False),
        (WITH_SPEC, "1970-01-02T00:00:00Z", 86_400.0, False),
        (ALONE, "yesterday", None, True),
        (ALONE, None, None, True),
        ({"f:spec": {}}, "1970-01-02T00:00:00Z", None, False),
    ],
)
def test_the_time_is_the_commands_own_only_where_its_writer_owns_nothing_else(
    fields: dict[str, Any], time: str | None, written_at: float | None, dated: bool
) -> None:
    entry = {"manager": "someone", "time": time, "fieldsV1": fields}
    found = command_of(annotated('{"verb":"abort","nonce":"x"}', [entry]))  # type: ignore[arg-type]
    assert isinstance(found, Command)
    assert (found.written_at, found.dated) == (written_at, dated)
