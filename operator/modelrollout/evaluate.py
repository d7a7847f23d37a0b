"""From a rollout's identity to its verdicts: fetch what is missing, remember it, let the pure core judge."""

from __future__ import annotations

from modelrollout.api.config import OperatorConfig
from modelrollout.core.evaluation import EvaluationRequest
from modelrollout.core.facts import Blind, Evaluation
from modelrollout.ports import Ledger


class Evaluator:
    """One per process. Memory is a cache only: `forget` at any moment changes no verdict."""

    def __init__(self, ledger: Ledger, config: OperatorConfig) -> None:
        self._ledger = ledger
        self._config = config

    async def evaluate(self, request: EvaluationRequest, now: float) -> Evaluation | Blind | None:
        """The gates at the newest closed tick; None when no tick has closed since the last call."""
        raise RuntimeError("being written")

    def next_due(self, request: EvaluationRequest, now: float) -> float:
        """Epoch seconds at which the next tick can close: do not call `evaluate` before."""
        return request.tick_end(request.last_ended(now) + 1)

    def forget(self, rollout: str) -> None:
        """Drop what is remembered of a rollout, by EvaluationRequest.rollout."""
