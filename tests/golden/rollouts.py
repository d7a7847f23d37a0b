"""What people read of a rollout: every change of its status, its Events and its conditions, in scenario after scenario.

A line is written whenever phase, reason or message changed, so that a text appears once however long it stands.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from modelrollout.core.rollout.decide import Decision
from tests.golden import scenarios
from tests.unit.rollout.world import START, World


@dataclass
class Transcript(World):
    """A world that writes down what its status and Events say."""

    lines: list[str] = field(default_factory=list)
    shown: tuple[str, ...] = ()
    ended: int = 0
    """Rollouts in the history that are written down already."""

    def adopted(self, version: str = "1") -> World:
        super().adopted(version)
        self._forget(f"(version {version} serves)")
        return self

    def stepping(self, version: str = "2") -> World:
        super().stepping(version)
        self._forget(f"(version {version} is at its first step)")
        return self

    def _forget(self, where: str) -> None:
        """What led here is the text of other scenarios."""
        self.lines, self.ended = [where], len(self.parsed.history)

    def run(self, crash: str | None = None) -> Decision:
        decision = super().run(crash)
        events = () if crash in {"lower", "status"} else decision.events
        status = self.parsed
        conditions = " ".join(f"{one.type}={one.status}" for one in status.conditions)
        now = (status.phase, status.reason, status.message, conditions)
        if now != self.shown or events:
            self.lines.append(f"{self.now - START:+.0f} s  {status.phase}, {status.reason} [{conditions}]")
            self.lines.append(f"  status: {status.message}")
            self.lines += [f"  {'warning' if e.warning else 'event'}: {e.reason}: {e.message}" for e in events]
        self.lines += [f"  history: {e.result}, {e.reason}: {e.message}" for e in status.history[self.ended :]]
        self.shown, self.ended = now, len(status.history)
        return decision


def texts() -> dict[str, str]:
    """The transcript of every scenario, by its name."""
    found: dict[str, str] = {}
    for scenario in scenarios.ALL:
        world = Transcript()
        scenario(world)
        found[scenario.__name__.replace("_", " ")] = "\n".join(world.lines)
    return found
