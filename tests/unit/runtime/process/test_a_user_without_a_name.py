"""The user of a Pod stands in no passwd: whoever asks the system for its name fails, as kopf does if it is not told."""

from __future__ import annotations

from typing import Any

import kopf
import pytest

from modelrollout.runtime import run
from modelrollout.runtime.settings import Settings


async def test_kopf_is_told_who_it_is_and_its_hands_are_taken_off_the_signals(monkeypatch: pytest.MonkeyPatch):
    given: dict[str, Any] = {}
    order: list[str] = []

    async def spawn_tasks(**arguments: Any) -> tuple[()]:
        order.append("kopf has begun")
        given.update(arguments)
        return ()

    async def run_tasks(*_: Any, **__: Any) -> None:
        order.append("kopf runs")

    class Stop:
        def listen(self) -> None:
            order.append("the signals are ours")

    monkeypatch.setattr(kopf, "spawn_tasks", spawn_tasks)
    monkeypatch.setattr(kopf, "run_tasks", run_tasks)
    monkeypatch.setattr(run, "register", lambda *_: None)
    nothing: Any = None
    stop: Any = Stop()
    await run._reconcile(Settings(None, (), "rollouts", "mro", 15.0, ("", 0)), nothing, stop, nothing)
    assert given["identity"] == "modelrollout"
    assert order == ["kopf has begun", "the signals are ours", "kopf runs"]
