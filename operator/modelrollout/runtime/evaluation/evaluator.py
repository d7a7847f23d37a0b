"""From a rollout's identity to its verdicts: fetch what is missing, remember it, let the pure core judge."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.api.gates import Gate, QueryGate
from modelrollout.core.analysis.gates import registry
from modelrollout.core.analysis.gates.evaluate import evaluate
from modelrollout.core.analysis.gates.gate_input import Answer, GateInput
from modelrollout.core.analysis.gates.query import query_text, read_answer
from modelrollout.core.analysis.metrics.grid import Grid, make_grid
from modelrollout.core.analysis.metrics.lookalikes import lookalikes
from modelrollout.core.analysis.metrics.model_series import Selection, gateway_selection, model_selection
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.scrapes import Scrapes, TargetScrapes
from modelrollout.core.analysis.metrics.series import Target, within
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.core.analysis.metrics.tick_table import make_tick_table
from modelrollout.core.analysis.stats.parameters import HISTORY
from modelrollout.core.evaluation import Evaluation, EvaluationRequest, MetricsOutage
from modelrollout.core.finding import Finding
from modelrollout.ports import Ledger, LedgerFailure

MAX_SAMPLES = 4_000_000
"""Of all rollouts together; beyond it the least recently judged are forgotten and fetched again when asked for."""
IDLE = 600.0
"""Seconds after which a rollout nobody asks for is forgotten."""
MAX_TICKS = 6000
"""Evidence reaches back so far (a day at 15 s); what is older is dropped in pieces of PIECE ticks."""
PIECE = 1000
QUERY_TICKS = 240
CHUNK = 900.0
"""Seconds of samples per query when a rollout's past is fetched."""


@dataclass
class _Memory:
    """What is remembered of one rollout: a cache of Prometheus, nothing more."""

    stores: dict[str, SampleStore] = field(default_factory=dict)
    until: dict[str, float] = field(default_factory=dict)
    evaluated: int = -1
    used: float = 0.0
    blind_since: float | None = None
    retry_at: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def size(self) -> int:
        return sum(store.size for store in self.stores.values())


class Evaluator:
    """One per process. Memory is a cache only: `forget` at any moment changes no verdict."""

    def __init__(self, ledger: Ledger, config: OperatorConfig) -> None:
        self._ledger = ledger
        self._config = config
        self._memories: OrderedDict[str, _Memory] = OrderedDict()

    async def evaluate(self, request: EvaluationRequest, now: float) -> Evaluation | MetricsOutage | None:
        """The gates at the newest closed tick; None when no tick has closed since the last call."""
        memory = self._memory(request.rollout)
        memory.used = now
        async with memory.lock:
            if request.last_ended(now) <= memory.evaluated:
                return None
            server = self._config.server(request.spec.analysis.prometheus)
            if server is None:
                name = request.spec.analysis.prometheus
                return _blind(memory, now, LedgerFailure("UnknownPrometheus", f"no server is called {name!r}"))
            selections = _selections(request, server)
            failure = await self._fetch(request, server, selections, memory, now)
            if failure is not None:
                return _blind(memory, now, failure)
            memory.blind_since = None
            stores = [memory.stores[one.origin] for one in selections]
            tick = await asyncio.to_thread(_closed_tick, request, stores, server, memory.evaluated, now)
            if tick is None:
                memory.retry_at = now + min(max(0.1 * server.scrape_interval, 0.1), 1.0)
                return None
            if request.tick_end(tick - 1) < request.evidence_from:  # just edited: no tick of the new evidence yet
                memory.evaluated = tick
                return None
            answers = await self._answers(request, server, tick)
            found = await asyncio.to_thread(_judge, request, stores, server, tick, answers, now)
            memory.evaluated = tick
            self._bound(request.rollout, now)
            return found

    def next_due(self, request: EvaluationRequest, now: float) -> float:
        """Epoch seconds at which the next tick can close: do not call `evaluate` before."""
        memory = self._memories.get(request.rollout)
        server = self._config.server(request.spec.analysis.prometheus)
        if memory is None or server is None:
            return max(request.tick_end(0), now)
        end = request.tick_end(max(memory.evaluated + 1, request.last_ended(now)))
        due = _scrapes(request, memory.stores.values(), server).due(end) if memory.stores else end
        return max(due, memory.retry_at)

    def forget(self, rollout: str) -> None:
        """Drop what is remembered of a rollout, by EvaluationRequest.rollout."""
        self._memories.pop(rollout, None)

    def _memory(self, rollout: str) -> _Memory:
        memory = self._memories.setdefault(rollout, _Memory())
        self._memories.move_to_end(rollout)
        return memory

    def _bound(self, current: str, now: float) -> None:
        total = sum(memory.size for memory in self._memories.values())
        for rollout, memory in list(self._memories.items()):  # the least recently used first
            if rollout == current or memory.lock.locked():
                continue
            if total > MAX_SAMPLES or memory.used < now - IDLE:
                total -= self._memories.pop(rollout).size

    async def _fetch(
        self,
        request: EvaluationRequest,
        server: PrometheusServer,
        selections: Sequence[Selection],
        memory: _Memory,
        now: float,
    ) -> LedgerFailure | None:
        """Bring the stores up to `now`; what was fetched before a failure is kept."""
        found = await asyncio.gather(*(self._bring_up(request, server, one, memory, now) for one in selections))
        return next((failure for failure in found if failure is not None), None)

    async def _bring_up(
        self, request: EvaluationRequest, server: PrometheusServer, one: Selection, memory: _Memory, now: float
    ) -> LedgerFailure | None:
        store = memory.stores.get(one.origin, SampleStore())
        oldest = _oldest(request, server, now)
        overlap = max(request.interval, 3 * max(server.scrape_interval, _scrapes(request, [store], server).usual))
        start = max(memory.until.get(one.origin, oldest) - overlap, oldest)
        while start < now:
            end = min(start + CHUNK, now)
            answer = await self._ledger.range(server, one.text, start, end)
            if isinstance(answer, LedgerFailure):
                return answer
            store = await asyncio.to_thread(store.merged, within(answer, start, end))
            memory.stores[one.origin], memory.until[one.origin] = store, end
            start = end
        memory.stores[one.origin] = store.since(oldest)
        return None

    async def _answers(self, request: EvaluationRequest, server: PrometheusServer, tick: int) -> dict[str, Answer]:
        asked = [gate for gate in request.spec.gates if isinstance(gate, QueryGate)]
        found = await asyncio.gather(*(self._answer(request, server, gate, tick) for gate in asked))
        return {gate.name: answer for gate, answer in zip(asked, found, strict=True)}

    async def _answer(self, request: EvaluationRequest, server: PrometheusServer, gate: QueryGate, tick: int) -> Answer:
        """The expression at the tick ends of the current step, the newest QUERY_TICKS of them."""
        grid = _grid(request, tick)
        nothing = read_answer((), grid).values
        if not server.allow_queries:
            text = f"the Prometheus server {server.name!r} allows no Query gates"
            return Answer(nothing, Finding("QueriesNotAllowed", text))
        try:
            text = query_text(gate, request)
        except ValueError as error:
            return Answer(nothing, Finding("UnknownPlaceholder", str(error)))
        since = math.floor((request.step_started_at - request.started_at) / request.interval)
        first = request.tick_end(max(since, tick - QUERY_TICKS + 1, 0))
        answer = await self._ledger.steps(server, text, first, request.tick_end(tick), request.interval)
        if isinstance(answer, LedgerFailure):
            return Answer(nothing, Finding(answer.reason, answer.message))
        return read_answer(answer, grid)


