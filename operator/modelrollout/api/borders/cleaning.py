"""What comes in from outside is bounded and printable from the door on: texts, names and numbers, by these rules alone.

Every reader of something foreign (a label, an annotation, an answer, a stored status) uses them once, where it enters.
Nothing here raises, whatever it is given.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

CUT = "…"
"""Stands where a text was cut."""
UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"
"""Stands for a character that would act on a terminal, turn the text around, or be no character at all."""
LONGEST_NAME = 128
"""Characters of a label's value, such as a layer's name."""
LONGEST_SAID = 500
"""Characters of what another system said, in a sentence of ours."""
_MARK = 8
_SPACES = dict.fromkeys(map(ord, "\t\n\v\f\r\x85\u00a0\u2028\u2029\u202f\u3000"), " ")


def clean(text: object, longest: int) -> str:
    """`text` in at most `longest` characters, each of them printable: no control, bidi or surrogate characters.

    What is cut ends in CUT. A clean text is returned as it is, so cleaning twice changes nothing.
    """
    if isinstance(text, str) and len(text) <= longest and text.isprintable():
        return text
    whole = text if isinstance(text, str) else _words(text, longest)
    kept = whole if len(whole) <= longest else whole[: longest - len(CUT)]
    if not kept.isprintable():
        kept = "".join(c if c.isprintable() else UNPRINTABLE for c in kept.translate(_SPACES))
    return kept if len(whole) <= longest else kept + CUT


def clean_name(name: object, longest: int = LONGEST_NAME) -> str:
    """`name` made clean; two names that differ still do, since a changed one ends in a digest of what it was."""
    if isinstance(name, str) and len(name) <= longest and name.isprintable():
        return name
    whole = name if isinstance(name, str) else _words(name, longest)
    mark = hashlib.sha256(whole.encode(errors="surrogatepass")).hexdigest()[:_MARK]
    return f"{clean(whole, longest - _MARK - 1)}~{mark}"


def _words(value: object, longest: int) -> str:
    """Anything that should have been a text."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value[: 4 * longest].decode(errors="replace")
    if isinstance(value, bool | float) or (isinstance(value, int) and value.bit_length() <= longest):
        return str(value)
    return f"({type(value).__name__})"


def whole_number(value: object, low: int, high: int, default: int) -> int:
    """`value` as an integer from `low` to `high`; `default` where it is no number, beyond an end that end."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return default
    if isinstance(value, int):
        return min(max(value, low), high)
    try:
        number = float(value[:_LONGEST_NUMBER] if isinstance(value, str) else value)
    except ValueError:
        return default
    return default if math.isnan(number) else int(min(max(number, low), high))


_LONGEST_NUMBER = 32


def mapping(value: object) -> dict[str, Any]:
    """`value` where it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def mappings(value: object) -> list[dict[str, Any]]:
    """The objects of a list, with an empty one for whatever else is in it, so that places stay what they are."""
    return [mapping(each) for each in value] if isinstance(value, list) else []


def texts(value: object, longest: int) -> dict[str, str]:
    """The texts of a JSON object by name, each whole if it is at most `longest` characters; others are left out."""
    return {k: v for k, v in mapping(value).items() if isinstance(v, str) and len(v) <= longest}
