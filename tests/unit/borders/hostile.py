"""Everything that may come in: texts of any length and alphabet, numbers that are none, objects in objects."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

PIECES = (
    "\x00",
    "\x1b[2J\x1b]0;owned\x07",
    "\u202e",
    "\u2066",
    "\ud800",
    "\udfff",
    "\n",
    "\r",
    "\t",
    "\u2028",
    "\ufeff",
    "\N{ZERO WIDTH JOINER}",
    "\N{ADULT}\N{ZERO WIDTH JOINER}\N{ROCKET}",
    "\N{REGIONAL INDICATOR SYMBOL LETTER D}",
    "e" + "\N{COMBINING ACUTE ACCENT}" * 40,
    "\N{ARABIC LETTER ALEF}\N{HEBREW LETTER ALEF}",
    "\U0010ffff",
    "{version}",
    "%s%n",
    "<script>",
    "model.encoder.layers.07.feed_forward.intermediate_act_fn.gelu_out",
    "~",
    "…",
    '"',
    "\\u0000",
)
LENGTHS = (0, 1, 63, 64, 127, 128, 129, 255, 256, 257, 511, 1023, 1024, 1025, 2048, 4095, 4096, 4097, 70_000)
LONGEST = 1_000_000

_pieces = st.builds(
    lambda piece, length: (piece * (length // len(piece) + 1))[:length], *map(st.sampled_from, (PIECES, LENGTHS))
)
_any = st.text(st.characters(), max_size=40)
_surrogates = st.text(st.characters(categories=["Cs", "Cc", "Cf", "Lo", "Mn"]), max_size=40)
TEXTS = st.one_of(_any, _surrogates, _pieces, st.builds("".join, st.lists(st.sampled_from(PIECES), max_size=6)))
NUMBERS: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, -0.0, 0, -1, 10**400, -(10**400), 2**63, 10**18]
    ),
    st.integers(),
    st.floats(),
    st.booleans(),
)
DATES = st.sampled_from(
    [
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999+14:00",
        "10000-01-01T00:00:00Z",
        "1e18",
    ]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), NUMBERS, TEXTS, DATES),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=12,
)


def nested(depth: int) -> Any:
    """A list in a dict in a list, `depth` deep: more than json and copy can follow."""
    value: Any = "bottom"
    for _ in range(depth):
        value = [{"a": value}]
    return value


ANYTHING: st.SearchStrategy[Any] = st.one_of(
    VALUES, st.sampled_from([20, 100]).map(nested), st.just("A" * LONGEST), st.just([{}] * 10_000)
)
