"""Prometheus is the ledger: an answer is samples or a typed failure, in bounded time, size and number of threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any
from weakref import WeakValueDictionary

from prometheus_api_client import PrometheusConnect
from urllib3.util.retry import Retry

from modelrollout.adapters.prometheus.answer import series_of
from modelrollout.adapters.prometheus.exchange import Exchange
from modelrollout.adapters.prometheus.failures import failure_of
from modelrollout.adapters.prometheus.going_on import LONGEST, LastAnswer, LastAnswers
from modelrollout.adapters.prometheus.places import Places
from modelrollout.adapters.prometheus.room import Lease, Room
from modelrollout.adapters.prometheus.session import BoundedSession
from modelrollout.adapters.prometheus.turns import Turns
from modelrollout.api.config import PrometheusServer
from modelrollout.core.analysis.metrics.promql import by_name
from modelrollout.core.analysis.metrics.series import Series
from modelrollout.fair.tenant import tenant
from modelrollout.ports import Clock, LedgerFailure

OUR_PLACES, OUR_MOST = 12, 3
"""Queries of the operator's own under way at one server, and those for one namespace: with three slow ones there are
places left, and with those of users it is less than the 20 that Prometheus works on at once."""
USERS_PLACES, USERS_MOST = 6, 2
"""Queries that users wrote, which may be slow: they take no place from the operator's own."""
AS_ASKED = {"nocache": "1", "latency_offset": "1ms"}
"""Without these VictoriaMetrics moves the ticks of long ranges to round times, which its cache has, and gives those of
the last 30 s the value before them. Others do not know them, and answer all the same."""
_GRACE = 0.5
"""Seconds that a thread has to end after its exchange was cut off."""
Answer = tuple[Series, ...] | LedgerFailure


class _Leased(tuple[Series, ...]):  # noqa: SLOT001 - a tuple can carry nothing otherwise
    """An answer that keeps its room in the process for as long as somebody holds it."""

    leases: tuple[Lease, ...]


@dataclass
class _Connection:
    client: Any
    ours: Places[Answer]
    users: Places[Answer]
    gates: WeakValueDictionary[str, threading.Lock]
    """By tenant: of each one large answer is received at a time."""

    def gate(self, tenant: str) -> threading.Lock:
        return self.gates.setdefault(tenant, threading.Lock())


class PrometheusLedger:
    """Raw samples and grid values from any configured server; never raises for what a server does.

    With a `clock`, answers from a server whose own clock is more than MAX_SKEW off are refused: ClockSkew.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock
        self._connections: dict[str, _Connection] = {}
        self._room, self._turns, self._last = Room(), Turns(), LastAnswers()
        self._under_way: set[Exchange] = set()

    async def range(self, server: PrometheusServer, selector: str, start: float, end: float) -> Answer:
        """Raw samples of `selector` in (start, end], epoch seconds, by an instant query of a range vector.

        By one for each name, a few at a time, where the server takes no pattern of names; one failure is all of it.
        """
        if not server.exact_names:
            return await self._range(server, selector, start, end)
        left, found = by_name(selector), list[tuple[Series, ...]]()
        while left:
            texts, left = left[:OUR_MOST], left[OUR_MOST:]
            for one in await asyncio.gather(*(self._range(server, text, start, end) for text in texts)):
                if isinstance(one, LedgerFailure):
                    return one
                found.append(one)
        return _together(found)

    async def _range(self, server: PrometheusServer, selector: str, start: float, end: float) -> Answer:
        window = max(1, round((end - start) * 1000))
        params = {"time": f"{end:.3f}"}

        def call(client: Any) -> Answer:
            return series_of(client.custom_query(f"{selector}[{window}ms]", params=params), start, end)

        last = self._last.of(server.name, selector) if end - start <= LONGEST else None
        return await self._ask(server, call, users=False, last=last)

    async def steps(self, server: PrometheusServer, query: str, start: float, end: float, step: float) -> Answer:
        """Values of `query` at start, start + step, ... up to end, all in one query."""
        # the library rounds its own start and end to whole seconds; these replace them
        params = {"start": f"{start:.3f}", "end": f"{end + 0.0005:.3f}", "step": f"{step:.3f}", **AS_ASKED}

        def call(client: Any) -> Answer:
            edges = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)
            return series_of(client.custom_query_range(query, *edges, params["step"], params=params), start, end)

        return await self._ask(server, call, users=True)

    def close(self) -> None:
        """End what is under way; the threads are not waited for."""
        for exchange in tuple(self._under_way):
            exchange.cut()

    async def _ask(
        self,
        server: PrometheusServer,
        call: Callable[[Any], Answer],
        *,
        users: bool,
        last: LastAnswer | None = None,
    ) -> Answer:
        try:
            connection, whose = self._connection(server), tenant()
            lease = Lease(self._room, server.name, whose)
            exchange = Exchange(server.timeout, lease, connection.gate(whose), whose, last)
            places = connection.users if users else connection.ours
            future = await places.begin(whose, lambda: _answer(exchange, connection.client, call), server.timeout)
        except TimeoutError:
            text = f"Prometheus {server.name!r} answers so slowly that no place for a query of this namespace was free"
            return LedgerFailure("PrometheusTimeout", f"{text} within {server.timeout:g} s")
        except Exception as error:  # noqa: BLE001 - an address that is none, a machine without threads
            return failure_of(error, server.timeout, cut=False)
        self._under_way.add(exchange)
        try:
            await asyncio.wait({future}, timeout=server.timeout)
            if not future.done():
                exchange.cut()
                await asyncio.wait({future}, timeout=_GRACE)
            if future.done():
                return future.result()
        finally:  # also when the caller is cancelled: nobody waits for the answer any more
            exchange.cut()
            self._under_way.discard(exchange)
        return LedgerFailure("PrometheusTimeout", f"Prometheus {server.name!r} gave no answer in {server.timeout:g} s")

    def _connection(self, server: PrometheusServer) -> _Connection:
        key = server.model_dump_json()
        if key not in self._connections:
            self._room.expect(server.name)
            session = BoundedSession(server, self._clock, self._turns, OUR_PLACES + USERS_PLACES)
            client = PrometheusConnect(url=server.url.rstrip("/"), session=session, retry=Retry(0, read=False))
            ours: Places[Answer] = Places(OUR_PLACES, OUR_MOST, f"ledger {server.name}")
            users: Places[Answer] = Places(USERS_PLACES, USERS_MOST, f"ledger {server.name} queries")
            self._connections[key] = _Connection(client, ours, users, WeakValueDictionary())
        return self._connections[key]


def _answer(exchange: Exchange, client: Any, call: Callable[[Any], Answer]) -> Answer:
    """One call in its thread, with every way in which it can go wrong as its own reason."""
    try:
        with exchange:
            found = call(client)
    except Exception as error:  # noqa: BLE001 - whatever a server brings the client to raise is a failure, not a defect
        return failure_of(error, exchange.seconds, cut=exchange.is_cut)
    if isinstance(found, LedgerFailure) or not exchange.lease.bytes:
        return found
    leased = _Leased(found)
    leased.leases = (exchange.lease,)
    return leased


def _together(answers: list[tuple[Series, ...]]) -> tuple[Series, ...]:
    """The series of several answers, with the room of each."""
    leased = _Leased(chain.from_iterable(answers))
    leased.leases = tuple(lease for one in answers if isinstance(one, _Leased) for lease in one.leases)
    return leased
