"""Snapshots: pollers fill them outside of every pass, a pass only reads them, so nothing that hangs can delay one."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field, replace
from typing import Literal

from modelrollout.api.config import OperatorConfig
from modelrollout.core.evaluation import Evaluation, EvaluationRequest, MetricsOutage
from modelrollout.core.observation import Readiness
from modelrollout.core.rollout.context import FAILURES_UNTIL_LOST
from modelrollout.ports import Clock, ModelServer, NotAsked
from modelrollout.runtime.evaluation.evaluator import Evaluator
from modelrollout.runtime.exposition.rollouts import Rows
from modelrollout.runtime.metrics import MemoryMetrics, Metrics
from modelrollout.runtime.waking.contests import Contests
from modelrollout.runtime.waking.news import News
from modelrollout.runtime.waking.probing import Probing

log = logging.getLogger(__name__)
SHORTEST_NAP = 0.2
MOST_DOUBLINGS = 10
PATIENT = 30
"""Probes in a row that found a version not ready, after which it is asked more and more rarely."""
PROBER_NAPS: dict[str, float | None] = {"": None, "at rest": 15.0, "running": 1.0}
"""Seconds between readings of what the prober says."""
LONGEST_NAP = 30.0
"""Seconds between the probes of a version that never gets ready."""


@dataclass(frozen=True)
class Target:
    """One version to probe."""

    version: str
    service: str
    port: int
    model: str
    asked: str | None = None
    """What the model server calls the version; None where it is asked without one."""


@dataclass(frozen=True)
class PollingPlan:
    """What the last pass wants to know from now on; an empty focus lets the pollers sleep."""

    targets: tuple[Target, ...] = ()
    request: EvaluationRequest | None = None
    preflight: Literal["", "at rest", "running"] = ""
    """Whether what the prober says is of interest, and how urgently."""


@dataclass
class Watch:
    """The snapshots of one resource, and the two pollers that fill them."""

    namespace: str
    name: str
    config: OperatorConfig
    model_server: ModelServer
    evaluator: Evaluator
    clock: Clock
    metrics: Metrics = field(default_factory=MemoryMetrics)
    news: News = field(default_factory=News)
    polling: PollingPlan = PollingPlan()
    readiness: dict[Target, Readiness] = field(default_factory=dict)
    evaluation: Evaluation | None = None
    outage: MetricsOutage | None = None
    route_due: bool = False
    """Whether the last pass could not write the route as it decided; only Events depend on it."""
    refusals: int = 0
    """How many passes could not write the route since it last was as decided."""
    refusal: str = ""
    """What it said the last time."""
    conflicts: int = 0
    """How many passes in a row could not record, because the object had changed each time."""
    version_header: bool | None = None
    """Whether its gateway tells versions apart by a header of their answers, as the last pass found."""
    features: frozenset[str] | None = None
    """What its gateway supports, as the last pass found."""
    probing: Probing = field(default_factory=Probing)
    """What the prober says of its pre-flight."""
    contests: Contests = field(default_factory=Contests)
    route: str = ""
    """Name of the route of Git's that it has adopted; empty where the route is called as the resource."""
    kept: tuple[str, float] | None = None
    """A post-mortem that the status does not link yet: the snapshot's name, and when its rollout ended."""
    shown: Rows = field(default_factory=Rows)
    """What is exported of it, as the last pass found it."""
    evaluating: bool = False
    alarm: bool = False
    """Whether something was found since the last pass that may take traffic from the candidate: it waits in no line."""
    due: float = field(default_factory=time.monotonic)
    """When the next pass should begin, by time.monotonic()."""
    _unready: dict[Target, int] = field(default_factory=dict)
    """Probes in a row that found a target not ready, whatever the reason."""
    _probe_now: asyncio.Event = field(default_factory=asyncio.Event)
    _judge_now: asyncio.Event = field(default_factory=asyncio.Event)
    _prober_now: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._evaluations = self.metrics.counter(
            "modelrollout_operator_evaluations_total", "Evaluations, on time or late by an interval, or none", "outcome"
        )

    @property
    def wake(self) -> asyncio.Event:
        """Set where a pass has something to do."""
        return self.news.wake

    def look_at(self, polling: PollingPlan) -> None:
        """Point the pollers; what is no longer looked at is forgotten."""
        if polling == self.polling:
            return
        before, self.polling = self.polling.request, polling
        self.readiness = {t: r for t, r in self.readiness.items() if t in polling.targets}
        self._unready = {t: n for t, n in self._unready.items() if t in polling.targets}
        if before and (polling.request is None or polling.request.rollout != before.rollout):
            self.evaluator.forget(before)
            self.evaluation = self.outage = None
        self._probe_now.set()
        self._judge_now.set()
        self._prober_now.set()

    def route_refused(self, why: str) -> None:
        self.refusals, self.refusal = self.refusals + 1, why

    def route_written(self) -> None:
        self.refusals, self.refusal = 0, ""

    def ready(self) -> dict[str, Readiness]:
        """What is known of each probed version."""
        return {target.version: found for target, found in self.readiness.items()}

    async def poll_readiness(self) -> None:
        """Probe every target forever; wake the worker when a version comes, goes, or is lost."""
        while True:
            for target in self.polling.targets:
                await self._probe(target)
            await _nap(self._probe_now, self._until_next_probe())

    def _until_next_probe(self) -> float | None:
        """Seconds; more and more of them where every target has not been ready for PATIENT probes."""
        if not self.polling.targets:
            return None
        unready = min(self._unready.get(target, 0) for target in self.polling.targets)
        doublings = min(max(unready - PATIENT, 0), MOST_DOUBLINGS)
        interval = self.config.probe_interval
        return max(min(interval * 2.0**doublings, LONGEST_NAP), interval)

    async def poll_metrics(self) -> None:
        """Evaluate every closed tick of the rollout in focus; wake the worker with each finding."""
        while True:
            request = self.polling.request
            if request is None:
                await _nap(self._judge_now, None)
                continue
            await self._evaluate(request)
            due = self.evaluator.next_due(request, self.clock.now()) - self.clock.now()
            await _nap(self._judge_now, max(due, SHORTEST_NAP))

    async def poll_prober(self) -> None:
        """Read the prober's word for ever; wake the worker with each that is new."""
        while True:
            if self.polling.preflight and await self.probing.read():
                self.wake.set()
            await _nap(self._prober_now, PROBER_NAPS[self.polling.preflight])

    async def _probe(self, target: Target) -> None:
        found = await self.model_server.probe(self.namespace, target.service, target.port, target.model, target.asked)
        old = self.readiness.get(target)
        new = after_probe(old, target.version, found, self.clock.now())
        if target in self.polling.targets:
            self.readiness[target] = new
        self._unready[target] = 0 if new.ready else self._unready.get(target, 0) + 1
        if old is None or _told(old) != _told(new):
            self.alarm = self.alarm or (old is not None and new.failures == FAILURES_UNTIL_LOST)
            self.wake.set()

    async def _evaluate(self, request: EvaluationRequest) -> None:
        self.evaluating = True
        try:
            found = await self.evaluator.evaluate(request, self.clock.now())
        finally:
            self.evaluating = False
        current = self.polling.request
        if found is None or current is None or current.rollout != request.rollout:
            return
        if isinstance(found, MetricsOutage):
            since = self.outage.since if self.outage else found.since
            self.outage = replace(found, since=since)
            self._evaluations.add("outage")
        else:
            self._evaluations.add("late" if found.at - found.tick_end > request.interval else "on time")
            self.found(found)
        self.wake.set()

    def found(self, found: Evaluation) -> None:
        """The newest evaluation; one that turned bad is urgent, one that stays bad is not."""
        before, self.outage, self.evaluation = self.evaluation, None, found
        self.alarm = self.alarm or (_alarming(found) and not (before is not None and _alarming(before)))


def _told(found: Readiness) -> tuple[object, ...]:
    """What a pass would see change: that one more probe of many has failed says nothing new."""
    return found.ready, found.refused, min(found.failures, FAILURES_UNTIL_LOST), found.message


def _alarming(found: Evaluation) -> bool:
    return found.rollback is not None or any(gate.required and gate.verdict == "FAIL" for gate in found.gates)


async def _nap(changed: asyncio.Event, seconds: float | None) -> None:
    """Sleep until the time is over (None: forever) or the focus changes."""
    try:
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        return
    changed.clear()


def after_probe(old: Readiness | None, version: str, found: tuple[int, str], now: float) -> Readiness:
    """Fold one probe into what was known. `found` is (addresses, "" or what is wrong)."""
    addresses, wrong = found
    if not wrong and addresses:
        since = old.since if old and old.ready and old.since is not None else now
        return Readiness(version, ready=True, since=since, failures=0, message="", addresses=addresses)
    if isinstance(wrong, NotAsked):
        return Readiness(version, ready=False, since=None, failures=0, message=str(wrong), refused=True)
    failures = (old.failures if old else 0) + 1
    message = wrong or "its Service has no ready address"
    return Readiness(version, ready=False, since=None, failures=failures, message=message)
