"""What users' own queries say at the tick ends of the current step; a slow one delays nobody else's."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field

from modelrollout.api.config import PrometheusServer
from modelrollout.api.gates import QueryGate
from modelrollout.core.analysis.gates.gate_input import Answer
from modelrollout.core.analysis.gates.query import query_text, read_answer
from modelrollout.core.analysis.metrics.grid import Grid
from modelrollout.core.evaluation import EvaluationRequest
from modelrollout.core.finding import Finding
from modelrollout.ports import Ledger, LedgerFailure

QUERY_TICKS = 240
AT_A_TIME = 1
"""Queries of one namespace under way, so that those of all others find a place."""


@dataclass
class QueryAnswers:
    """Asks the expressions of Query gates."""

    ledger: Ledger
    turns: dict[str, asyncio.Semaphore] = field(default_factory=dict)

    async def ask(self, request: EvaluationRequest, server: PrometheusServer, grid: Grid) -> dict[str, Answer]:
        """The answer of every Query gate by the gate's name, for the last tick of the grid."""
        asked = [gate for gate in request.spec.gates if isinstance(gate, QueryGate)]
        found = await asyncio.gather(*(self._answer(request, server, gate, grid) for gate in asked))
        return {gate.name: answer for gate, answer in zip(asked, found, strict=True)}

    async def _answer(
        self, request: EvaluationRequest, server: PrometheusServer, gate: QueryGate, grid: Grid
    ) -> Answer:
        """The expression at the tick ends of the current step, the newest QUERY_TICKS of them."""
        tick = grid.last
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
        async with self.turns.setdefault(request.namespace, asyncio.Semaphore(AT_A_TIME)):
            answer = await self.ledger.steps(server, text, first, request.tick_end(tick), request.interval)
        if isinstance(answer, LedgerFailure):
            return Answer(nothing, Finding(answer.reason, answer.message))
        return read_answer(answer, grid)
