"""Small spellings shared by everything that `status` shows; none of them lets a control character through."""

from __future__ import annotations

from rich.text import Text

from modelrollout.api.quantities import format_duration
from modelrollout.cli.printing import clean

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def plain(value: object, style: str = "") -> Text:
    """Text that is never read as markup."""
    return Text(clean(value), style=style)


def span(seconds: float) -> str:
    """A length of time in at most two units: 45s, 3m20s, 2h5m, 4d."""
    whole = max(int(seconds + 0.5), 0)
    if whole >= 2 * _DAY:
        return f"{whole // _DAY}d"
    if whole >= _HOUR:
        whole -= whole % _MINUTE
    return format_duration(float(whole)) if whole else "0s"


def ago(then: float, now: float) -> str:
    """For example: 3m20s ago."""
    return f"{span(now - then)} ago"


def until(then: float, now: float) -> str:
    """For example: in 45s; due for what is past."""
    return f"in {span(then - now)}" if then > now else "due"
