"""The prober's loop: look, start what is wanted, end what is not, say what is known."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from modelrollout.adapters.kubernetes.preflight_reports import key_of
from modelrollout.core.preflight import PreflightReport
from modelrollout.ports import Conflict, Unreachable
from modelrollout.prober.counts import ArmCounts
from modelrollout.prober.replay import Run
from modelrollout.prober.reports import Reports
from modelrollout.prober.resources import Key, Resources
from modelrollout.prober.runs import Bench, Wanted, carry_out, check

log = logging.getLogger(__name__)
EVERY = 1.0
CHECKED_FOR = 60.0
"""Seconds after which a golden set is looked at again, for its ConfigMap may have changed."""
BEAT = 10.0
"""Seconds between signs of life while a run goes on."""
KEPT = 600.0
"""Seconds for which a run's series stay after it is over: they are its evidence until then."""


@dataclass
class Prober:
    """All runs of one process."""

    bench: Bench
    resources: Resources
    reports: Reports
    runs: dict[Key, Run] = field(default_factory=dict)
    tasks: dict[Key, asyncio.Task[None]] = field(default_factory=dict)
    checked: dict[Key, tuple[float, Run]] = field(default_factory=dict)
    over: list[tuple[float, Run]] = field(default_factory=list)
    before: dict[str, PreflightReport] = field(default_factory=dict)
    """What a process before this one has said."""

    def series(self) -> Iterable[tuple[ArmCounts, ...]]:
        """Of the runs in progress, and of those that are over for a while."""
        yield from (run.arms for run in self.runs.values() if run.arms)
        yield from (run.arms for _, run in self.over if run.arms)

    async def work(self, stop: asyncio.Event) -> None:
        """Until told to stop. What the API server does not answer is asked again."""
        following = asyncio.create_task(self.resources.keep(), name="resources")
        rounds, told = asyncio.create_task(self._rounds()), asyncio.create_task(stop.wait())
        await asyncio.wait({rounds, told}, return_when=asyncio.FIRST_COMPLETED)
        running = [following, rounds, told, *self.tasks.values()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _rounds(self) -> None:
        """Until it is cancelled, wherever it waits."""
        first = True
        while True:
            try:
                if first:
                    self.before, first = await self.reports.read(), False
                await self.round()
            except (Unreachable, Conflict) as error:
                log.warning("%s; again in %g s", error, EVERY)
            except Exception:  # any defect: one round's must not end the others
                log.exception("a round failed; again in %g s", EVERY)
            await asyncio.sleep(EVERY)

    async def round(self) -> None:
        """One look at every resource; none before they were listed, or all runs would look unwanted."""
        wanted = self.resources.wanted
        if wanted is None:
            return
        for key in [key for key, run in self.runs.items() if key not in wanted or wanted[key].run != run.run]:
            self._end(key)
        self.over = [(at, run) for at, run in self.over if time.monotonic() - at < KEPT]
        for key, one in wanted.items():
            if one.run and key not in self.runs:
                self._begin(key, one)
        await self._check([one for key, one in wanted.items() if not one.run])
        self.checked = {key: value for key, value in self.checked.items() if key in wanted}
        said = {key_of(*key): run.report for key, (_, run) in self.checked.items() if not wanted[key].run}
        said |= {key_of(*key): run.report for key, run in self.runs.items()}
        await self.reports.write(said, int(time.monotonic() // BEAT))

    def _begin(self, key: Key, one: Wanted) -> None:
        run = Run(one.run, one.asked)
        self.runs[key] = run
        known = self.before.get(key_of(*key))
        if known is not None and known.run == one.run and known.state in ("Done", "Unanswered"):
            run.rows, run.of = known.rows, known.of  # said by the process before, and still in Prometheus
            run.say(known.state, known.message)
            return
        log.info("%s/%s: run %s begins", *key, one.run)
        self.tasks[key] = asyncio.create_task(carry_out(self.bench, one, run), name="/".join(key))

    def _end(self, key: Key) -> None:
        """Nobody waits for it any more: passed, failed, aborted, edited or deleted."""
        self.over.append((time.monotonic(), self.runs.pop(key)))
        task = self.tasks.pop(key, None)
        if task is not None:
            task.cancel()

    async def _check(self, at_rest: list[Wanted]) -> None:
        """One golden set a round, the one that was looked at longest ago; an edited one at once."""
        now = time.monotonic()

        def due(one: Wanted) -> float:
            at, run = self.checked.get((one.namespace, one.name), (-CHECKED_FOR, None))
            return -CHECKED_FOR if run is None or run.asked != one.asked else at

        oldest = min(at_rest, key=due, default=None)
        if oldest is not None and now - due(oldest) >= CHECKED_FOR:
            self.checked[oldest.namespace, oldest.name] = now, await check(self.bench, oldest)
