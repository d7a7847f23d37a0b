"""A watch that says nothing for ever hides no change: all resources are listed every so often."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from modelrollout.ports import Unreachable
from modelrollout.runtime.waking.rounds import go_round


async def rounds(*answers: Any) -> list[tuple[Any, ...]]:
    """What was woken by these lists, one a round; the last of them comes again and again."""
    left, woken, done = list(answers), list[tuple[Any, ...]](), asyncio.Event()

    async def versions() -> Any:
        if not left:
            done.set()
            return []
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    task = asyncio.create_task(go_round(versions, lambda *about: woken.append(about), 0.001))
    async with asyncio.timeout(30):
        await done.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return woken


async def test_every_resource_is_told_with_its_version_in_every_round():
    found = await rounds([("vision", "a", "7"), ("speech", "b", "8")], [("vision", "a", "9")])
    assert found == [
        ("vision", "a", ("resource", "7")),
        ("speech", "b", ("resource", "8")),
        ("vision", "a", ("resource", "9")),
    ]


async def test_a_list_that_fails_is_followed_by_the_next(caplog: Any):
    found = await rounds(Unreachable("ApiTimeout", "slow"), ZeroDivisionError(), [("vision", "a", "7")])
    assert found == [("vision", "a", ("resource", "7"))]
    assert "ZeroDivisionError" in caplog.text
