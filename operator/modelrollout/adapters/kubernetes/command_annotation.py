"""A command is one annotation that names what it applies to; what cannot be read is refused, never obeyed."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

from pydantic import Field, ValidationError

from modelrollout.adapters.kubernetes.managed_fields import writing_of
from modelrollout.api.base import ApiModel
from modelrollout.api.spec import Version
from modelrollout.core.observation import Command, MalformedCommand, Verb

COMMAND = "modelrollout.dev/command"
LONGEST = 2048
"""Bytes of the annotation's text."""
LONGEST_BY, LONGEST_WHY = 256, 1024
"""Characters of who asks, and of the reason given."""
_STARTED = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"
"""status.rollout.startedAt (for retry status.rejected.at), as it stands there."""


class _Text(ApiModel):
    verb: Verb
    nonce: Annotated[str, Field(pattern=r"^[-A-Za-z0-9._]+$", max_length=64)]
    version: Version | None = None
    step: Annotated[int, Field(ge=0, le=20, strict=True)] | None = None
    by: Annotated[str, Field(max_length=LONGEST_BY)] = ""
    why: Annotated[str, Field(max_length=LONGEST_WHY)] = ""
    rollout: Annotated[str, Field(pattern=_STARTED)] = ""


def command_text(obj: dict[str, Any]) -> str | None:
    """The annotation's text as it stands on the object, or None."""
    return ((obj.get("metadata") or {}).get("annotations") or {}).get(COMMAND)


def command_of(obj: dict[str, Any]) -> Command | MalformedCommand | None:
    """The command on the object, with the field manager that wrote it; None where there is none."""
    text = command_text(obj)
    if text is None:
        return None
    nonce = hashlib.sha256(text.encode()).hexdigest()[:16]
    if len(text.encode()) > LONGEST:
        return MalformedCommand(nonce, f"the annotation {COMMAND} is longer than {LONGEST} bytes; shorten it")
    try:
        found = _Text.model_validate_json(text)
    except ValidationError as error:
        return MalformedCommand(nonce, _sentence(error))
    writing = writing_of(obj["metadata"], "f:metadata", "f:annotations", f"f:{COMMAND}")
    return Command(**found.model_dump(), manager=writing.manager, written_at=writing.at, dated=writing.alone)


def write_command(command: Command) -> str:
    """The annotation's text for a command: what `command_of` reads back."""
    fields = ("verb", "nonce", "version", "step", "by", "why", "rollout")
    values = {name: getattr(command, name) for name in fields}
    return json.dumps({name: value for name, value in values.items() if value not in (None, "")})


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "the text"
    value = str(first["input"])[:80]
    return f"the annotation {COMMAND} is not a command: {where}: {first['msg']} (it is {value!r})"
