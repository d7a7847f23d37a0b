"""Who last wrote a field, and when, is read from managedFields, never guessed from the value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modelrollout.api.borders.cleaning import clean, mapping, mappings
from modelrollout.api.timestamps import parse_timestamp

LONGEST_MANAGER = 128
"""Characters of a field manager's name, as the API server takes it."""


@dataclass(frozen=True)
class Writing:
    """The newest entry about a field. An entry's time is that of its manager's last change of any of its fields."""

    manager: str = ""
    at: float | None = None
    """Epoch seconds, whole; None where the entry has no time that can be read."""
    alone: bool = False
    """Whether the entry is about this field and no other, so that `at` is when it was written."""


def writing_of(meta: dict[str, Any], *path: str, beside: frozenset[str] = frozenset()) -> Writing:
    """Who last wrote the field at `path` (as in managedFields).

    `beside`: what the API server writes for them in the same moment, which is no change of their own.
    """
    found: list[tuple[str, str, bool]] = []
    for entry in mappings(meta.get("managedFields")):
        fields: Any = mapping(entry.get("fieldsV1"))
        alone = True
        for part in path:
            alone = alone and isinstance(fields, dict) and set(fields) <= {part, ".", *beside}
            fields = fields.get(part) if isinstance(fields, dict) else None
        if fields is not None and not entry.get("subresource"):
            time, manager = (clean(entry.get(key), LONGEST_MANAGER) for key in ("time", "manager"))
            found.append((time, manager, alone))
    if not found:
        return Writing()
    time, manager, alone = max(found)
    return Writing(manager, _seconds(time), alone)


def manager_of(meta: dict[str, Any], *path: str) -> str:
    """The field manager that last wrote the field at `path`; "" where none is known."""
    return writing_of(meta, *path).manager


def other_writer(meta: dict[str, Any], ours: str) -> str:
    """The field manager, not `ours`, that wrote anything of the object last; "" where none is known."""
    entries = [entry for entry in mappings(meta.get("managedFields")) if entry.get("manager") != ours]
    found = [
        (clean(entry.get("time"), LONGEST_MANAGER), clean(entry.get("manager"), LONGEST_MANAGER)) for entry in entries
    ]
    return max(found, default=("", ""))[1]


def _seconds(time: str) -> float | None:
    try:
        return parse_timestamp(time)
    except (ValueError, OverflowError):
        return None
