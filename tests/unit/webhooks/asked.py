"""A judge that keeps what it is asked and answers as a test says, and an evaluator that has it asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from modelrollout.api.config import GateWebhook, OperatorConfig, PrometheusServer
from modelrollout.core.evaluation import Evaluation
from modelrollout.ports import Question, Said
from modelrollout.runtime.evaluation.webhook_answers import WebhookAnswers
from modelrollout.runtime.metrics import MemoryMetrics
from tests.allowed import ALLOWED

GATE: dict[str, Any] = {"name": "load", "type": "Webhook", "webhook": "load-test"}
Answer = Said | BaseException | Callable[[Question], Awaitable[Said]]


def hook(name: str = "load-test", **changes: Any) -> GateWebhook:
    facts = {"name": name, "namespaces": ["vision"], "urlFile": "/x/url", "keyFile": "/x/key", "tries": 1}
    return GateWebhook.model_validate({**facts, **changes})


def config(*hooks: GateWebhook, **server: Any) -> OperatorConfig:
    facts = {"url": "http://prometheus.test", "scrape_interval": 15.0, **server}
    return OperatorConfig(gateways=ALLOWED, prometheus=[PrometheusServer(**facts)], webhooks=list(hooks) or [hook()])


@dataclass
class FakeJudge:
    """Gives `answers` one after the other, the last one for ever."""

    answers: list[Answer] = field(default_factory=lambda: [Said("CONTINUE")])
    asked: list[Question] = field(default_factory=list)

    async def ask(self, _webhook: GateWebhook, question: Question) -> Said:
        self.asked.append(question)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer if isinstance(answer, Said) else await answer(question)


async def never(_question: Question) -> Said:
    await asyncio.Event().wait()
    raise AssertionError


def answers_of(judge: FakeJudge, known: OperatorConfig | None = None) -> WebhookAnswers:
    return WebhookAnswers(judge, known or config(), MemoryMetrics())


def evaluation(tick: int, **changes: Any) -> Evaluation:
    facts: dict[str, Any] = {"rollout": "r", "at": 0.0, "tick": tick, "tick_end": 0.0, "requests": 0}
    return Evaluation(**{**facts, "step_started_at": 0.0, **changes})


async def settle() -> None:
    """Whatever is under way and waits for nothing outside comes to its end."""
    for _ in range(20):
        await asyncio.sleep(0)
