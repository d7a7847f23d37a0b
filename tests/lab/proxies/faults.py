"""A fault is a rule on a proxy in front of a real component: what it matches, how often, and what goes wrong then.

Rules are looked at in the order they were added; the first that matches and is not used up applies. Every request is
recorded, with or without a fault, so that reads and writes can be counted.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from aiohttp import web

from tests.lab.proxies.proxy import Exchange, Proxy

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from tests.lab.session.background import Background

REPLAYED = 20
"""Events replayed at most; all of them, again and again, would be a flood rather than a fault."""
WRITES = {"POST", "PUT", "PATCH", "DELETE"}


@dataclass
class Fault:
    """What goes wrong. Several fields may be set; they act in the order listed here.

    `delay`: seconds of latency before forwarding. `status`, `headers`, `body`: answer this instead of forwarding.
    `drop`: close the connection without forwarding. `drop_answer`: forward, let it take effect, then close the
    connection without answering. `rewrite`: the answer's body on its way down (not for watches).
    `replay`: a watch shows, after every event, all that it has shown before once more, oldest first.
    `silent`: a watch stays open and shows nothing more. `cut_after`: a watch is cut after so many seconds.
    A hang is a long `delay`: the caller's own timeout ends it.
    """

    delay: float = 0.0
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    drop: bool = False
    drop_answer: bool = False
    rewrite: Callable[[bytes], bytes] | None = None
    replay: bool = False
    silent: bool = False
    cut_after: float | None = None


@dataclass
class Rule:
    """`method` and `path` are regular expressions (whole method; anywhere in path and query); `times` None: always."""

    fault: Fault
    method: str = ".*"
    path: str = ""
    times: int | None = None
    when: Callable[[Exchange], bool] | None = None
    used: int = 0

    def matches(self, exchange: Exchange) -> bool:
        return (
            (self.times is None or self.used < self.times)
            and re.fullmatch(self.method, exchange.method) is not None
            and re.search(self.path, exchange.path) is not None
            and (self.when is None or self.when(exchange))
        )


@dataclass(slots=True)
class Observation:
    """`at`: time.time() of arrival; `status` 0: no answer (yet); `fault`: the one that applied, if any."""

    at: float
    method: str
    path: str
    watch: bool
    fault: Fault | None = None
    status: int = 0


class FaultProxy(Proxy):
    """Put it in front of anything that speaks HTTP: `start_in`, then `add` rules at any time, from any thread."""

    def __init__(self, upstream: str, *, client_tls: ssl.SSLContext | None = None) -> None:
        super().__init__(upstream, client_tls=client_tls)
        self._rules: list[Rule] = []
        self._open: list[Exchange] = []
        self.seen: list[Observation] = []
        self.url = ""

    def start_in(self, background: Background, *, tls: ssl.SSLContext | None = None) -> FaultProxy:
        self._background = background
        background.run(self.start(tls=tls))
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        return self

    def close(self) -> None:
        """Idempotent."""
        self._background.run(self.stop())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(
        self,
        fault: Fault,
        *,
        method: str = ".*",
        path: str = "",
        times: int | None = None,
        when: Callable[[Exchange], bool] | None = None,
    ) -> Rule:
        """Add a rule; `rule.used` counts how often it applied."""
        rule = Rule(fault, method, path, times, when)
        self._rules = [*self._rules, rule]
        return rule

    def remove(self, rule: Rule) -> None:
        self._rules = [each for each in self._rules if each is not rule]

    def clear(self) -> None:
        self._rules = []

    def cut_watches(self) -> None:
        """Break every open watch now, as a restarting API server would."""
        self._background.run(self._cut())

    def requests(self, *, method: str = ".*", path: str = "", since: float = 0.0) -> list[Observation]:
        """Recorded requests whose method and path match the regular expressions, watches included."""
        return [
            each
            for each in list(self.seen)
            if each.at >= since and re.fullmatch(method, each.method) and re.search(path, each.path)
        ]

    def writes(self, since: float = 0.0) -> list[Observation]:
        return [each for each in list(self.seen) if each.at >= since and each.method in WRITES]

    async def _cut(self) -> None:
        for exchange in list(self._open):
            exchange.drop()

    async def before(self, exchange: Exchange) -> web.StreamResponse | None:
        # Recorded before anything is answered, so that a caller with its answer finds its request counted.
        seen = Observation(exchange.at, exchange.method, exchange.path, exchange.is_watch)
        exchange.note = seen
        self.seen.append(seen)
        rule = next((each for each in self._rules if each.matches(exchange)), None)
        if rule is None:
            return None
        rule.used += 1
        fault = seen.fault = rule.fault
        if fault.rewrite is not None:
            exchange.headers = {
                key: value for key, value in exchange.headers.items() if key.lower() != "accept-encoding"
            }
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.status is not None:
            seen.status = fault.status
            return web.Response(status=fault.status, headers=fault.headers, body=fault.body)
        return exchange.drop() if fault.drop else None

    async def committed(self, exchange: Exchange) -> web.StreamResponse | None:
        if _fault(exchange).drop_answer:
            return exchange.drop()
        exchange.note.status = exchange.status
        return None

    def keeps_length(self, exchange: Exchange) -> bool:
        return _fault(exchange).rewrite is None

    def after(self, exchange: Exchange, answer: web.StreamResponse | None) -> None:
        exchange.note.status = 0 if answer is None or exchange.dropped else answer.status

    async def chunks(self, exchange: Exchange, source: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
        fault = _fault(exchange)
        if fault.rewrite is not None and not exchange.is_watch:
            yield fault.rewrite(b"".join([chunk async for chunk in source]))
            return
        if exchange.is_watch:
            self._open.append(exchange)
        cut = None
        if exchange.is_watch and fault.cut_after is not None:
            cut = asyncio.get_running_loop().call_later(fault.cut_after, exchange.drop)
        try:
            async for chunk in _replayed(source) if exchange.is_watch and fault.replay else source:
                if not (exchange.is_watch and fault.silent):
                    yield chunk
        finally:
            self._open = [each for each in self._open if each is not exchange]
            if cut is not None:
                cut.cancel()


async def _replayed(source: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """Whole lines, each followed by all the lines before it."""
    rest, shown = b"", [b""]
    async for chunk in source:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line + b"\n" + b"".join(shown[-REPLAYED:])
            shown.append(line + b"\n")


def _fault(exchange: Exchange) -> Fault:
    """What the rule that matched says, or nothing at all."""
    seen: Observation = exchange.note
    return seen.fault or Fault()
