"""Strings people write (durations, percentages, decimals) become numbers here and nowhere else."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, ValidationInfo, WithJsonSchema

DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"
SHARE_PATTERN = r"^[0-9]+(\.[0-9]+)?%$"
DECIMAL_PATTERN = r"^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$"

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST = 366 * 24 * 3600.0
_MAX_LENGTH = 32
_SECOND = 1000  # in milliseconds


def _fits(pattern: str, value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _MAX_LENGTH and bool(re.fullmatch(pattern, value))


def parse_duration(value: Any) -> float:
    """Seconds in a Go-style duration such as ``10m``, ``1h30m`` or ``500ms``."""
    if not _fits(DURATION_PATTERN, value):
        raise ValueError('write a duration as a string with units, such as "30s", "10m" or "1h30m"')
    seconds = sum(float(n) * _UNITS[u] for n, _, u in re.findall(r"([0-9]+(\.[0-9]+)?)(ms|s|m|h)", value))
    if seconds > _LONGEST:
        raise ValueError("a duration may be at most one year")
    return seconds


def format_duration(seconds: float) -> str:
    """The shortest Go-style spelling of `seconds`: 90 -> ``1m30s``."""
    millis = round(seconds * _SECOND)
    if millis < _SECOND or millis % _SECOND:
        return f"{millis}ms"
    rest, parts = millis // _SECOND, []
    for unit, size in (("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def parse_share(value: Any) -> float:
    """The fraction that a percentage string names: ``1.25%`` -> 0.0125."""
    if not _fits(SHARE_PATTERN, value):
        raise ValueError('write a share as a percentage string between "0%" and "100%", such as "1.25%"')
    share = float(value[:-1]) / 100
    if share > 1:
        raise ValueError('a share may be at most "100%"')
    return share


def format_share(share: float) -> str:
    """The percentage string of a fraction: 0.0125 -> ``1.25%``."""
    return f"{share * 100:.6g}%"


def parse_decimal(value: Any) -> float:
    """The number in a decimal string, such as ``10`` or ``-0.5`` (strings, since the API holds no floats)."""
    if not _fits(DECIMAL_PATTERN, value):
        raise ValueError('write the number as a string, such as "10" or "0.5"')
    if not math.isfinite(number := float(value)):
        raise ValueError('write a number below 1e308, such as "10" or "0.5"')
    return number


def _parsed_by(parse: Callable[[Any], float]) -> BeforeValidator:
    """A manifest (JSON mode) must hold strings; models built from Python may hold the parsed number."""

    def validate(value: Any, info: ValidationInfo) -> float:
        if isinstance(value, float) and info.mode == "python":
            return value
        return parse(value)

    return BeforeValidator(validate)


def _string(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "maxLength": _MAX_LENGTH})


Duration = Annotated[float, _parsed_by(parse_duration), PlainSerializer(format_duration), _string(DURATION_PATTERN)]
Share = Annotated[float, _parsed_by(parse_share), PlainSerializer(format_share), _string(SHARE_PATTERN)]
DecimalString = Annotated[
    float, _parsed_by(parse_decimal), PlainSerializer(lambda v: f"{v:g}"), _string(DECIMAL_PATTERN)
]
