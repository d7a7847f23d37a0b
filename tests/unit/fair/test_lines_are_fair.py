"""Places and turns are given by tenant, whatever one of them asks for, and nothing is lost by giving up."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from modelrollout.fair.line import Line
from modelrollout.fair.rate import Rate
from modelrollout.fair.tenant import ABOUT, is_urgent, tenant, urgent


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.slow
async def test_a_tenant_with_a_thousand_waiting_leaves_places_and_waits_for_its_own():
    line = Line(4, 3)
    greedy = [asyncio.create_task(line.enter("greedy")) for _ in range(1000)]
    await settle()
    assert sum(task.done() for task in greedy) == 3
    async with asyncio.timeout(1):
        await line.enter("modest")  # at once: the fourth place is nobody's who has three
    later = asyncio.create_task(line.enter("modest"))
    await settle()
    assert not later.done()
    line.leave("greedy")
    await settle()
    assert later.done()  # who holds fewer goes before a thousand who came earlier
    line.leave("modest")
    line.leave("modest")
    await settle()
    assert sum(task.done() for task in greedy) == 4
    for task in greedy:
        task.cancel()


async def test_of_those_who_hold_the_same_nobody_comes_twice_before_another():
    line, order = Line(1, 1), list[str]()

    async def one(name: str) -> None:
        async with line.place(name):
            order.append(name)
            await asyncio.sleep(0)

    async with asyncio.timeout(5):
        await asyncio.gather(*(one(name) for name in ["a"] * 50 + ["b"] * 3 + ["c"] * 2))
    assert max(index for index, name in enumerate(order) if name == "c") < 7
    assert max(index for index, name in enumerate(order) if name == "b") < 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
async def test_places_are_never_lost_and_never_more_than_there_are_whoever_gives_up(seed: int):
    draw, line, held = random.Random(seed), Line(5, 3), Counter[str]()

    async def one(name: str) -> None:
        async with line.place(name):
            held[name] += 1
            assert held.total() <= 5
            assert held[name] <= 3
            try:
                await asyncio.sleep(draw.random() / 1000)
            finally:
                held[name] -= 1

    tasks = [asyncio.create_task(one(draw.choice("abcd"))) for _ in range(300)]
    while any(not task.done() for task in tasks):
        draw.choice(tasks).cancel()
        await asyncio.sleep(draw.choice((0, 0, 0.0005)))
    for name in ("x", "x", "x", "y", "z"):
        async with asyncio.timeout(1):
            await line.enter(name)
    assert not line._waiting


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.slow
async def test_calls_are_limited_by_turns_and_what_is_urgent_waits_for_nothing():
    clock = Time()
    rate = Rate(200, 10, clock)
    came = list[str]()

    async def time_passes() -> None:
        while True:
            clock.now += 0.005
            await asyncio.sleep(0.005)

    async def call(name: str, *, is_urgent: bool = False) -> None:
        await rate.turn(name, urgent=is_urgent)
        came.append(name)

    greedy = [asyncio.create_task(call("greedy")) for _ in range(100)]
    await settle()
    assert came == ["greedy"] * 10  # the burst
    await asyncio.wait_for(call("lowering", is_urgent=True), 1)
    assert came[-1] == "lowering"
    modest = [asyncio.create_task(call("modest")) for _ in range(5)]
    passing = asyncio.create_task(time_passes())
    async with asyncio.timeout(30):
        await asyncio.gather(*modest)
    assert came.count("greedy") <= 10 + 7  # turn by turn, whoever came first
    async with asyncio.timeout(30):
        await asyncio.gather(*greedy)
    passing.cancel()


async def test_the_debt_of_urgent_calls_is_bounded_and_a_rest_fills_no_more_than_the_burst():
    clock = Time()
    rate = Rate(10, 5, clock)
    for _ in range(1000):
        await rate.turn("a", urgent=True)
    assert rate._tokens == -5
    clock.now = 3600
    rate._fill()
    assert rate._tokens == 5


@pytest.mark.slow
async def test_who_gives_up_is_forgotten_and_takes_no_turn():
    rate = Rate(5, 1)
    await rate.turn("a", urgent=False)
    gone = [asyncio.create_task(rate.turn("a", urgent=False)) for _ in range(50)]
    await settle()
    for task in gone:
        task.cancel()
    await asyncio.gather(*gone, return_exceptions=True)
    assert not rate._waiting
    async with asyncio.timeout(3):
        await rate.turn("b", urgent=False)


async def test_tasks_work_for_whom_they_were_begun_and_urgency_ends_with_what_was_urgent():
    ABOUT.set(("vision", "digits"))
    go_on = asyncio.Event()

    async def later() -> tuple[str, bool, bool]:
        before = is_urgent()
        await go_on.wait()
        return tenant(), before, is_urgent()

    with urgent():
        task = asyncio.create_task(later())
        await settle()
        with urgent(when=False):
            assert is_urgent()
    assert not is_urgent()
    go_on.set()
    assert await task == ("vision", True, False)
