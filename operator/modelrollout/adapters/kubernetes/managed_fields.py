"""Who last wrote a field is read from managedFields, never guessed from the value."""

from __future__ import annotations

from typing import Any


def manager_of(meta: dict[str, Any], *path: str) -> str:
    """The field manager that last wrote the field at `path` (as in managedFields); "" where none is known."""
    found: list[tuple[str, str]] = []
    for entry in meta.get("managedFields") or []:
        fields: Any = entry.get("fieldsV1") or {}
        for part in path:
            fields = fields.get(part) if isinstance(fields, dict) else None
        if fields is not None and not entry.get("subresource"):
            found.append((str(entry.get("time") or ""), str(entry.get("manager") or "")))
    return max(found)[1] if found else ""
