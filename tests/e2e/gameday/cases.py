"""What strikes, what a person is told of it, what they can do, and what is right: texts, and one function each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests import lab

if TYPE_CHECKING:
    from tests.e2e.gameday.shift import World

BEST = 2
"""Points of the best answer; 1 is for one that harms nobody, 0 for one that does, or that loses time."""


@dataclass(frozen=True)
class Choice:
    """What a person can do."""

    text: str
    points: int
    why: str
    act: tuple[str, ...] = ()
    """Words of the plugin that are run for it, without the name."""


@dataclass(frozen=True)
class Case:
    """`strike` makes the fault and returns what ends it; None where the version itself is the fault."""

    name: str
    page: str
    """What the person is told: a symptom."""
    said: str
    """Reason by which the product names it; its runbook is the lesson."""
    choices: tuple[Choice, ...]
    lesson: str
    version: int = 0
    """Behaviour of the version that is tried; 0 is a good one."""
    strike: Callable[[World], Callable[[], None]] | None = None
    read: str = ""
    """The section of the runbooks, where another one than the reason's says more."""

    @property
    def section(self) -> str:
        """The section of the runbooks about it."""
        return self.read or self.said


def _prometheus_gone(world: World) -> Callable[[], None]:
    rule = world.prometheus.add(lab.Fault(drop=True))
    return lambda: world.prometheus.remove(rule)


def _model_killed(world: World) -> Callable[[], None]:
    service = world.live.scenario.services[world.candidate]
    service.kill()
    return service.restart


def _labels_lost(world: World) -> Callable[[], None]:
    """As where honorLabels is missing: Prometheus puts labels of its own in the place of the exporter's."""

    def renamed(body: bytes) -> bytes:
        return body.replace(b'"version":', b'"exported_version":')

    rule = world.prometheus.add(lab.Fault(rewrite=renamed))
    return lambda: world.prometheus.remove(rule)


CASES = (
    Case(
        "prometheus",
        "You are told: dashboards are empty since a moment ago. A rollout is under way.",
        "MetricsUnavailable",
        (
            Choice("Promote it by hand: no alert fires.", 0, "no alert fires since nobody sees anything", ("promote",)),
            Choice("Leave the rollout alone and look at Prometheus.", 2, "it holds its weight and goes on by itself"),
            Choice("Abort the rollout.", 1, "it harms nobody, and the evidence so far is lost", ("abort",)),
        ),
        "Without metrics nothing is raised and nothing promoted; the evidence from before counts afterwards.",
        strike=_prometheus_gone,
    ),
    Case(
        "killed",
        "You are told: a Pod of the new version has ended. Some users may have met it.",
        "CandidateLost",
        (
            Choice("Leave the traffic where it is and look why it ended.", 2, "its traffic is on stable already"),
            Choice("Put all weight on stable in the HTTPRoute by hand.", 0, "it was done before you could type it"),
            Choice("Abort the rollout.", 1, "it harms nobody, and it would have gone on once ready", ("abort",)),
        ),
        "A candidate that is not ready has no traffic, within two probes; it goes on from its step when it is back.",
        strike=_model_killed,
    ),
    Case(
        "nan",
        "You are told: a client reads NaN in an answer. A new version is at a few percent.",
        "GateFailed",
        (
            Choice("Try the same version again: it was bad luck.", 0, "the same weights, the same NaN", ("retry",)),
            Choice("Restart the servers of the new version.", 0, "the weights bring it back, and it has no traffic"),
            Choice("Put the old version back in Git and call its owners.", 2, "users are safe; now the cause"),
        ),
        "NaN is judged by itself and goes back within seconds; the first layer in order is the cause.",
        version=5,
        read="NonFinite",
    ),
    Case(
        "latency",
        "You are told: P99 of the model has doubled for some users.",
        "GateFailed",
        (
            Choice("Scale the new version up.", 0, "it has no traffic any more, and every request is slow"),
            Choice("Put the old version back in Git and see what is slow.", 2, "users are safe; the report tells more"),
            Choice("Pause the rollout to look at it.", 1, "it harms nobody; nothing is left to pause", ("pause",)),
        ),
        "Latency is compared with stable's over the same seconds, so a busy cluster is not blamed on the version.",
        version=4,
    ),
    Case(
        "labels",
        "You are told: the rollout stands still. Somebody has changed the scrape configuration.",
        "GateNotJudgeable",
        (
            Choice("Ask doctor what is missing, and fix the scraping.", 2, "it goes on by itself", ("doctor",)),
            Choice("Take the gates that see nothing out of the manifest.", 0, "then it is promoted without evidence"),
            Choice("Abort the rollout.", 1, "it harms nobody, and the next one stands still as well", ("abort",)),
        ),
        "No data is not bad data: it holds and names what is missing, and is never promoted for want of it.",
        strike=_labels_lost,
    ),
)  # fmt: skip
NAMES = tuple(case.name for case in CASES)
