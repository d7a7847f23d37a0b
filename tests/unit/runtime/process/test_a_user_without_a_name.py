"""The user of a Pod stands in no passwd: whoever asks the system for its name fails, as kopf does if it is not told."""

from __future__ import annotations

from typing import Any

import kopf
import pytest

from modelrollout.runtime import run
from modelrollout.runtime.settings import Settings


async def test_kopf_is_told_who_it_is_and_asks_nobody(monkeypatch: pytest.MonkeyPatch):
    given: dict[str, Any] = {}

    async def operator(**arguments: Any) -> None:
        given.update(arguments)

    monkeypatch.setattr(kopf, "operator", operator)
    monkeypatch.setattr(run, "register", lambda *_: None)
    nothing: Any = None
    await run._reconcile(Settings(None, (), "rollouts", "mro", 15.0, ("", 0)), nothing, nothing, nothing)
    assert given["identity"] == "modelrollout"
