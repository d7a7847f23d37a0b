"""The verdict first, then the words for it: whatever cannot be said changes no verdict.

A sentence is made of figures that nobody has seen before, and a defect in it once would have taken a FAIL with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from modelrollout.api.borders.cleaning import clean
from modelrollout.core.evaluation import GateResult

T = TypeVar("T")
U = TypeVar("U")
LONGEST_DEFECT = 120
"""Characters of what an exception says."""
_SHORT = {"FAIL": "beyond what is allowed", "PASS": "within what is allowed", "CONTINUE": "not decided yet"}


def defect(error: Exception) -> str:
    """What an exception of ours says, short and clean."""
    return f"{type(error).__name__}: {clean(str(error), LONGEST_DEFECT)}"


def worded(words: Callable[[], T], otherwise: U) -> T | U:
    """What `words` says, or `otherwise` where that raises."""
    try:
        return words()
    except Exception:  # noqa: BLE001 - a defect, whatever it is
        return otherwise


def in_words(found: GateResult, words: Callable[[], GateResult]) -> GateResult:
    """`found`, which has everything but words, with them; where those cannot be made, with a short sentence."""
    try:
        return words()
    except Exception as error:  # noqa: BLE001 - a defect, whatever it is
        short = _SHORT.get(found.verdict, "no data yet")
        return replace(found, message=f"{short}; the figures cannot be put into words ({defect(error)})")
