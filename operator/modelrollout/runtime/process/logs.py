"""The log: a record is one line, as text or as JSON; nothing in it is obeyed by a terminal, and no secret is in it.

Whatever a record holds came from anywhere: names, Events, answers, exceptions of libraries. It is made safe here, once,
for every logger of the process.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TextIO

from modelrollout.api.borders.cleaning import clean
from modelrollout.api.borders.secrecy import without_secrets
from modelrollout.fair.tenant import ABOUT
from modelrollout.runtime.process.causes import Causes

if TYPE_CHECKING:
    from modelrollout.runtime.process.causes import Told

LogFormat = Literal["Text", "JSON"]
LONGEST_MESSAGE = 4000
"""Characters of a record's sentence."""
OWN = "modelrollout"


class OneLine(logging.Formatter):
    """What every record is made of, whichever way it is written."""

    def __init__(self) -> None:
        super().__init__()
        self._causes = Causes()

    def format(self, record: logging.LogRecord) -> str:
        """The record; lines of a traceback are marked, so that none of them can pass for a record."""
        told = self._causes.told(record.exc_info[1]) if record.exc_info and record.exc_info[1] else None
        return self.written(record, _message(record), told)

    def written(self, record: logging.LogRecord, message: str, told: Told | None) -> str:
        """For people."""
        at = datetime.fromtimestamp(record.created).astimezone()
        head = f"{at:%Y-%m-%d %H:%M:%S},{int(record.msecs):03d} {record.levelname} {clean(record.name, 128)}: {message}"
        if told is None:
            return head
        if told.traceback is None:
            return f"{head} [{told.summary}; its traceback is in the log as {told.cause}]"
        return "\n".join([f"{head} [{told.summary}; {told.cause}]", *(f"  | {line}" for line in told.traceback)])


class OneObject(OneLine):
    """For programs: one JSON object a line."""

    def written(self, record: logging.LogRecord, message: str, told: Told | None) -> str:
        """The fields are those of docs/on-call/logs.md."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        found: dict[str, Any] = {"time": at, "level": record.levelname, "logger": clean(record.name, 128)}
        if (about := ABOUT.get()) is not None:
            found["namespace"], found["name"] = (clean(part, 253) for part in about)
        found["message"] = message
        if told is not None:
            found["error"], found["cause"] = told.summary, told.cause
            if told.traceback is not None:
                found["traceback"] = "\n".join(told.traceback)
        return json.dumps(found, ensure_ascii=False)


class _Stderr(logging.StreamHandler[TextIO]):
    """To wherever sys.stderr leads now."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]  # the base has a plain attribute
        return sys.stderr


def start_log(style: LogFormat, *, verbose: bool = False) -> None:
    """Write every record of the process that way; called again it changes the way. With handlers of others: not at all.

    `verbose` is about our own loggers: at DEBUG libraries write whole answers and headers.
    """
    root = logging.getLogger()
    logging.raiseExceptions = False  # it would write the record's raw arguments
    if not root.handlers:
        root.addHandler(_Stderr())
    for handler in root.handlers:
        if isinstance(handler, _Stderr):
            handler.setFormatter(OneObject() if style == "JSON" else OneLine())
    root.setLevel(logging.INFO)
    logging.getLogger(OWN).setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.getLogger("kopf").setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: Any) -> None:
    if error is not None and not isinstance(error, SystemExit):
        logging.getLogger(OWN).critical("nobody caught this", exc_info=(kind, error, trace))


def _message(record: logging.LogRecord) -> str:
    try:
        said = record.getMessage()
    except Exception:  # noqa: BLE001 - arguments that do not fit, or whose texts fail: the record counts all the same
        said = f"{record.msg} (its arguments do not fit)"
    return clean(without_secrets(said), LONGEST_MESSAGE)
