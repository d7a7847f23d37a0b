"""A command is one annotation that names what it applies to; what cannot be read is refused, never obeyed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field, ValidationError

from modelrollout.adapters.kubernetes.managed_fields import writing_of
from modelrollout.api.base import ApiModel
from modelrollout.api.borders.cleaning import clean, mapping
from modelrollout.api.spec import Version
from modelrollout.core.observation import Command, MalformedCommand, Verb

COMMAND = "modelrollout.dev/command"
COMMAND_BY, VERSION_BY = "modelrollout.dev/command-by", "modelrollout.dev/version-by"
"""Who wrote the command, and who changed spec.model.version last, as the API server stamps it (the chart's policy)."""
LONGEST = 2048
"""Bytes of the annotation's text."""
LONGEST_BY, LONGEST_WHY = 256, 1024
"""Characters of who asks, and of the reason given."""
SHOWN = 80
"""Characters of a value that is no command's, in the sentence about it."""
_STAMPS = frozenset({f"f:{COMMAND_BY}", f"f:{VERSION_BY}"})
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
    found = mapping(mapping(obj.get("metadata")).get("annotations")).get(COMMAND)
    return found if found is None or isinstance(found, str) else json.dumps(found, default=str)


def command_of(obj: dict[str, Any]) -> Command | MalformedCommand | None:
    """The command on the object, with the field manager that wrote it; None where there is none."""
    text = command_text(obj)
    if text is None:
        return None
    raw = text.encode(errors="surrogatepass")
    nonce = hashlib.sha256(raw).hexdigest()[:16]
    if len(raw) > LONGEST:
        return MalformedCommand(nonce, f"the annotation {COMMAND} is longer than {LONGEST} bytes; shorten it")
    try:
        found = _Text.model_validate_json(raw)
    except ValidationError as error:
        return MalformedCommand(nonce, _sentence(error))
    twice = _twice(text)
    if twice:
        return MalformedCommand(nonce, f"the annotation {COMMAND} has {twice} twice; write one command")
    writing = writing_of(obj["metadata"], "f:metadata", "f:annotations", f"f:{COMMAND}", beside=_STAMPS)
    said = {"by": clean(found.by, LONGEST_BY), "why": clean(found.why, LONGEST_WHY)}
    fields = found.model_dump() | said
    return Command(**fields, manager=writing.manager, written_at=writing.at, dated=writing.alone)


def _twice(text: str) -> str:
    """A name that stands twice in a command that can be read, which would be read by half; "" where none does."""
    names = [name for name, _ in json.loads(text, object_pairs_hook=list)]
    return next((name for name in names if names.count(name) > 1), "")


def stamped_by(obj: dict[str, Any], command: Command) -> Command:
    """The command with the name that the API server stamped, where its policy is in force; else as `claimed` says."""
    stamp = stamp_of(obj, COMMAND_BY)
    return replace(command, by=stamp, stamped=True) if stamp else claimed_by(command)


def claimed_by(command: Command) -> Command:
    """The command with a name that is the client's own word, and says so."""
    return replace(command, by=f"{command.by} (claimed)" if command.by else "", stamped=False)


def stamp_of(obj: dict[str, Any], annotation: str) -> str:
    """A name that the API server stamped; "" where there is none."""
    found = mapping(mapping(obj.get("metadata")).get("annotations")).get(annotation)
    return clean(found, LONGEST_BY) if isinstance(found, str) else ""


def write_command(command: Command) -> str:
    """The annotation's text for a command: what `command_of` reads back."""
    fields = ("verb", "nonce", "version", "step", "by", "why", "rollout")
    values = {name: getattr(command, name) for name in fields}
    return json.dumps({name: value for name, value in values.items() if value not in (None, "")})


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(clean(part, SHOWN) for part in first["loc"]) or "the text"
    value = first["input"] if isinstance(first["input"], str | bytes) else repr(first["input"])
    told = f"{where}: {clean(first['msg'], 2 * SHOWN)} (it is {clean(value, SHOWN)!r})"
    return f"the annotation {COMMAND} is not a command: {told}"
