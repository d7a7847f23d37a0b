"""At the end of a rollout its distributions go to a snapshot: in the background, bounded in time, work and size."""

from __future__ import annotations

import asyncio
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modelrollout.api.timestamps import format_timestamp
from modelrollout.core.analysis.metrics.grid import make_grid
from modelrollout.core.analysis.metrics.model_series import series_of
from modelrollout.core.analysis.metrics.postmortem import SERIES, summarize
from modelrollout.core.analysis.metrics.promql import fill_matchers
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.core.analysis.metrics.tick_table import make_tick_table
from modelrollout.ports import Ledger, LedgerFailure, NotOurs, PostmortemStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from modelrollout.api.config import OperatorConfig
    from modelrollout.core.analysis.metrics.series import Series
    from modelrollout.core.evaluation import EvaluationRequest

    Kept = Callable[[str], None]

log = logging.getLogger(__name__)
LONGEST_SPAN = 900.0
PATIENCE = 30.0
"""Seconds for one post-mortem, its turn included: nothing waits for it, and it may hold up nothing for ever."""
MOST_WAITING = 16
"""Post-mortems that may be under way or wait for their turn; more are not kept."""
MOST_SAMPLES = 1_000_000
"""More than this of one span is not summarized: the thread that does it shares the interpreter."""
MAX_BYTES = 200_000
MOST_TOLD = 1000
"""Objects in the way of which is remembered that they were told."""


@dataclass
class Postmortems:
    """Reads the last 15 minutes of a rollout again, with the histograms that gates do not need; one at a time."""

    ledger: Ledger
    store: PostmortemStore
    config: OperatorConfig
    _told: dict[str, None] = field(default_factory=dict)
    """Whose objects were in the way."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="postmortem"))

    def begin(
        self, obj: dict[str, Any], names: Sequence[str], request: EvaluationRequest, now: float, kept: Kept
    ) -> None:
        """Start to write a snapshot, and return at once; `kept` is called with its name when it stands.

        It is the first of the `names` where nobody else's object stands.
        """
        if len(self._tasks) >= MOST_WAITING:
            log.warning("%s/%s: no snapshot was kept: too many are under way", request.namespace, request.name)
            return
        task = asyncio.create_task(self._keep(obj, names, request, now, kept), name=f"{request.namespace}/{names[0]}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def wait(self) -> None:
        """Until none is under way: for tests."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*self._tasks)

    async def _keep(
        self, obj: dict[str, Any], names: Sequence[str], request: EvaluationRequest, now: float, kept: Kept
    ) -> None:
        try:
            async with asyncio.timeout(PATIENCE), self._turn:
                text = await self._text(request, now)
                if text is not None:
                    kept(await self._saved(obj, names, {"snapshot.json": text}))
        except Exception as error:  # noqa: BLE001 - whatever it is, the rollout has ended and is recorded
            why = str(error) or ("it took too long" if isinstance(error, TimeoutError) else type(error).__name__)
            log.warning("%s/%s: no snapshot was kept: %s", request.namespace, request.name, why)

    async def _saved(self, obj: dict[str, Any], names: Sequence[str], data: dict[str, str]) -> str:
        """The name under which it stands; somebody else's object is left as it is, and said once."""
        for name in names:
            try:
                await self.store.save(obj, name, data)
            except NotOurs as error:
                if str(error) not in self._told:
                    self._told[str(error)] = None
                    log.warning("%s", error)
                if len(self._told) > MOST_TOLD:
                    del self._told[next(iter(self._told))]
            else:
                return name
        raise NotOurs("somebody else's snapshot stands in every place")

    async def _text(self, request: EvaluationRequest, now: float) -> str | None:
        server = self.config.server(request.spec.analysis.prometheus)
        if server is None:
            return None
        start = max(request.started_at, now - LONGEST_SPAN)
        selector = series_of(request, SERIES, fill_matchers(server.matchers, request.namespace))
        answer = await self.ledger.range(server, selector, start, now)
        if isinstance(answer, LedgerFailure):
            log.warning("%s/%s: no snapshot: %s", request.namespace, request.name, answer.message)
            return None
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, _summary, request, answer, (start, now), server.scrape_interval)


def _summary(
    request: EvaluationRequest, answer: Sequence[Series], span: tuple[float, float], scrape: float
) -> str | None:
    """The snapshot's text, or None where there is nothing to keep or too much."""
    samples = sum(len(one.times) for one in answer)
    if samples > MOST_SAMPLES:
        log.warning("%s/%s: no snapshot: %d samples", request.namespace, request.name, samples)
        return None
    start, now = span
    grid = make_grid(start, now - start, 0, 0)
    layers = summarize(make_tick_table([SampleStore().merged(answer)], SeriesReader(request), grid, scrape))
    about = {"model": request.spec.model.name, "stable": request.stable, "candidate": request.candidate}
    times = {"from": format_timestamp(start), "to": format_timestamp(now)}
    text = json.dumps(about | times | {"rollout": _course(request), "layers": layers}, separators=(",", ":"))
    if len(text) > MAX_BYTES:
        log.warning("%s/%s: no snapshot: %d bytes", request.namespace, request.name, len(text))
    return text if len(text) <= MAX_BYTES and any(layers.values()) else None


def _course(request: EvaluationRequest) -> dict[str, Any]:
    """How the rollout went, for reports: status forgets it at the end."""
    found: dict[str, Any] = {
        "startedAt": format_timestamp(request.started_at),
        "evidenceFrom": format_timestamp(request.evidence_from),
        "steps": [{"weight": weight, "startedAt": format_timestamp(at)} for weight, at in request.steps],
    }
    if request.bake_started_at is not None:
        found["bakeStartedAt"] = format_timestamp(request.bake_started_at)
    return found
