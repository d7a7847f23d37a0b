"""A resource that is created again while its namesake is still being let go is looked after at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from modelrollout.runtime.service import Service
from modelrollout.runtime.watch import Watch
from tests.unit.runtime.in_memory import made

KEY = ("vision", "digits")


class Going:
    """A reconciler whose first pass finds the resource gone, `during` which something is told."""

    during: Callable[[], object]

    def __init__(self) -> None:
        self.passes = 0

    async def run(self, _watch: Watch) -> float | None:
        self.passes += 1
        if self.passes == 1:
            self.during()
            await asyncio.sleep(0)
            return None
        return 60.0 if self.passes == 2 else None


async def ended(*told: tuple[str, str] | None) -> tuple[Going, Service]:
    _, watch, _, clock = made()
    going = Going()
    service = Service(cast("Any", going), lambda *_: watch, clock)

    def during() -> None:
        for version in told:
            service.wake(*KEY, cast("Any", version))

    going.during = during
    service.wake(*KEY)
    for _ in range(20):
        await asyncio.sleep(0)
    return going, service


async def test_what_is_told_while_the_last_pass_ends_is_not_lost():
    for told in (("resource", "77"), None):
        going, service = await ended(told)
        assert (going.passes, KEY in service.watches) == (2, True)
        await service.stop()


async def test_a_resource_that_is_gone_and_of_which_nothing_more_is_told_is_forgotten():
    going, service = await ended()
    assert (going.passes, KEY in service.watches) == (1, False)
