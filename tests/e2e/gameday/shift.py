"""One fault on real components: it strikes a rollout, the product speaks, a person answers, the rollout ends."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from modelrollout.api.status import Status
from modelrollout.api.timestamps import parse_timestamp
from modelrollout.cli.render import render
from tests.e2e.support.hands import kubectl
from tests.e2e.support.live_rollout import NAME, LiveRollout, gates

if TYPE_CHECKING:
    from tests.e2e.gameday.cases import Case, Choice
    from tests.e2e.gameday.desk import Desk
    from tests.e2e.support.rollouts import Rollouts
    from tests.lab import FaultProxy

GOOD = (1, 2)
RATE = 30.0
SETTINGS: dict[str, Any] = {
    "gates": gates("errors", "latency", "non-finite"),
    "steps": [{"weight": weight, "hold": "6s"} for weight in (10, 40)],
    "bake": "5s",
    "rollbackWindow": "0s",
}
SPEAKS, ENDS = 90.0, 180.0
"""Seconds until the product must have named the fault, and until the rollout must be over."""


@dataclass
class World:
    """What a fault can reach."""

    live: LiveRollout
    prometheus: FaultProxy
    candidate: int = 0


class Shift:
    """`play` takes one case after the other, on one ModelRollout."""

    def __init__(self, rollouts: Rollouts, desk: Desk, versions: frozenset[int]) -> None:
        """`versions`: those that its cases try, besides the good ones."""
        self.desk, self._attempt = desk, 1
        proxy = rollouts.member.http_faults(rollouts.member.site.prometheus)
        operate = {"prometheus": proxy.url, "fresh": True}
        self.live = rollouts.start(*GOOD, *sorted(versions - set(GOOD)), operate=operate, rate=RATE)
        self.live.adopt(1, **SETTINGS)
        self.world = World(self.live, proxy)

    def play(self, case: Case) -> Choice:
        """From the start of a rollout to its end. Raises Left, or AssertionError where the product fails."""
        self._begin(case)
        struck = time.time()
        undo = case.strike(self.world) if case.strike else None
        try:
            self.desk.say(case.page, "bold")
            self._wait(f"{case.name} was not named", lambda: case.said in self._named(struck), SPEAKS)
            self.desk.say(f"{time.time() - struck:.0f} s later, `kubectl modelrollout status {NAME}` says:")
            self._show()
            choice = self.desk.ask(case)
            self._act(choice)
        finally:
            if undo is not None:
                undo()
        self._end(struck)
        self.desk.judge(case, choice)
        return choice

    def _begin(self, case: Case) -> None:
        stable = int(self.live.status()["stable"])
        self.world.candidate = case.version or next(version for version in GOOD if version != stable)
        self._attempt += 1
        model = {"model": {"version": str(self.world.candidate)}, "attempt": self._attempt}
        self._entries = self.live.status()["history"]
        self.live.change({"spec": model})
        self.live.wait_weight(self.world.candidate, SETTINGS["steps"][0]["weight"])

    def _act(self, choice: Choice) -> None:
        """What the answer does, by the plugin itself."""
        if choice.act:
            done = kubectl(self.live, *choice.act, NAME)
            self.desk.say(f"$ kubectl modelrollout {' '.join(choice.act)} {NAME}", "bold")
            self.desk.say((done.stdout or done.stderr).strip())

    def _end(self, struck: float) -> None:
        """What the product did, until the rollout was over; a person ends what does not end."""
        self.desk.say("The fault is over, and the rollout comes to an end.")
        try:
            self._wait("the end", self._over, ENDS)
        except AssertionError:
            kubectl(self.live, "abort", NAME)
            self._wait("the end of an aborted rollout", self._over, 30)
        self.desk.say("\nWhat the product did, before your answer and after it:")
        for reason, note in self._events(struck):
            self.desk.say(f"  {reason}: {note}")
        service = self.live.scenario.service_name(self.world.candidate)
        seen = [one.weights.get(service, 0) for one in list(self.live.record.seen) if one.at >= struck]
        weights = [f"{weight} %" for weight, _ in groupby(seen)]
        self.desk.say(
            f"Weights of version {self.world.candidate} since it struck: {', '.join(weights) or 'unchanged'}."
        )

    def _over(self) -> bool:
        status = self.live.status()
        return not status.get("candidate") and status.get("history") != self._entries

    def _named(self, since: float) -> set[str]:
        """Reasons that status and Events have given since then."""
        status = self.live.status()
        return {str(status.get("reason")), *(reason for reason, _ in self._events(since))}

    def _events(self, since: float) -> list[tuple[str, str]]:
        found = self.live.kube.list("events.k8s.io/v1", "Event", self.live.scenario.namespace)
        mine = sorted((one for one in found if one["regarding"].get("name") == NAME), key=_when)
        return [(one["reason"], one.get("note", "")) for one in mine if _when(one) >= since - 1]

    def _show(self) -> None:
        found = self.live.resource()
        assert found is not None, "the ModelRollout is there until the end"
        Status.model_validate(found.get("status") or {})
        self.desk.show(render(found, self.live.weight(self.world.candidate), time.time()))

    def _wait(self, what: str, true: Any, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, f"{what} within {seconds:.0f} s"
            time.sleep(0.5)


def _when(event: dict[str, Any]) -> float:
    return parse_timestamp(event["eventTime"])
