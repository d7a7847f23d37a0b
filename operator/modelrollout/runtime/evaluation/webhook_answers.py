"""What the systems behind Webhook gates have said about the current step; nobody ever waits for them.

Each question is a task of its own, begun after an evaluation; what it brings counts from the next evaluation on. PASS
and FAIL hold for the step, after anything else the next interval asks again. An answer belongs to the question's
subject (candidate, gates, step), and counts for no other. All of it is in memory: a new process asks again.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelrollout.api.gates import WebhookGate
from modelrollout.core.analysis.gates.gate_input import Told
from modelrollout.core.analysis.gates.outside.webhook import can_be_asked, question, subject_of
from modelrollout.core.finding import Finding
from modelrollout.fair.line import Line
from modelrollout.ports import Judge, Question, Unclear, Undelivered

if TYPE_CHECKING:
    from modelrollout.api.config import GateWebhook, OperatorConfig
    from modelrollout.core.evaluation import Evaluation, EvaluationRequest
    from modelrollout.runtime.metrics import Metrics

log = logging.getLogger(__name__)
QUESTIONS = "modelrollout_operator_webhook_questions_total"
AT_ONCE, OF_ONE = 16, 4
"""Tries under way at one webhook, and those of one namespace among them."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds before the second try, twice as many before each further one, and their end."""
IDLE = 3 * 3600.0
"""Seconds after which a rollout that nobody evaluates is forgotten; the longest interval is an hour."""
_SETTLED = frozenset({"PASS", "FAIL"})


@dataclass
class _Asked:
    """One gate's last question, and what came of it."""

    subject: str
    tick: int
    told: Told = field(default_factory=Told)
    work: asyncio.Task[None] | None = None

    def is_due(self, tick: int) -> bool:
        """Whether the other side may be asked again at `tick`."""
        under_way = self.work is not None and not self.work.done()
        return not under_way and self.told.verdict not in _SETTLED and tick > self.tick

    def stop(self) -> None:
        """Nobody wants to know any more."""
        if self.work is not None:
            self.work.cancel()


@dataclass
class _Rollout:
    used: float = 0.0
    gates: dict[str, _Asked] = field(default_factory=dict)


class WebhookAnswers:
    """For one event loop."""

    def __init__(self, judge: Judge, config: OperatorConfig, metrics: Metrics) -> None:
        self._judge, self._config = judge, config
        self._count = metrics.counter(
            QUESTIONS, "Questions of Webhook gates, by verdict, silent or unclear", "webhook", "outcome"
        )
        self._lines = {one.name: Line(AT_ONCE, OF_ONE) for one in config.webhooks}
        self._rollouts: dict[tuple[str, str, str], _Rollout] = {}

    def known(self, request: EvaluationRequest) -> dict[str, Told]:
        """What has been said about the request's own step, by the gate's name."""
        kept, found = self._rollouts.get(_key(request), _Rollout()), dict[str, Told]()
        for gate in _gates(request):
            asked = kept.gates.get(gate.name)
            if self._config.webhook(gate.asks, request.namespace) is None:
                found[gate.name] = Told(problem=_not_allowed(gate, request))
            elif asked is not None and asked.subject == subject_of(gate, request):
                found[gate.name] = asked.told
        return found

    def ask(self, request: EvaluationRequest, found: Evaluation, now: float) -> None:
        """Begin whatever question is due after this evaluation, and return at once."""
        self._forget_idle(now)
        if not can_be_asked(request):
            return
        for gate in _gates(request):
            webhook = self._config.webhook(gate.asks, request.namespace)
            if webhook is None:
                continue
            kept, subject = self._rollouts.setdefault(_key(request), _Rollout()), subject_of(gate, request)
            kept.used, asked = now, kept.gates.get(gate.name)
            if asked is None or asked.subject != subject:
                if asked is not None:
                    asked.stop()
                asked = kept.gates[gate.name] = _Asked(subject, -1)
            if asked.is_due(found.tick):
                asked.tick = found.tick
                ident = hashlib.sha256(f"{subject}/{found.tick}".encode()).hexdigest()[:32]
                about = Question(ident, now, question(gate, request, found))
                asked.work = asyncio.create_task(self._ask(asked, webhook, about, request.namespace))

    @property
    def under_way(self) -> list[asyncio.Task[None]]:
        """Questions that are not answered yet."""
        asked = (one for rollout in self._rollouts.values() for one in rollout.gates.values())
        return [one.work for one in asked if one.work is not None and not one.work.done()]

    def forget(self, request: EvaluationRequest) -> None:
        """The rollout is over."""
        self._stop(self._rollouts.pop(_key(request), None))

    def _forget_idle(self, now: float) -> None:
        for key, one in list(self._rollouts.items()):
            if one.used < now - IDLE:
                self._stop(self._rollouts.pop(key))

    def _stop(self, rollout: _Rollout | None) -> None:
        for asked in rollout.gates.values() if rollout is not None else ():
            asked.stop()

    async def _ask(self, asked: _Asked, webhook: GateWebhook, about: Question, namespace: str) -> None:
        """Until it is answered, or was tried as often as the webhook allows; what goes wrong is told."""
        began, pause, problem = time.monotonic(), FIRST_PAUSE, Undelivered("")
        for tries_left in reversed(range(webhook.tries)):
            try:
                async with self._lines[webhook.name].place(namespace):
                    said = await self._judge.ask(webhook, about)
            except Undelivered as error:
                problem = error
            except Exception as error:  # noqa: BLE001 - a defect, whatever it is; its text may hold an address
                log.warning("webhook %s could not be asked: %s", webhook.name, type(error).__name__)
                problem = Undelivered(f"{type(error).__name__}, of which no more is said", final=True)
            else:
                self._count.add(webhook.name, said.verdict)
                asked.told = Told(said.verdict, said.message, about.at + time.monotonic() - began)
                return
            if problem.final or not tries_left:
                break
            await asyncio.sleep(min(max(problem.retry_after or 0.0, pause), LONGEST_PAUSE))
            pause *= 2
        unclear = isinstance(problem, Unclear)
        self._count.add(webhook.name, "unclear" if unclear else "silent")
        text = f"webhook {webhook.name} gives no verdict: {problem}"
        asked.told = Told(problem=Finding("WebhookUnclear" if unclear else "WebhookSilent", text))


def _key(request: EvaluationRequest) -> tuple[str, str, str]:
    return request.namespace, request.name, request.rollout


def _gates(request: EvaluationRequest) -> list[WebhookGate]:
    return [gate for gate in request.spec.gates if isinstance(gate, WebhookGate)]


def _not_allowed(gate: WebhookGate, request: EvaluationRequest) -> Finding:
    fix = "have it listed in webhooks of the operator's configuration, for this namespace"
    text = f"no webhook {gate.asks} that namespace {request.namespace} may have asked: {fix}"
    return Finding("WebhookNotAllowed", text)
