"""An edge of a histogram is its number: however `le` is spelled, equal numbers are one edge."""

from __future__ import annotations

import re
from functools import lru_cache

INFINITE = "+Inf"
LABEL = "le"
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INFINITY = re.compile(r"\+?inf(?:inity)?", re.IGNORECASE)
_LONGEST = 64


def edge_text(edge: float) -> str:
    """The one spelling of an edge; numbers that agree in twelve digits are the same."""
    return INFINITE if edge == float("inf") else f"{edge + 0.0:.12g}"


def canonical_edge(text: str) -> str | None:
    """The one spelling of `le="text"`; None where that is no number."""
    return _canonical(text) if len(text) <= _LONGEST else None  # a long text is not even remembered


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str | None:
    if _INFINITY.fullmatch(text):
        return INFINITE
    if not _NUMBER.fullmatch(text) or float(text) == float("-inf"):
        return None
    return edge_text(float(text))


def canonical(labels: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """The same labels with `le` in its one spelling; as they are where it is no number.

    None are remembered: labels of any length come in, and a cache would outlive the room that was taken for them.
    """
    for at, (name, value) in enumerate(labels):
        if name == LABEL:
            edge = canonical_edge(value) or value
            return labels if edge == value else (*labels[:at], (name, edge), *labels[at + 1 :])
    return labels


def scaled_edge(text: str, unit: float) -> str:
    """The edge `text` (as canonical_edge has it) in seconds, where it was written in units of so many seconds."""
    return edge_text(float(text) * unit)
