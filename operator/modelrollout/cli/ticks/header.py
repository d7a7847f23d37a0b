"""The header says which column holds what; where it does not, the sentence names the header that was meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from modelrollout.api.problems import shown
from modelrollout.cli.ticks.checks import BadTicks

COLUMNS = ("rollout", "time", "candidate_bad", "candidate_total", "stable_bad", "stable_total")
NUMBERS = COLUMNS[1:]
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_LONGEST_COMPARED = 64


@dataclass(frozen=True)
class Header:
    """Where each column stands."""

    width: int
    rollout: int
    numbers: tuple[int, ...]
    """In the order of NUMBERS."""


def read_header(fields: list[str], line: int) -> Header:
    """Raises BadTicks where a column is missing or there twice."""
    found = [name.strip().removeprefix("\ufeff") for name in fields]
    missing = [name for name in COLUMNS if name not in found]
    if missing:
        raise BadTicks(f"line {line}: {_missing(found, missing)}")
    twice = [name for name in COLUMNS if found.count(name) > 1]
    if twice:
        raise BadTicks(f"line {line}: column {twice[0]} is there twice: keep one of them")
    rollout, *numbers = (found.index(name) for name in COLUMNS)
    return Header(len(found), rollout, tuple(numbers))


def _missing(found: list[str], missing: list[str]) -> str:
    for separator, name in _SEPARATORS.items():
        if len(found) < len(COLUMNS) and "".join(found).count(separator) >= len(COLUMNS) - 1:
            return f"the columns are separated by {name}: separate them by commas"
    if len(missing) == len(COLUMNS) and sum(map(_is_number, found)) >= len(NUMBERS):
        return f"no header: start with {','.join(COLUMNS)}"
    likely = _likely(missing[0], [name for name in found if name not in COLUMNS])
    meant = f" (is it {shown(likely)}?)" if likely else ""
    return f"missing column {', '.join(missing)}{meant}: the header must name {','.join(COLUMNS)}"


def _likely(wanted: str, others: list[str]) -> str | None:
    """The column that was meant, if another spelling of its name is there."""
    spelled = {re.sub(r"[\W_]+", "_", name.lower()): name for name in others if len(name) <= _LONGEST_COMPARED}
    close = difflib.get_close_matches(wanted, spelled, n=1, cutoff=0.75)
    return spelled[close[0]] if close else None


def no_number(texts: Sequence[str]) -> str:
    """What is wrong with the first of a row's NUMBERS that is none."""
    name, text = next((name, text.strip()) for name, text in zip(NUMBERS, texts, strict=True) if not _is_number(text))
    if not text:
        return f"{name} is empty: write a number, or leave the whole tick out"
    value = f"{name} is {shown(text)}"
    if name == "time" and (seconds := _seconds(text)) is not None:
        return f"{value}: write seconds, here {seconds:.15g}"
    if re.fullmatch(r"[-+]?[0-9]+([,'_ ][0-9]+)+(\.[0-9]+)?", text):
        return f"{value}: write digits without separators, and a point before decimals"
    return f"{value}: write a number, or leave the whole tick out"


def count_in(text: str) -> float:
    """As a spreadsheet reads it, not as Python does: 5_0 is no 50. Raises ValueError."""
    if "_" in text:
        raise ValueError(text)
    return float(text)


def _is_number(text: str) -> bool:
    try:
        count_in(text)
    except ValueError:
        return False
    return True


def _seconds(text: str) -> float | None:
    """Of a date as people and spreadsheets write it; without a zone it counts as UTC."""
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
