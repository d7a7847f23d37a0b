"""A record is one line, whatever is in it, and no terminal obeys it."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modelrollout import __main__ as program
from modelrollout.fair.tenant import ABOUT
from modelrollout.runtime.evaluation.crew import MANY, Crew
from modelrollout.runtime.process.logs import OneObject, start_log
from tests.unit.runtime.logs.records import both, raised, read, record

HOSTILE = (
    "digits\n2026-01-01 00:00:00,000 INFO modelrollout: digits is promoted",
    "\r\x1b[2K\x1b[31mall is well\x1b[0m",
    "\x9b2J\x07\x00\x7f",
    "\u202egnissorp si 2\u2066",
    "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg",
    "\ud800 half a character",
    "x" * 100_000,
    '"}\n{"level": "INFO", "message": "forged"}',
    "%s %d %(x)s",
    "Модель-数字-نموذج",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_name_or_a_message_of_any_characters_is_one_printable_line(text: str):
    for message, args, name in ((text, (), "a"), ("%s/%s: it is late", (text, text), "a"), ("fine", (), text)):
        line, object_ = both(message, *args, name=name)
        assert line.isprintable()
        assert object_.isprintable()
        assert len(line) < 5000
        assert read(object_)["level"] == "WARNING"
        line.encode()


@pytest.mark.parametrize("text", HOSTILE)
def test_no_line_of_a_traceback_can_pass_for_a_record(text: str):
    def fail() -> None:
        try:
            throw(KeyError(text))
        except KeyError as error:
            raise RuntimeError(text) from error

    line, object_ = both("%s: failed", text, error=raised(fail))
    first, *others = line.split("\n")
    assert first.isprintable()
    assert all(other.startswith("  | ") and other.isprintable() for other in others)
    assert "RuntimeError" in first
    assert read(object_)["traceback"].count("Traceback") == 2


def test_what_cannot_be_written_is_said_all_the_same():
    class BadError(Exception):
        def __str__(self) -> str:
            raise ValueError

    assert "its arguments do not fit" in both("%d of %d", "one")[0]
    assert "its arguments do not fit" in both("%s", BadError())[0]
    deep = raised(lambda: deepen(10_000))
    line, object_ = both("failed", error=deep)
    assert len(line.split("\n")) < 250
    assert "RecursionError" in read(object_)["error"]
    assert "Bad" in both("failed", error=raised(lambda: throw(BadError())))[0]


def deepen(number: Any) -> int:
    return 0 if not number else 1 + deepen(number - 1)


def throw(error: Exception) -> None:
    raise error


async def test_a_record_says_of_which_resource_also_from_threads_and_tasks():
    ABOUT.set(("vision", "digits\n"))
    written = OneObject()

    def here() -> tuple[str, str]:
        found = read(written.format(record("x")))
        return found["namespace"], found["name"]

    async def later() -> tuple[str, str]:
        return here()

    crew = Crew()
    found = [here(), await asyncio.create_task(later()), await crew.run(1, here), await crew.run(MANY + 1, here)]
    assert found == [("vision", "digits ")] * 4


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """The log as a process of its own has it; pytest's handlers go when the test calls it."""
    for module, name in ((sys, "excepthook"), (threading, "excepthook"), (logging, "raiseExceptions")):
        monkeypatch.setattr(module, name, getattr(module, name))
    yield lambda: monkeypatch.setattr(logging.getLogger(), "handlers", [])
    logging.captureWarnings(capture=False)
    logging.getLogger("modelrollout").setLevel(logging.NOTSET)


def test_what_is_wrong_with_the_configuration_is_one_record_without_its_passwords(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], alone: Callable[[], None]
):
    alone()
    file = tmp_path / "config.yaml"
    for text in ('prometheus: [{url: "http://ops:hunter22@p:9090"}]', "prometheus:\n- url: http://ops:hunter22@p: x\n"):
        file.write_text(text)
        for more, is_json in (([], False), (["--log-format", "JSON"], True)):
            assert program.main(["--config", str(file), *more]) == 2
            (line,) = capsys.readouterr().err.splitlines()
            assert "config.yaml" in line
            assert "hunter22" not in line
            assert (json.loads(line)["level"] == "ERROR") if is_json else (" ERROR modelrollout: " in line)


def test_the_format_is_the_configurations_and_what_nobody_caught_is_a_record_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, alone: Callable[[], None]
):
    alone()

    async def told(*_: object) -> int:
        logging.getLogger("kopf.objects").warning("first\nsecond")
        return 0

    monkeypatch.setattr(program, "_until_told", told)
    file = tmp_path / "config.yaml"
    file.write_text('prometheus: [{url: "http://p", gatewayMatchers: "a=\\"b\\""}]\nlogs: {format: JSON}\n')
    assert program.main(["--config", str(file)]) == 0
    sys.excepthook(KeyError, KeyError("x"), None)
    thread = threading.Thread(target=deepen, args=("a",))
    thread.start()
    thread.join()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("old\nthing", DeprecationWarning, stacklevel=1)
    found = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [one["level"] for one in found] == ["WARNING", "CRITICAL", "CRITICAL", "WARNING"]


def test_verbose_is_about_our_own_loggers(alone: Callable[[], None]):
    alone()
    start_log("JSON", verbose=True)
    assert logging.getLogger("modelrollout.runtime").isEnabledFor(logging.DEBUG)
    assert not logging.getLogger("kubernetes.client.rest").isEnabledFor(logging.DEBUG)
    assert not logging.getLogger("urllib3.connectionpool").isEnabledFor(logging.DEBUG)
