"""Numbers of a gate for a plot: from the texts that people read, which the operator's own formatting made."""

from __future__ import annotations

import math
import re

_NUMBER = r"(-?[0-9][0-9,]*(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?)\s*(%|ms|us|s)?(?![\w.])"
_LEADING = re.compile(rf"(?:P[0-9.]+ )?(?:<=|>=|<|>)?\s*{_NUMBER}")
_BETWEEN = re.compile(rf"{_NUMBER} to {_NUMBER}")
_MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
_GREATEST = 13.0
"""Natural log of the greatest odds that are drawn: about 440,000:1."""
Value = tuple[float, str]


def number(text: str | None) -> Value | None:
    """(value, unit) of a text that begins with a number, such as `P99 <= 40 ms`: %, ms or no unit; None without one."""
    found = _LEADING.match(text or "")
    return None if found is None else _value(found[1], found[2])


def limits(text: str | None) -> tuple[Value, ...]:
    """The ends of a range such as `30 % to 70 %`, or the one number that a limit begins with."""
    between = _BETWEEN.match(text or "")
    found = [number(text)] if between is None else [_value(*between.group(1, 2)), _value(*between.group(3, 4))]
    return tuple(one for one in found if one is not None)


def _value(digits: str, unit: str | None) -> Value | None:
    value = float(digits.replace(",", "")) * _MILLISECONDS.get(unit or "", 1.0)
    return (value, "ms" if unit in _MILLISECONDS else unit or "") if math.isfinite(value) else None


def odds(log_odds: float | None) -> float | None:
    """Odds to 1 from their natural log, bounded; None where a gate weighs none."""
    if log_odds is None or math.isnan(log_odds):
        return None
    return math.exp(min(max(log_odds, -_GREATEST), _GREATEST))
