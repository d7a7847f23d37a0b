"""One hostile tenant of each kind: what they ask for never ends, and another's breach is lowered all the same.

By order, not by seconds, which a busy machine would change: whoever waited here for a hostile tenant's query, probe or
call would wait for ever. The seconds are those of ``python -m tests.bench.fairness``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from modelrollout.adapters.prometheus import ledger
from tests.unit.fair.hostile import VICTIM, Operator, Tenant

FOR_EVER = 1e6
OTHERS = (
    Tenant("gates", 6, gates=24, seconds=FOR_EVER),
    Tenant("slow", 6, seconds=FOR_EVER),
    Tenant("layers", 6, seconds=FOR_EVER),
    Tenant("nothing", 100, started=False),
)


async def until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 - nothing tells when a route in memory changes
        await asyncio.sleep(0.02)


@pytest.mark.slow
async def test_with_one_of_each_kind_whose_work_never_ends_a_breach_is_lowered():
    operator = Operator(OTHERS, timeout=FOR_EVER)
    async with operator.running(), asyncio.timeout(300):
        await until(lambda: operator.judged)
        await until(lambda: all(operator.held(one.namespace) == ledger.OUR_MOST for one in OTHERS[:3]))
        operator.api.silent = frozenset({"nothing"})
        assert operator.weight == 25
        operator.break_now()
        await until(lambda: operator.weight == 0)
        assert all(operator.held(one.namespace) == ledger.OUR_MOST for one in OTHERS[:3])


@pytest.mark.slow
async def test_where_one_may_have_every_place_the_others_wait(monkeypatch: pytest.MonkeyPatch):
    """So that the test above can fail."""
    monkeypatch.setattr(ledger, "OUR_MOST", ledger.OUR_PLACES)
    operator = Operator((Tenant("slow", 20, seconds=FOR_EVER),), timeout=FOR_EVER)
    async with operator.running(), asyncio.timeout(300):
        await until(lambda: operator.held("slow") + operator.held(VICTIM) == ledger.OUR_PLACES)
        await until(lambda: operator.held("slow") == ledger.OUR_PLACES)
        operator.break_now()
        await asyncio.sleep(4)
        assert operator.weight == 25
