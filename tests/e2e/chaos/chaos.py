"""Random faults and kills over many rollouts, every one of them judged by chaos_rules; the seed makes it repeatable.

`python -m tests.e2e.chaos --minutes 60 --seed 7` (make chaos). The seed decides what is done and in which order; when
exactly it strikes is up to the machine. Exit status 1 when a rollout ended wrong or a rule was broken.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import signal
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelrollout.core import reasons
from tests.e2e.chaos.rules import Record, Rollout, breaches
from tests.e2e.support.hands import ask
from tests.e2e.support.live_rollout import LiveRollout, gates
from tests.e2e.support.operator import operator
from tests.e2e.support.rollouts import Rollouts
from tests.lab import Fault, Lab, Member, OperatorProcess, Site

STEPS = [(20, 3.0), (50, 3.0)]
GOOD, BAD = (1, 2), 5
RATE = 20.0
DEADLINE, LONGEST = 150.0, 240.0
"""What is not proven by then goes back, as a user may ask for: rightly only where our own hand killed its server."""
LEASE = ("--lease-duration=5",)
"""A third of the default: what a kill costs is mostly the wait for the Lease, and more kills are more chaos."""
CALM = 2.0
"""Seconds between rollouts, so that no answer of one counts for the next."""
API_FAULTS: dict[str, Fault] = {
    "conflict": Fault(status=409, body=b'{"kind":"Status","reason":"Conflict","message":"chaos"}'),
    "throttled": Fault(status=429, headers={"Retry-After": "1"}, body=b"{}"),
    "server error": Fault(status=500, body=b"{}"),
    "slow": Fault(delay=1.5),
    "request lost": Fault(drop=True),
    "answer lost": Fault(drop_answer=True),
    "watch silent": Fault(silent=True),
    "watch cut": Fault(cut_after=0.5),
}
PROMETHEUS_FAULTS: dict[str, Fault] = {
    "prometheus fails": Fault(status=503),
    "prometheus hangs": Fault(delay=30),
    "prometheus resets": Fault(drop=True),
    "prometheus answers nonsense": Fault(status=200, body=b'{"status":"success","data":{"result":"?"}}'),
}
WRITES = "POST|PUT|PATCH"
NOT_LEASES = r"/(httproutes|modelrollouts|events)"


@dataclass
class Count:
    """What was done and what came of it."""

    rollouts: int = 0
    kills: int = 0
    faults: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def add(self, rollout: Rollout) -> None:
        """One more rollout, by how it ended."""
        late = " at its deadline" if rollout.reason == reasons.DEADLINE else ""
        end = f"{rollout.result or 'without an end'}{late}"
        self.rollouts += 1
        self.ends[end] = self.ends.get(end, 0) + 1

    def __str__(self) -> str:
        ends = ", ".join(f"{count} {name}" for name, count in sorted(self.ends.items()))
        done = f"{self.rollouts} rollouts ({ends}), {self.kills} kills, {self.faults} faults"
        return f"{done}: {len(self.wrong)} breaches" + "".join(f"\n  {each}" for each in self.wrong)


class Nodes:
    """Two operators behind one proxy; whichever ends is started again, as a Deployment would."""

    def __init__(self, live: LiveRollout, proxied: dict[str, Any]) -> None:
        self.live = live
        second = operator(live.member, live.scenario.namespace, name="2", **proxied).start()
        self.operators: list[OperatorProcess] = [live.operator, second]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def _keep(self) -> None:
        while not self._over.wait(0.3):
            for each in self.operators:
                if not each.process.running:
                    each.kill()
                    each.start()

    def leader(self) -> OperatorProcess:
        namespace = self.live.scenario.namespace
        for lease in self.live.kube.list("coordination.k8s.io/v1", "Lease", namespace):
            holder = lease["spec"].get("holderIdentity") or ""
            if holder.startswith("operator-2"):
                return self.operators[1]
        return self.operators[0]

    def stop(self) -> None:
        self._over.set()
        self._thread.join(10)
        for each in self.operators:
            each.stop()


class Chaos:
    """`run` plays rollouts until the time is over; `count` is the result."""

    def __init__(self, rollouts: Rollouts, seed: int) -> None:
        self.random, self.count, self.rollouts = random.Random(seed), Count(), rollouts
        site = rollouts.member.site
        self.api = rollouts.member.api_faults()
        self.prometheus = rollouts.member.http_faults(site.prometheus)
        proxied = {"api": self.api.url, "prometheus": self.prometheus.url, "arguments": LEASE, "fresh": True}
        self.live = rollouts.start(*GOOD, operate=proxied, rate=RATE, behaves_as=2)
        self.live.scenario.serve(BAD)
        self.nodes = Nodes(self.live, proxied)
        rollouts.stack.callback(self.nodes.stop)
        analysis = {"readyFor": "1s", "minimumRequests": 5, "warmup": "0s", "maxBlind": "60s"}
        analysis |= {"deadline": f"{DEADLINE:g}s", "onInconclusive": "Rollback"}
        steps = [{"weight": weight, "hold": f"{hold:g}s"} for weight, hold in STEPS]
        client = self.live.adopt(
            analysis=analysis, steps=steps, bake="3s", rollbackWindow="0s", gates=gates("errors", "non-finite")
        )
        assert client is not None
        client._limit, client._timeout = float("inf"), 30.0  # a slow machine is no lost request
        self.client, self.attempt = client, 1

    def run(self, seconds: float) -> Count:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            record = self.rollout()
            self.count.add(record.rollout)
            found = breaches(record)
            self.count.wrong += found
            result = "; ".join(found) or "all rules kept"
            took = record.rollout.end - record.rollout.began
            what = f"{record.rollout.stable} -> {record.rollout.candidate} {record.rollout.result}"
            print(f"{self.count.rollouts:4d}  {what:18s} {took:6.1f} s  kills {self.count.kills}: {result}", flush=True)
            if found:
                print(self.live.report(), flush=True)
        return self.count

    def rollout(self) -> Record:
        """One rollout from its start to its end, with whatever the seed has for it."""
        status = self.live.status()
        stable = int(status["stable"])
        good = self.random.random() < 0.6
        candidate = next(v for v in GOOD if v != stable) if good else BAD
        before, began = (status.get("history") or [None])[-1], time.time()
        answers, seen = len(self.client.answers), len(self.live.seen)
        self.attempt += 1
        self.live.change({"spec": {"model": {"version": str(candidate)}, "attempt": self.attempt}})
        aborting = self.random.random() < 0.15
        aborted, down = self._abort(candidate) if aborting else (None, self._trouble(candidate, before))
        result, reason = self._end(before)
        self.api.clear()
        self.prometheus.clear()
        ended = time.time()
        self._settle(candidate)
        made = Rollout(stable, candidate, good, began, ended, result, STEPS, aborted, reason=reason)
        route = [each for each in list(self.live.record.seen) if each.at >= began - 60]
        return Record(made, route, self.client.answers[answers:], self.live.seen[seen:], unready=down)

    def _over(self, before: dict[str, Any] | None) -> bool:
        status = self.live.status()
        last = (status.get("history") or [None])[-1]
        return status.get("candidate") is None and last != before

    def _end(self, before: dict[str, Any] | None) -> tuple[str, str]:
        """(result, reason), empty where there is no end."""
        end = time.monotonic() + LONGEST
        while not self._over(before):
            if time.monotonic() > end:
                return "", ""
            time.sleep(0.1)
        last = self.live.status()["history"][-1]
        return str(last["result"]), str(last["reason"])

    def _settle(self, candidate: int) -> None:
        end = time.monotonic() + 15
        while self.live.weight(candidate) not in (0, 100) and time.monotonic() < end:
            time.sleep(0.1)
        self.live.status()
        time.sleep(CALM)
        self.live.status()

    def _trouble(self, candidate: int, before: dict[str, Any] | None) -> list[tuple[float, float]]:
        """Some kills and faults while the rollout goes on; when candidate servers were down by our hand."""
        down: list[tuple[float, float]] = []
        for _ in range(self.random.randint(4, 9)):
            time.sleep(self.random.uniform(0.2, 3.0))
            if self._over(before):
                break
            what = self.random.choice(
                ("kill", "kill", "kill", "kill at a write", "kill at a write", "api", "api", "prometheus", "model")
            )
            if what == "model" and not down and self.random.random() < 0.5:
                down.append(self._kill_model(candidate))
            else:
                self._strike(what)
        return down

    def _strike(self, what: str) -> None:
        if what == "kill":
            victim = self.nodes.leader().process
            self.count.kills += victim.running
            victim.signal(signal.SIGKILL)
        elif what == "kill at a write":
            self._kill_at_a_write()
        elif what == "api":
            name = self.random.choice(sorted(API_FAULTS))
            scope: dict[str, Any] = (
                {"path": "watch="} if name.startswith("watch") else {"method": f"GET|{WRITES}", "path": NOT_LEASES}
            )
            rule = self.api.add(API_FAULTS[name], times=self.random.randint(1, 12), **scope)
            if name.startswith("watch"):
                self.api.cut_watches()
            self.count.faults += 1
            threading.Timer(self.random.uniform(1, 4), self.api.remove, (rule,)).start()
        else:
            rule = self.prometheus.add(PROMETHEUS_FAULTS[self.random.choice(sorted(PROMETHEUS_FAULTS))])
            self.count.faults += 1
            threading.Timer(self.random.uniform(1, 6), self.prometheus.remove, (rule,)).start()

    def _kill_at_a_write(self) -> None:
        """SIGKILL just before the next write reaches the API server, or just after it was committed."""
        victim = self.nodes.leader()
        fault = Fault(drop_answer=True) if self.random.random() < 0.5 else Fault(drop=True)

        def kill(_: object) -> bool:
            self.count.kills += victim.process.running
            victim.process.signal(signal.SIGKILL)
            return True

        rule = self.api.add(fault, method=WRITES, path=NOT_LEASES, times=1, when=kill)
        end = time.monotonic() + 5
        while not rule.used and time.monotonic() < end:
            time.sleep(0.05)
        self.api.remove(rule)

    def _kill_model(self, candidate: int) -> tuple[float, float]:
        service = self.live.scenario.services[candidate]
        began = time.time()
        service.kill()
        self.count.faults += 1
        time.sleep(self.random.uniform(0.5, 3))
        service.restart()
        return began, time.time()

    def _abort(self, candidate: int) -> tuple[float | None, list[tuple[float, float]]]:
        """A person gives up while Prometheus hangs; with the operator alive this takes effect in time."""
        end = time.monotonic() + 60
        while self.live.weight(candidate) <= 0:
            if time.monotonic() > end:
                return None, []
            time.sleep(0.1)
        self.prometheus.add(Fault(delay=30))
        self.count.faults += 1
        time.sleep(self.random.uniform(0, 2))
        if self.live.status().get("candidate") is None:
            return None, []
        return ask(self.live, "abort", candidate).at, []


def _member(stack: ExitStack) -> Member:
    """In a lab that runs already, where MODELROLLOUT_LAB_SITE names one, or in one of our own."""
    if running := os.environ.get("MODELROLLOUT_LAB_SITE"):
        member = Member(Site.read(Path(running)))
        stack.callback(member.leave)
        return member
    return stack.enter_context(Lab()).member


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    with ExitStack() as stack:
        rollouts = Rollouts(_member(stack), f"chaos-{given.seed}", stack)
        count = Chaos(rollouts, given.seed).run(given.minutes * 60)
    print(f"seed {given.seed}: {count}")
    return int(bool(count.wrong))
