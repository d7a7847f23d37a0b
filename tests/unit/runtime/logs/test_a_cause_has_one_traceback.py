"""The same defect of a thousand resources, every pass, is one traceback and a line each."""

from __future__ import annotations

from functools import partial

import pytest

from modelrollout.runtime.process.causes import AGAIN, MOST_CAUSES, Causes
from modelrollout.runtime.process.logs import OneLine
from tests.unit.runtime.logs.records import raised, record


def broken(name: str) -> None:
    raise KeyError(name)


def wrapped(name: str) -> None:
    try:
        broken(name)
    except KeyError as error:
        raise RuntimeError(name) from error


def test_it_is_shown_once_and_named_afterwards_whatever_names_are_in_it():
    written = OneLine()
    errors = [raised(partial(broken, str(n))) for n in range(100)]
    lines = [written.format(record("a/%d: failed", n, error=error)) for n, error in enumerate(errors)]
    assert ["Traceback" in line for line in lines] == [True] + [False] * 99
    cause = lines[0].split("\n")[0].rpartition("; ")[2].rstrip("]")
    assert all(f"KeyError: '{n}'; its traceback is in the log as {cause}" in lines[n] for n in range(1, 100))


def test_another_place_another_type_and_another_way_there_are_other_causes():
    causes = Causes()
    found = {causes.told(raised(call)).cause for call in (lambda: broken("a"), lambda: wrapped("a"), lambda: 1 // 0)}
    assert len(found) == 3


def test_the_same_exception_logged_further_up_is_not_shown_again():
    causes, error = Causes(), raised(lambda: wrapped("a"))
    assert causes.told(error).traceback is not None
    assert causes.told(error).traceback is None


@pytest.mark.slow
def test_it_is_shown_again_after_a_while_and_what_is_remembered_is_bounded():
    now = [0.0]
    causes = Causes(lambda: now[0])
    error = raised(lambda: broken("a"))
    shown = []
    for at in (0.0, AGAIN - 1, AGAIN, AGAIN + 1):
        now[0] = at
        shown.append(causes.told(error).traceback is not None)
    assert shown == [True, False, True, False]
    for n in range(2 * MOST_CAUSES):
        causes.told(type(f"E{n}", (Exception,), {})())
    assert len(causes._shown) == MOST_CAUSES
