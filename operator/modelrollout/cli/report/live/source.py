"""What the pages of `dashboard` show, read with the person's own rights; never more often than needed."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field, replace

from modelrollout.adapters.kubernetes.client import Api, path_of
from modelrollout.api.base import GROUP_VERSION, PLURAL
from modelrollout.api.borders.cleaning import clean, mapping, mappings
from modelrollout.cli.report.facts import Facts
from modelrollout.cli.report.live.overview import Row, row_of
from modelrollout.cli.report.reading.gather import Asked, gather
from modelrollout.cli.report.reading.store import Seen
from modelrollout.cli.target import Failure
from modelrollout.ports import Conflict, Unreachable

FRESH = 1.5
"""Seconds for which a list of all rollouts is shown to whoever asks, however many windows are open."""
EVIDENCE = 15.0
"""Seconds after which Prometheus is asked again about a rollout that somebody looks at; later where that takes long, so
that a page in some window costs a sixth of a core and of a server's time at the most."""
PART = 5
MOST = 16
"""Rollouts whose evidence is remembered; the least recently shown is forgotten."""
_PAGE, _MOST_PAGES = "200", 25
_ASKING = Seen(missing=("Prometheus is being asked: the gates over time follow.",))


@dataclass
class _Evidence:
    seen: Seen = _ASKING
    began: float = 0.0
    """Which rollout it is about."""
    asked_at: float = float("-inf")
    took: float = 0.0
    task: asyncio.Task[None] | None = None


@dataclass
class LiveSource:
    """One for each run of `dashboard`."""

    api: Api
    args: argparse.Namespace
    namespace: str | None
    """Only this one; all that may be listed when None."""
    home: str
    """The context's namespace, for those who may not list all."""
    _rows: tuple[float, list[Row], list[str]] = (float("-inf"), [], [])
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _evidence: OrderedDict[tuple[str, str], _Evidence] = field(default_factory=OrderedDict)

    async def rows(self) -> tuple[list[Row], list[str]]:
        """All rollouts, and what could not be read. Failure where nothing can."""
        async with self._turn:  # bounded: every request of the client is
            if time.monotonic() - self._rows[0] > FRESH:
                found, said = await self._listed()
                self._rows = time.monotonic(), found, said
        return self._rows[1], self._rows[2]

    async def _listed(self) -> tuple[list[Row], list[str]]:
        try:
            return await self._pages(self.namespace)
        except (Conflict, Unreachable) as error:
            if self.namespace is not None or getattr(error, "reason", "") != "ApiForbidden":
                raise Failure(str(error)) from error
        try:
            found, said = await self._pages(self.home)
        except (Conflict, Unreachable) as error:
            raise Failure(str(error)) from error
        return found, [*said, f"You may not list ModelRollouts of all namespaces: these are those of {self.home}."]

    async def _pages(self, namespace: str | None) -> tuple[list[Row], list[str]]:
        found: list[Row] = []
        query = {"limit": _PAGE}
        for _ in range(_MOST_PAGES):
            answer = await self.api.request("GET", path_of(GROUP_VERSION, PLURAL, namespace), query=query)
            found += map(row_of, mappings(answer.get("items")))
            after = clean(mapping(answer.get("metadata")).get("continue"), 4096)
            if not after:
                return found, []
            query = {"limit": _PAGE, "continue": after}
        return found, [f"There are more than {len(found)}: name a namespace with -n."]

    async def facts(self, namespace: str, name: str) -> Facts:
        """Of one rollout, at once: what Prometheus said is at most EVIDENCE old, or still to come."""
        asked = Asked(self.args, namespace, name)
        known = self._evidence.setdefault((namespace, name), _Evidence())
        self._evidence.move_to_end((namespace, name))
        self._bound()
        facts = await gather(self.api, asked, known.seen)
        began = 0.0 if facts.subject is None else facts.subject.started_at
        if known.began != began:
            known.seen, known.began, known.asked_at = _ASKING, began, float("-inf")
            facts = replace(facts, judgements=(), missing=_ASKING.missing)
        if facts.subject is not None and (known.task is None or known.task.done()):
            over = facts.subject.entry is not None and known.seen is not _ASKING
            if not over and time.monotonic() - known.asked_at > max(EVIDENCE, PART * known.took):
                known.task = asyncio.create_task(self._ask(asked, known), name=f"evidence of {namespace}/{name}")
        return facts

    async def _ask(self, asked: Asked, known: _Evidence) -> None:
        """In the background, so that the page never waits for Prometheus."""
        began = time.monotonic()
        try:
            whole = await gather(self.api, asked)
        except Failure as error:
            known.seen = Seen(missing=(f"Prometheus was not asked: {error}.",))
        else:
            known.seen = Seen(whole.judgements, whole.layers, whole.weights, whole.missing)
        known.asked_at = time.monotonic()
        known.took = known.asked_at - began

    def _bound(self) -> None:
        while len(self._evidence) > MOST:
            _, old = self._evidence.popitem(last=False)
            if old.task is not None:
                old.task.cancel()

    async def close(self) -> None:
        """End what is under way."""
        tasks = [one.task for one in self._evidence.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=5) if tasks else None
