"""Times are epoch seconds inside and RFC 3339 in UTC with milliseconds outside."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema


def parse_timestamp(value: Any) -> float:
    """Epoch seconds of an RFC 3339 string; numbers pass."""
    if isinstance(value, int | float):
        return float(value)
    return datetime.fromisoformat(str(value)).timestamp()


def format_timestamp(seconds: float) -> str:
    """RFC 3339, UTC, milliseconds: the same instant always gives the same text."""
    text = datetime.fromtimestamp(round(seconds, 3), UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


Timestamp = Annotated[
    float,
    BeforeValidator(parse_timestamp),
    PlainSerializer(format_timestamp),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
