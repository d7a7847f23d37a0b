"""Records as a logger makes them, and what is written of them."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from typing import Any

from modelrollout.runtime.process.logs import OneLine, OneObject


def record(message: object, *args: object, error: BaseException | None = None, name: str = "a") -> logging.LogRecord:
    exc_info = None if error is None else (type(error), error, error.__traceback__)
    return logging.LogRecord(name, logging.WARNING, __file__, 1, message, args, exc_info)


def raised(call: Callable[[], object]) -> BaseException:
    """What a call raises, with its traceback."""
    try:
        call()
    except BaseException:  # noqa: BLE001 - whatever it is
        found = sys.exc_info()[1]
        assert found is not None
        return found
    raise AssertionError


def both(message: object, *args: object, error: BaseException | None = None, name: str = "a") -> tuple[str, str]:
    """As text and as JSON, each by a writer that has seen nothing yet."""
    made = record(message, *args, error=error, name=name)
    return OneLine().format(made), OneObject().format(made)


def read(line: str) -> dict[str, Any]:
    assert len(line.splitlines()) == 1
    found: dict[str, Any] = json.loads(line)
    return found
