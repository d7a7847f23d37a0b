"""One worker and two pollers per resource: passes of one resource never overlap, those of others never wait."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelrollout.fair.tenant import ABOUT, urgent
from modelrollout.ports import Conflict, Unreachable
from modelrollout.runtime.metrics import MemoryMetrics, Metrics
from modelrollout.runtime.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelrollout.ports import Clock
    from modelrollout.runtime.exposition.rollouts import Rows
    from modelrollout.runtime.reconcile import Reconciler
    from modelrollout.runtime.waking.news import Version

log = logging.getLogger(__name__)
Key = tuple[str, str]
PASS_TIMEOUT = 60.0
SOONEST_RETRY, LATEST_RETRY = 0.5, 15.0
SOONEST_CONFLICT, LATEST_CONFLICT = 0.05, 1.0
MOST_DOUBLINGS = 10
"""Failures in a row that are counted: by then every delay is at its latest."""


@dataclass
class Service:
    """Keeps a Watch for every resource that exists; `wake` may be called from any handler."""

    reconciler: Reconciler
    new_watch: Callable[[str, str], Watch]
    clock: Clock
    metrics: Metrics = field(default_factory=MemoryMetrics)
    watches: dict[Key, Watch] = field(default_factory=dict)
    tasks: dict[Key, asyncio.Task[None]] = field(default_factory=dict)
    stopping: bool = False

    def __post_init__(self) -> None:
        self._ended = self.metrics.counter("modelrollout_operator_passes_total", "Passes, by how they ended", "outcome")
        self._took = self.metrics.counter("modelrollout_operator_pass_seconds_total", "Seconds that passes took")
        name = "modelrollout_operator_{}".format
        gauge = self.metrics.gauge
        gauge(name("rollouts"), "ModelRollouts that are looked after", read=lambda: {(): float(len(self.watches))})
        gauge(
            name("overdue_seconds"),
            "For how long the pass that is most overdue should have begun",
            read=lambda: {(): max(self.overdue(), 0.0)},
        )
        gauge(
            name("passes_waiting"),
            "ModelRollouts whose pass should have begun and has not ended: the queue",
            read=lambda: {(): float(self.waiting())},
        )
        gauge(
            name("evaluations_under_way"),
            "Evaluations that have begun and not ended",
            read=lambda: {(): float(sum(watch.evaluating for watch in self.watches.values()))},
        )

    def wake(self, namespace: str, name: str, version: Version | None = None) -> None:
        """Reconcile this resource now, unless a pass has seen this `version`; the first call starts its worker."""
        if self.stopping:
            return
        key = (namespace, name)
        if key not in self.tasks or self.tasks[key].done():
            self.watches[key] = self.new_watch(namespace, name)
            self.tasks[key] = asyncio.create_task(self._care(key), name=f"{namespace}/{name}")
        self.watches[key].news.told(version)

    def changed(self, namespace: str, name: str, version: Version | None) -> None:
        """A resource changed: wake it, and whoever waits for it (spec.after)."""
        self.wake(namespace, name, version)
        for key in self.reconciler.order.waiting_for((namespace, name)):
            self.wake(*key)

    def route_changed(self, namespace: str, name: str, version: Version | None) -> None:
        """A route of this name changed: wake whose own it is called like, and who has adopted it."""
        adopters = [key for key, watch in self.watches.items() if key[0] == namespace and watch.route == name]
        for key in {(namespace, name), *adopters} & self.watches.keys():
            self.wake(*key, version)

    def overdue(self) -> float:
        """Seconds for which the pass that is most overdue should have been over."""
        return max((time.monotonic() - watch.due for watch in self.watches.values()), default=0.0)

    def waiting(self) -> int:
        """How many passes should have begun and have not ended."""
        now = time.monotonic()
        return sum(watch.due <= now for watch in self.watches.values())

    def shown(self) -> list[Rows]:
        """What is exported of each rollout, as its last pass found it; nothing of one that is gone."""
        return [watch.shown for watch in self.watches.values() if watch.shown]

    async def stop(self) -> None:
        """Cancel everything and wait for it; a pass may end anywhere, as it may in a crash. Idempotent."""
        self.stopping = True
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    async def _care(self, key: Key) -> None:
        watch = self.watches[key]
        ABOUT.set(key)
        pollers = [asyncio.create_task(self._for_ever(watch.poll_readiness))]
        pollers.append(asyncio.create_task(self._for_ever(watch.poll_metrics)))
        pollers.append(asyncio.create_task(self._for_ever(watch.poll_prober)))
        try:
            await self._passes(watch)
        finally:
            for poller in pollers:
                poller.cancel()
            self.watches.pop(key, None)

    async def _for_ever(self, poll: Callable[[], object]) -> None:
        """A defect in a poller is logged and the poller goes on: its snapshots age, and old ones raise nothing."""
        while True:
            try:
                await poll()  # type: ignore[misc] # a coroutine function of no arguments
            except Exception:  # any defect: a poller that ended would leave its snapshots unwatched forever
                log.exception("a poller failed; it starts again")
                await asyncio.sleep(LATEST_RETRY)

    async def _passes(self, watch: Watch) -> None:
        failures = 0
        while True:
            watch.news.begin()
            delay, failures = await self._pass(watch, failures)
            watch.news.end()
            if delay is None:
                if not watch.wake.is_set():
                    return
                delay = 0.0  # something was told meanwhile: it may be there again, under the same name
            delay = delay * random.uniform(0.9, 1.0) if delay > 1 else delay  # noqa: S311 - spreads load
            watch.due = time.monotonic() + delay
            try:
                async with asyncio.timeout(delay):
                    await watch.wake.wait()
            except TimeoutError:
                continue
            watch.due = time.monotonic()

    async def _pass(self, watch: Watch, failures: int) -> tuple[float | None, int]:
        """One bounded pass; what can fail for a while is tried again with growing delays."""
        retry = min(SOONEST_RETRY * 2**failures, LATEST_RETRY)
        began, done = time.monotonic(), False
        alarm, watch.alarm = watch.alarm, False  # what is found from now on is for the pass after this one
        try:
            async with asyncio.timeout(PASS_TIMEOUT):
                with urgent(when=alarm):
                    delay = await self.reconciler.run(watch)
        except Conflict:
            self._ended.add("conflict")
            return min(SOONEST_CONFLICT * 2**failures, LATEST_CONFLICT), min(failures + 1, MOST_DOUBLINGS)
        except (Unreachable, TimeoutError) as error:
            self._ended.add("unreachable" if isinstance(error, Unreachable) else "timeout")
            why = str(error) or f"the pass took longer than {PASS_TIMEOUT:g} s"
            log.warning("%s/%s: %s; again in %.1f s", watch.namespace, watch.name, why, retry)
        except Exception:  # any defect: one resource's must not end the process that cares for all
            self._ended.add("defect")
            log.exception("%s/%s: the pass failed; again in %.1f s", watch.namespace, watch.name, retry)
        else:
            self._ended.add("done")
            done = True
            return delay, 0
        finally:
            watch.alarm = watch.alarm or (alarm and not done)
            self._took.add(amount=time.monotonic() - began)
        return retry, min(failures + 1, MOST_DOUBLINGS)
