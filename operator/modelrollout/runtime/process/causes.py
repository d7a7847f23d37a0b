"""One traceback a cause: the same defect, raised again at the same place, is named and not shown again.

A defect of one resource comes again with every pass, of a thousand resources a thousand times: its traceback once in
AGAIN seconds is what people need, and the rest would hide everything else.
"""

from __future__ import annotations

import hashlib
import time
import traceback
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelrollout.api.borders.cleaning import clean
from modelrollout.api.borders.secrecy import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable

AGAIN = 600.0
"""Seconds after which a traceback is shown once more."""
MOST_CAUSES = 256
MOST_FRAMES = 30
"""Of each traceback, those nearest to where it was raised."""
MOST_LINES = 200
LONGEST_LINE = 1000
LONGEST_SUMMARY = 500
MOST_LINKS = 16
"""Exceptions behind one another that are looked at."""


@dataclass(frozen=True)
class Told:
    """What is said of an exception."""

    summary: str
    """Its type and text."""
    cause: str
    """Names the place at which it was raised, by all that led there: the same for the same defect."""
    traceback: tuple[str, ...] | None
    """Lines; None where they were shown before."""


@dataclass
class Causes:
    """Which tracebacks were shown, and when."""

    clock: Callable[[], float] = time.monotonic
    _shown: OrderedDict[str, float] = field(default_factory=OrderedDict)

    def told(self, error: BaseException) -> Told:
        """What to write of `error` now."""
        cause, now = _cause_of(error), self.clock()
        summary = clean(without_secrets(f"{type(error).__name__}: {_text(error)}"), LONGEST_SUMMARY)
        if now - self._shown.get(cause, -AGAIN) < AGAIN:
            return Told(summary, cause, None)
        self._shown[cause] = now
        self._shown.move_to_end(cause)
        if len(self._shown) > MOST_CAUSES:
            self._shown.popitem(last=False)
        return Told(summary, cause, _lines(error))


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an exception whose text fails is told by its type
        return "(its text cannot be had)"


def _cause_of(error: BaseException) -> str:
    """A digest of types and places alone: texts differ with every name in them."""
    parts, link = list[str](), error
    for _ in range(MOST_LINKS):
        parts.append(type(link).__qualname__)
        places = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(link.__traceback__)]
        parts += [f"{file}:{line}" for file, line in places[-MOST_FRAMES:]]
        inner = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
        if inner is None:
            break
        link = inner
    return hashlib.sha256("\n".join(parts).encode(errors="replace")).hexdigest()[:8]


def _lines(error: BaseException) -> tuple[str, ...]:
    """The traceback, line by line, each of them safe."""
    try:
        whole = traceback.TracebackException.from_exception(error, limit=-MOST_FRAMES)
        parts = [line for part in whole.format() for line in without_secrets(part).splitlines()]
    except Exception as failed:  # noqa: BLE001 - nothing that is logged may fail by being logged
        parts = [f"(no traceback: {type(failed).__name__})"]
    if len(parts) > MOST_LINES:
        parts = [*parts[: MOST_LINES // 2], "...", *parts[-MOST_LINES // 2 :]]
    return tuple(clean(line, LONGEST_LINE) for line in parts)