def _blind(memory: _Memory, now: float, failure: LedgerFailure) -> MetricsOutage:
    since = now if memory.blind_since is None else memory.blind_since
    memory.blind_since = since
    memory.retry_at = now + min(max(1.0, 0.5 * (now - since)), 15.0)
    return MetricsOutage(failure.reason, failure.message, since)


def _first_tick(request: EvaluationRequest, last: int) -> int:
    history = -math.ceil(HISTORY / request.interval)
    behind = last - MAX_TICKS - history
    return history + (max(behind, 0) // PIECE) * PIECE


def _oldest(request: EvaluationRequest, server: PrometheusServer, now: float) -> float:
    """The history, and a little more so that its first tick has a scrape to be counted from."""
    first = _first_tick(request, request.last_ended(now))
    return request.started_at + first * request.interval - 3 * server.scrape_interval


def _grid(request: EvaluationRequest, tick: int) -> Grid:
    return make_grid(request.started_at, request.interval, _first_tick(request, tick), tick)


def _wanted(request: EvaluationRequest) -> tuple[Gate, ...]:
    names = request.default_gates or registry.every_default()
    return registry.gates_in_force(request.spec.gates, names)


def _selections(request: EvaluationRequest, server: PrometheusServer) -> list[Selection]:
    wanted = registry.series_wanted(_wanted(request))
    gateway = gateway_selection(request, server, wanted)
    return [one for one in (gateway, model_selection(request, server, wanted)) if one is not None]


def _scrapes(request: EvaluationRequest, stores: Iterable[SampleStore], server: PrometheusServer) -> Scrapes:
    observed: dict[Target, TargetScrapes] = {}
    for store in stores:
        observed.update(store.targets)
    return Scrapes(observed, request.interval, server.scrape_interval)


def _closed_tick(
    request: EvaluationRequest, stores: Sequence[SampleStore], server: PrometheusServer, evaluated: int, now: float
) -> int | None:
    """The newest tick that is complete and was not judged yet."""
    scrapes = _scrapes(request, stores, server)
    for tick in range(request.last_ended(now), evaluated, -1):
        if scrapes.complete(request.tick_end(tick), now):
            return tick
    return None


def _judge(
    request: EvaluationRequest,
    stores: Sequence[SampleStore],
    server: PrometheusServer,
    tick: int,
    answers: dict[str, Answer],
    now: float,
) -> Evaluation:
    reader = SeriesReader(request)
    table = make_tick_table(stores, reader, _grid(request, tick), server.scrape_interval)
    gate_input = GateInput(request, table, answers, lookalikes(stores, reader, request))
    names = None
    if not request.spec.gates:
        names = request.default_gates or registry.default_gates(table, gate_input.position(request.started_at) + 1)
    return evaluate(registry.gates_in_force(request.spec.gates, names or ()), gate_input, now, names)
