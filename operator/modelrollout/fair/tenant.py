"""Whom the running task works for; tasks and threads that it begins work for the same.

Carried beside the calls, not in them: a query or a call to the API server says for itself for whom it waits.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class _Urgency:
    over: bool = False
    """What was begun inside and outlives it is not urgent any more."""


ABOUT: ContextVar[tuple[str, str] | None] = ContextVar("about", default=None)
"""(namespace, name) of the resource."""
_URGENT: ContextVar[_Urgency | None] = ContextVar("urgent", default=None)
OURS = ""
"""The tenant of what is for nobody in particular."""


def tenant() -> str:
    """The namespace that the running task works for."""
    about = ABOUT.get()
    return OURS if about is None else about[0]


def is_urgent() -> bool:
    """Whether the running task takes traffic from somebody."""
    urgency = _URGENT.get()
    return urgency is not None and not urgency.over


@contextmanager
def urgent(*, when: bool = True) -> Iterator[None]:
    """What is done inside is a lowering, or leads to one, where `when` says so: it waits in no line."""
    if not when:
        yield
        return
    urgency = _Urgency()
    before = _URGENT.set(urgency)
    try:
        yield
    finally:
        _URGENT.reset(before)
        urgency.over = True
