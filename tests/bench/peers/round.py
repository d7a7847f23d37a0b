"""One round: every chosen tool with canaries of its own, at the same time, in one lab, through the same story."""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING

from tests.bench.peers.costs import Cost
from tests.bench.peers.outcomes import unanswered
from tests.bench.peers.results import Record, Watched, keep
from tests.bench.peers.stage import Chosen, Stage
from tests.bench.peers.story import BY_NAME, OUTAGE, USUAL, Moments, Timeline, canaries
from tests.lab import Lab, say

if TYPE_CHECKING:
    from collections.abc import Sequence

SCRAPE = 5.0
"""Seconds between two scrapes of the gateway and of the versions."""
NICE = -10
"""The whole lab goes first, tools and all: other work must not look like a slow model or a slow tool."""
TICK = 15.0
"""Seconds between two lines of progress."""


@dataclass
class Round:
    """`run` keeps a Record for every tool: after the canaries' story, and once more after the outage."""

    chosen: Sequence[Chosen]
    scenarios: tuple[str, ...]
    timeline: Timeline
    seed: int
    quick: bool
    _loads: list[float] = field(default_factory=list)
    _costs: list[Cost] = field(default_factory=list)

    def run(self) -> None:
        with contextlib.suppress(OSError):  # where this user may: what is started from here on inherits it
            os.setpriority(os.PRIO_PROCESS, 0, NICE)
        with Lab(scrape=SCRAPE, traefik_kinds=True) as lab, ExitStack() as stack:
            self._stage = Stage(lab, stack)
            self._stage.set_up(
                self.chosen, lambda tool, at: canaries(tool, at, self.scenarios), self.seed, self.timeline.settle
            )
            self._stage.begin(self.timeline.settle)
            before = [Cost.so_far(tool) for tool in self._stage.tools]
            self._pass(self.timeline.before, "all canaries are as good as stable")
            self._costs = [Cost.so_far(tool).since(at) for tool, at in zip(self._stage.tools, before, strict=True)]
            moments = self._story()
            self._keep(moments)
            if OUTAGE in self.scenarios:
                self._keep(self._outage(lab, moments))

    def _story(self) -> Moments:
        onset = time.time()
        self._stage.behave(lambda scenario: (scenario.stable, scenario.candidate))
        lasts = max((BY_NAME[name].lasts or 0.0 for name in self.scenarios if name in BY_NAME), default=0.0)
        first = min(lasts, self.timeline.after)
        self._pass(first, "the bad ones are bad, and the incident is on")
        self._stage.behave(lambda scenario: (USUAL, USUAL) if scenario.lasts else (scenario.stable, scenario.candidate))
        self._pass(self.timeline.after - first, "the bad ones are bad")
        return Moments(onset, time.time(), time.time())

    def _outage(self, lab: Lab, moments: Moments) -> Moments:
        began = time.time()
        lab.prometheus.stop()
        self._pass(self.timeline.outage, "Prometheus is away")
        lab.prometheus.start()
        ended = time.time()
        self._pass(self.timeline.recovery, "Prometheus is back")
        return Moments(moments.onset, moments.until, time.time(), (began, ended))

    def _pass(self, seconds: float, what: str) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._loads.append(os.getloadavg()[0] / (os.cpu_count() or 1))
            held = ", ".join(f"{title} {number}" for title, number in self._stage.exposed().items())
            say(f"{what}: {left:.0f} s left; candidates with traffic: {held}")
            time.sleep(min(TICK, left))

    def _keep(self, moments: Moments) -> None:
        counts = self._stage.counts()
        for tool, recorder, cost in zip(self._stage.tools, self._stage.recorders, self._costs, strict=True):
            shares = dict(recorder.shares())
            watched = [
                Watched(each.name, each.scenario, shares.get(each.name, []), counts.get(each.host, []))
                for each in tool.seat.canaries
            ]
            keep(
                Record(
                    tool=tool.name,
                    setting=tool.setting.name,
                    version=version("modelrollout") if tool.program is None else tool.program.required[1],
                    shown=tool.setting.shown,
                    seed=self.seed,
                    quick=self.quick,
                    busy=statistics.mean(self._loads),
                    moments=moments,
                    cost=cost,
                    canaries=watched,
                    restarts=tool.restarts,
                    unanswered=sum(
                        unanswered(each.counts, moments.onset - self.timeline.before, moments.end) for each in watched
                    ),
                )
            )
