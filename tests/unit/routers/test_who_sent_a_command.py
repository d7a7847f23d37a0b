"""The name in a command is the API server's word where it stamps it, and marked as claimed everywhere else."""

from __future__ import annotations

import json
from typing import Any

from modelrollout.adapters.kubernetes.command_annotation import (
    COMMAND,
    COMMAND_BY,
    VERSION_BY,
    claimed_by,
    command_of,
    stamp_of,
    stamped_by,
)
from modelrollout.core.observation import Command
from tests.expect import expect

TEXT = json.dumps({"verb": "abort", "nonce": "x", "by": "the boss"})


def annotated() -> dict[str, Any]:
    return {"metadata": {"annotations": {COMMAND: TEXT}}}


def command(obj: dict[str, Any]) -> Command:
    return expect(Command, command_of(obj))


def test_the_stamp_is_the_name_whatever_the_client_wrote():
    obj = annotated()
    obj["metadata"]["annotations"][COMMAND_BY] = "ann@example.com"
    found = stamped_by(obj, command(obj))
    assert (found.by, found.stamped) == ("ann@example.com", True)


def test_without_a_stamp_the_name_is_marked_as_claimed():
    obj = annotated()
    for found in (claimed_by(command(obj)), stamped_by(obj, command(obj))):
        assert (found.by, found.stamped) == ("the boss (claimed)", False)


def test_a_stamp_that_nobody_vouches_for_is_not_read():
    obj = annotated()
    obj["metadata"]["annotations"][COMMAND_BY] = "forged"
    assert claimed_by(command(obj)).by == "the boss (claimed)"


def test_no_name_stays_no_name():
    obj = {"metadata": {"annotations": {COMMAND: '{"verb":"abort","nonce":"x"}'}}}
    assert claimed_by(command(obj)).by == ""


def test_a_stamp_is_printable_and_bounded_and_of_any_shape():
    assert stamp_of({"metadata": {"annotations": {VERSION_BY: 7}}}, VERSION_BY) == ""
    assert stamp_of({"metadata": []}, VERSION_BY) == ""
    long = stamp_of({"metadata": {"annotations": {VERSION_BY: "\x1b[2J" + "n" * 5000}}}, VERSION_BY)
    assert len(long) <= 256
    assert long.isprintable()


def test_what_the_api_server_stamps_makes_a_command_no_less_dated():
    fields: dict[str, Any] = {"f:metadata": {"f:annotations": {f"f:{COMMAND}": {}, f"f:{COMMAND_BY}": {}}}}
    obj = annotated()
    obj["metadata"]["managedFields"] = [{"manager": "m", "time": "2026-01-01T00:00:00Z", "fieldsV1": fields}]
    assert command(obj).dated
    fields["f:metadata"]["f:annotations"]["f:team"] = {}
    assert not command(obj).dated
