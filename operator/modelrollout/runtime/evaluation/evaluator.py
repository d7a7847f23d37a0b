"""From a rollout's identity to its verdicts: fetch what is missing, remember it, let the pure core judge."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from dataclasses import dataclass, field, replace
from typing import Any

from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.api.gates import QueryGate
from modelrollout.core.analysis.gates.gate_input import Answer
from modelrollout.core.evaluation import Evaluation, EvaluationRequest, MetricsOutage
from modelrollout.ports import Ledger, LedgerFailure
from modelrollout.runtime.evaluation.crew import Crew
from modelrollout.runtime.evaluation.kept import Kept
from modelrollout.runtime.evaluation.past import LATE, NARROW, READ_AGAIN, Past, PastReader
from modelrollout.runtime.evaluation.query_answers import QueryAnswers
from modelrollout.runtime.evaluation.question import closed_look, grid_of, looks_of, scrapes_of, selections
from modelrollout.runtime.evaluation.webhook_answers import WebhookAnswers
from modelrollout.runtime.metrics import MemoryMetrics, Metrics

log = logging.getLogger(__name__)
MISMATCHES = "modelrollout_operator_evaluation_mismatches_total"
MOST_BYTES = 128 * 2**20
"""Of all rollouts' samples, an equal part for each namespace and of that for each rollout; beyond it those that hold
more than theirs are forgotten, or not read further."""
MOST_KEPT = 64 * 2**20
"""Of all rollouts, of what saves the next evaluation work: some 3 MiB for one of 64 layers after 10 minutes, 22 after 8
hours; beyond it those that hold more than an equal part begin from scratch each time."""
IDLE = 600.0
"""Seconds after which a rollout nobody asks for is forgotten."""
Standing = tuple[object, ...]
Whose = tuple[str, str, str]
"""Namespace, name and rollout, for rollouts that began in the same instant with the same gates are called alike."""


@dataclass
class _Memory:
    """What is remembered of one rollout: a cache of Prometheus, nothing more."""

    past: Past = field(default_factory=Past)
    confirmed: Standing | None = None
    """The step and the verdicts for which everything was read last."""
    failed: bool = False
    """Whether the newest evaluation was a failure: one that is new waits for nothing."""
    looked: int = -1
    """The newest look that was judged."""
    rising: bool = False
    """Whether its odds were such that the next scrape may decide: until then every look is taken."""
    running: Kept = field(default_factory=Kept)
    """What was read for the evaluation before: it saves work, and changes no verdict."""
    answers: tuple[float, int, dict[str, Answer]] | None = None
    """What users' queries said: of which step, up to which tick."""
    used: float = 0.0
    namespace: str = ""
    blind_since: float | None = None
    retry_at: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Evaluator:
    """One per process. Memory is a cache only: `forget` at any moment changes no verdict."""

    def __init__(
        self,
        ledger: Ledger,
        config: OperatorConfig,
        metrics: Metrics | None = None,
        webhooks: WebhookAnswers | None = None,
    ) -> None:
        self._ledger = ledger
        self._mismatches = (metrics or MemoryMetrics()).counter(MISMATCHES, "Evaluations that were not as from scratch")
        self._config = config
        self._queries, self._webhooks = QueryAnswers(ledger), webhooks
        self._crew = Crew()
        self._memories: OrderedDict[Whose, _Memory] = OrderedDict()

    async def evaluate(self, request: EvaluationRequest, now: float) -> Evaluation | MetricsOutage | None:
        """The gates at the newest closed tick; None when no tick has closed since the last call. Never raises."""
        memory = self._memory(request)
        memory.used, memory.namespace = now, request.namespace
        async with memory.lock:
            server = self._config.server(request.spec.analysis.prometheus)
            if not _is_due(request, server, memory, now):
                return None
            if server is None:
                name = request.spec.analysis.prometheus
                return _blind(memory, now, LedgerFailure("UnknownPrometheus", f"no server is called {name!r}"))
            try:
                found = await self._evaluated(request, server, memory, now)
            except Exception as error:  # whatever samples bring the judges to raise: blind, and maxBlind counts
                log.exception("%s/%s: the evaluation failed", request.namespace, request.name)
                text = f"the samples could not be judged ({type(error).__name__})"
                return _blind(memory, now, LedgerFailure("EvaluationFailed", text))
            self._bound(whose(request), now)
            self._bound_kept()
            self._ask_outside(request, found, now)
            return _blind(memory, now, found) if isinstance(found, LedgerFailure) else found

    def _ask_outside(self, request: EvaluationRequest, found: object, now: float) -> None:
        """What Webhook gates ask goes out after the evaluation, and nothing waits for it."""
        if self._webhooks is None or not isinstance(found, Evaluation) or _failed(found):
            return
        try:
            self._webhooks.ask(request, found, now)
        except Exception:  # a defect: these gates stay without data, and what was found stands
            log.exception("%s/%s: no webhook could be asked", request.namespace, request.name)

    def next_due(self, request: EvaluationRequest, now: float) -> float:
        """Epoch seconds at which the next tick can close: do not call `evaluate` before."""
        memory = self._memories.get(whose(request))
        server = self._config.server(request.spec.analysis.prometheus)
        if memory is None or server is None:
            return max(request.tick_end(0), now)
        looks, stores = looks_of(request, server), memory.past.stores()
        if memory.rising and stores:
            look, scrapes = max(memory.looked + 1, looks.last_ended(now)), scrapes_of(request, stores, server)
            closed = scrapes.due if look == looks.at(looks.tick(look)) else scrapes.shown
            return max(closed(looks.end(look)), memory.retry_at)
        end = request.tick_end(max(looks.tick(memory.looked) + 1, request.last_ended(now)))
        return max(scrapes_of(request, stores, server).due(end) if stores else end, memory.retry_at)

    def forget(self, request: EvaluationRequest) -> None:
        """Drop what is remembered of the request's rollout."""
        self._memories.pop(whose(request), None)
        if self._webhooks is not None:
            self._webhooks.forget(request)

    def _memory(self, request: EvaluationRequest) -> _Memory:
        memory = self._memories.setdefault(whose(request), _Memory())
        self._memories.move_to_end(whose(request))
        return memory

    @property
    def held(self) -> int:
        """About so many bytes of samples are held, of all rollouts together."""
        return self._held()[0]

    def _bound(self, current: Whose, now: float) -> None:
        total, parts = self._held()
        for rollout, memory in list(self._memories.items()):  # the least recently used first
            if rollout == current or memory.lock.locked():
                continue
            too_much = memory.past.bytes > parts.get(memory.namespace, MOST_BYTES)
            if (total > MOST_BYTES and too_much) or memory.used < now - IDLE:
                total -= self._memories.pop(rollout).past.bytes

    def _bound_kept(self) -> None:
        """Forget what only saves work, of those that have more than an equal part of it where all have too much."""
        kept = [memory.running for memory in self._memories.values() if memory.running.bytes]
        if sum(one.bytes for one in kept) > MOST_KEPT:
            for one in kept:
                if one.bytes > MOST_KEPT // len(kept):
                    one.forget()

    def _held(self) -> tuple[int, dict[str, int]]:
        """Bytes of all rollouts, and what each rollout of a namespace may have: a part of its namespace's part."""
        held = [(memory.namespace, memory.past.bytes) for memory in self._memories.values() if memory.past.bytes]
        number = Counter(namespace for namespace, _ in held)
        parts = {namespace: MOST_BYTES // len(number) // rollouts for namespace, rollouts in number.items()}
        return sum(size for _, size in held), parts

    def _allowed(self, rollout: Whose, memory: _Memory, now: float) -> LedgerFailure | None:
        """Why this rollout may not hold what it has read; whoever has less than an equal part always may."""
        self._bound(rollout, now)
        total, parts = self._held()
        if total <= MOST_BYTES or memory.past.bytes <= parts.get(memory.namespace, MOST_BYTES):
            return None
        needed, memory.past = memory.past.bytes, Past()
        text = f"its samples need {needed // 2**20} MiB, and the {MOST_BYTES // 2**20} MiB for all rollouts are used up"
        return LedgerFailure("TooManySeries", f"{text}: {NARROW}")

    async def _evaluated(
        self, request: EvaluationRequest, server: PrometheusServer, memory: _Memory, now: float
    ) -> Evaluation | LedgerFailure | None:
        wanted, past = selections(request, server), memory.past
        reader = PastReader(
            self._ledger, request, server, now, self._crew, lambda: self._allowed(whose(request), memory, now)
        )
        new = past.read_at is None
        failure = await reader.bring_up(past, wanted)
        if failure is not None:
            return failure
        memory.blind_since = None
        found = await self._newest(request, server, memory, now)
        if found is None:
            memory.retry_at = now + min(max(0.1 * server.scrape_interval, 0.1), 1.0)
            return None
        if new:
            memory.confirmed = _standing(request, found)
        known, memory.failed = memory.failed, _failed(found)
        if (memory.failed and not known) or not _to_read_again(request, memory, found, now):
            return replace(found, confirmed=_may_raise(request, found, now))
        if not await reader.read_again(past, wanted):
            return replace(found, confirmed=False)
        memory.running.check_next()
        memory.looked, memory.rising = memory.looked - looks_of(request, server).parts, False
        found = await self._newest(request, server, memory, now) or found
        memory.confirmed = _standing(request, found)
        return replace(found, confirmed=_may_raise(request, found, now))

    async def _newest(
        self, request: EvaluationRequest, server: PrometheusServer, memory: _Memory, now: float
    ) -> Evaluation | None:
        """The newest whole tick; and where the odds rose at its end, the newest scrape since. None: nothing is new.

        Which of the two follows from the samples alone, so that a new process looks where this one does.
        """
        looks, stores, found = looks_of(request, server), memory.past.stores(), None
        size = memory.past.size
        after = looks.at(looks.tick(memory.looked))
        whole = await self._crew.run(size, closed_look, looks, stores, server, after, now, every=False)
        if whole is not None:
            memory.looked, memory.rising = whole, False
            if request.tick_end(looks.tick(whole) - 1) < request.evidence_from:  # just edited: no tick of it yet
                return None
            found = await self._judged(request, server, memory, whole, now)
            memory.rising = found.rising and looks.parts > 1
        if not memory.rising:
            return found
        fine = await self._crew.run(size, closed_look, looks, stores, server, memory.looked, now, every=True)
        if fine is None:
            return found
        sooner = await self._judged(request, server, memory, fine, now)
        memory.looked, memory.rising = fine, sooner.rising
        return sooner if sooner.rising or found is not None else None

    async def _judged(
        self, request: EvaluationRequest, server: PrometheusServer, memory: _Memory, look: int, now: float
    ) -> Evaluation:
        """The gates at `look`. A failure that needs no answer of a user's query does not wait for one."""
        past = memory.past
        size, arguments = past.size, (request, past.stores(), server, look)
        told = {} if self._webhooks is None else self._webhooks.known(request)
        if any(isinstance(gate, QueryGate) for gate in request.spec.gates):
            found = await self._crew.run(size, self._kept, memory, *arguments, told, now, past.cuts)
            if _failed(found):
                return found
        looks = looks_of(request, server)
        tick = looks.tick(look)
        if look == looks.at(tick) or memory.answers is None or memory.answers[:2] != (request.step_started_at, tick):
            asked = await self._queries.ask(request, server, grid_of(request, tick, past.cuts))
            memory.answers = request.step_started_at, tick, asked
        answers = {**memory.answers[2], **told}
        return await self._crew.run(size, self._kept, memory, *arguments, answers, now, past.cuts)

    def _kept(self, memory: _Memory, request: EvaluationRequest, *arguments: Any) -> Evaluation:
        """The gates by what is kept from before; now and then from scratch as well, and then that is what counts."""
        found, same = memory.running.judged(request, *arguments)
        if not same:
            self._mismatches.add()
            log.error("%s/%s: an evaluation was not as from scratch; it was replaced", request.namespace, request.name)
        return found


def whose(request: EvaluationRequest) -> Whose:
    """Whose samples are meant."""
    return request.namespace, request.name, request.rollout


def _is_due(request: EvaluationRequest, server: PrometheusServer | None, memory: _Memory, now: float) -> bool:
    """Whether a whole tick has ended since the newest look, or the next one does not wait for that."""
    judged = -1 if server is None else looks_of(request, server).tick(memory.looked)
    return memory.rising or request.last_ended(now) > judged


def _failed(found: Evaluation) -> bool:
    return found.rollback is not None or any(gate.required and gate.verdict == "FAIL" for gate in found.gates)


def _may_raise(request: EvaluationRequest, found: Evaluation, now: float) -> bool:
    """Whether a pass before the next evaluation might raise the weight by this one."""
    held = request.raise_from is not None and now + request.interval < request.raise_from
    enough = found.requests >= request.spec.analysis.minimum_requests
    return enough and not held and found.halt is None and not _failed(found)


def _to_read_again(request: EvaluationRequest, memory: _Memory, found: Evaluation, now: float) -> bool:
    """Before a raise, once for each new standing and again after LATE; else every READ_AGAIN."""
    age = now - (memory.past.read_at or 0.0)
    if _may_raise(request, found, now):
        return age > LATE or memory.confirmed != _standing(request, found)
    return age > READ_AGAIN


def _standing(request: EvaluationRequest, found: Evaluation) -> Standing:
    return (request.step_started_at, *((gate.name, gate.verdict, gate.leaning_bad) for gate in found.gates))


def _blind(memory: _Memory, now: float, failure: LedgerFailure) -> MetricsOutage:
    since = now if memory.blind_since is None else memory.blind_since
    memory.blind_since = since
    memory.retry_at = now + min(max(1.0, 0.5 * (now - since)), 15.0)
    return MetricsOutage(failure.reason, failure.message, since)
