"""Times are epoch seconds inside and RFC 3339 in UTC with milliseconds outside."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

LAST = 253_402_300_799.0
"""The end of the year 9999: no later time can be written."""
_REMEMBERED = 1024
"""Times whose other form is kept: a status has the same dozen, pass after pass."""


def parse_timestamp(value: Any) -> float:
    """Epoch seconds of an RFC 3339 string; numbers pass. ValueError for what no status can hold: before 1970, say.

    A text without a zone, which an API server takes as well, is in UTC, wherever the process runs.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"a time is a text, not {type(value).__name__}")  # noqa: TRY004 - pydantic takes no TypeError
    try:
        seconds = _instant(value) if isinstance(value, str) else float(value)
    except OverflowError:
        raise ValueError("a time is between 1970 and 9999") from None
    if not 0 <= seconds <= LAST:
        raise ValueError("a time is between 1970 and 9999")
    return seconds


@lru_cache(_REMEMBERED)
def _instant(text: str) -> float:
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


@lru_cache(_REMEMBERED)
def format_timestamp(seconds: float) -> str:
    """RFC 3339, UTC, milliseconds: the same instant always gives the same text; what is no time gives the nearest."""
    seconds = min(max(seconds, 0.0), LAST)
    text = datetime.fromtimestamp(round(seconds, 3), UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


Timestamp = Annotated[
    float,
    BeforeValidator(parse_timestamp),
    PlainSerializer(format_timestamp),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
