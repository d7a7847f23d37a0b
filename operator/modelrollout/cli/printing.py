"""Whatever the plugin prints has been cleaned here: a file or a server decides what a line says, never what it does.

Terminals obey escapes and show bidirectional text in another order than it is written; build servers obey commands that
stand in a log: `::error ::` (GitHub, where only spaces stand before it) and `##[error]` or `##vso[...]` (GitHub and
Azure, anywhere in a line).
"""

from __future__ import annotations

import io
import json
import re
import sys

LONGEST_LINE = 4096
"""Characters of one line; no sentence of the plugin's own comes near it."""

_COMMAND = re.compile(r"::(?=[A-Za-z_][-\w]*(?:\s[^:]*(?::[^:]+)*)?::)|##(?=\w*\[)")


def clean(value: object) -> str:
    """Text as one line without anything that a terminal or a build server would obey."""
    text = str(value)
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    return _COMMAND.sub(lambda found: " ".join(found[0]), text)


def shortened(text: str, longest: int) -> str:
    """`text`, or its start with an ellipsis in place of the rest."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def tell(text: str) -> None:
    """One line of a command's result."""
    print(clean(shortened(text, LONGEST_LINE)))  # noqa: T201 - a command line tool speaks here


def tell_json(value: object) -> None:
    """One value on one line, whole and in ASCII; what a build server would obey in it is escaped."""
    print(json.dumps(value).replace("::", ":\\u003a").replace("##", "#\\u0023"))  # noqa: T201 - as above


def remark(text: str) -> None:
    """One line about the work itself: what could not be read, how much there was."""
    print(clean(shortened(text, LONGEST_LINE)), file=sys.stderr)  # noqa: T201 - as above


def tolerant_streams() -> None:
    """A character that this terminal's encoding lacks becomes a question mark instead of a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
