"""What is asked of the analysis, and what it answers: everything but the samples, as plain values."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeVar

from modelrollout.api.borders.cleaning import clean
from modelrollout.api.spec import Spec
from modelrollout.api.status import (
    LONGEST_GATE_MESSAGE,
    DeadShare,
    HistoryEntry,
    PromotedVersion,
    Verdict,
)
from modelrollout.core.git_rule import GitRule
from modelrollout.core.reasons import AnyReason, MetricsReason
from modelrollout.dialects.dialect import Dialect

T = TypeVar("T")
_DIGITS = 18
SETTLED = 3
"""Scrapes of one target since the rollout started: by then every target that is up has been scraped."""
SETTLING = 15.0
"""Seconds after which a place among the backends counts for its new version alone: the route is written after the
record, the gateway hears of it, the last requests end, and Envoy brings its histograms up to date every 5 s."""


def placed_at(history: Sequence[HistoryEntry]) -> float | None:
    """From when stable's place counts for it alone, in epoch seconds: a while after the last version has left it.

    What was before the adoption, or before all that the history still knows, may be anybody's. None without history.
    """
    known = [one.ended_at for one in history if one.result == "Adopted"]
    known += [one.ended_at + SETTLING for one in history if one.result in {"Promoted", "FastRollback"}]
    return max(known) if known else min((one.ended_at for one in history), default=None)


def another(version: str) -> str:
    """A version that is not that one, where none is tried; a person may have named any text."""
    is_number = version.isascii() and version.isdecimal() and len(version) <= _DIGITS
    return str(int(version) + 1) if is_number else "1"


@dataclass(frozen=True)
class EvaluationRequest:
    """One rollout to judge. Times in epoch seconds; all of it comes from spec and status, nothing from memory."""

    rollout: str
    """Identity of what is judged, handed back in the Evaluation."""
    namespace: str
    name: str
    spec: Spec
    stable: str
    candidate: str
    started_at: float
    """Origin of the grid: tick k covers (started_at + k*interval, started_at + (k+1)*interval]."""
    evidence_from: float
    """Ticks that start before this only seed estimates."""
    steps: tuple[tuple[int, float], ...]
    """(weight, started_at) of every step so far, oldest first; the bake is no step."""
    ready_at: float | None = None
    """Since when the candidate has been ready; warm-up counts from here and from every raise."""
    bake_started_at: float | None = None
    dialect: Dialect | None = None
    """How the gateway's series are read; None where they are not."""
    controller: str = ""
    """The controllerName of the gateway's class; empty while that is not known."""
    place: int = 0
    """Stable's place among the route's backends, where the dialect goes by places; the candidate has the other one."""
    placed_at: float | None = None
    """From when stable's place among the route's backends counts for it alone; None where it always has."""
    mirror: int = 0
    """Percent of the requests that the candidate gets copies of, in a step without weight: then `dialect` is None."""
    preflight: str = ""
    """The run of the pre-flight that is judged (status.preflight.run); empty where users' requests are."""
    git: GitRule | None = None
    """Where the split stands on a route of Git's; None where the route is the operator's own."""
    addresses: int | None = None
    """How many addresses of the candidate are ready; None while that is not known."""
    raise_from: float | None = None
    """When the current hold is over, and the weight may be raised by what was found; None where nothing is held."""
    default_gates: tuple[str, ...] | None = None
    """status.rollout.gates where spec.gates is empty: the default gates that could be judged once."""
    unplanned: bool = False
    """Whether what stable's traffic can prove is still to be worked out: once, before the first step."""
    promoted: tuple[PromotedVersion, ...] = ()
    """status.promoted: what the margin of a retrain is learned from."""

    def place_of(self, arm: Literal["stable", "candidate", "both"]) -> int:
        """The place of the version that `arm` stands for; -1 where the rule of Git's route has none."""
        if self.git is not None:
            return self.git.index_of(self.version_of(arm))
        return self.place if arm == "stable" else 1 - self.place

    def version_of(self, arm: Literal["stable", "candidate", "both"]) -> str:
        """The version that `arm` stands for; the candidate where it stands for both."""
        return self.stable if arm == "stable" else self.candidate

    def fact(self, name: Hashable, found: Callable[[], T]) -> T:
        """What follows from the request alone, such as a pattern of its names: `found` says it once."""
        if name not in self._facts:
            self._facts[name] = found()
        known: T = self._facts[name]
        return known

    @cached_property
    def _facts(self) -> dict[Hashable, Any]:
        return {}

    @property
    def route(self) -> str:
        """Name of the route that the gateway counts."""
        return self.name if self.git is None else self.git.route

    @property
    def interval(self) -> float:
        """Length of a tick in seconds."""
        return self.spec.analysis.interval

    @property
    def step_started_at(self) -> float:
        """When the current step (or the bake) started; the rollout's start before the first step."""
        if self.bake_started_at is not None:
            return self.bake_started_at
        return self.steps[-1][1] if self.steps else self.started_at

    def tick_end(self, tick: int) -> float:
        """End of tick `tick`, to the millisecond (Prometheus knows no finer)."""
        return round(self.started_at + (tick + 1) * self.interval, 3)

    def last_ended(self, now: float) -> int:
        """The newest tick that has ended at `now`; -1 when none has."""
        return max(-1, math.floor((now - self.started_at) / self.interval + 1e-9) - 1)


@dataclass(frozen=True)
class GateResult:
    """One gate's standing. Strings carry units."""

    name: str
    type: str
    verdict: Verdict
    message: str
    required: bool = True
    layer: str | None = None
    observed: str | None = None
    stable: str | None = None
    limit: str | None = None
    samples: str | None = None
    evidence: str | None = None
    eta: str | None = None
    against: float | None = field(default=None, compare=False)
    """Natural log of the odds against the candidate in the test that is shown; None where a gate weighs none."""
    needed: float | None = field(default=None, compare=False)
    """Natural log of the odds at which that test fails."""
    in_favour: float | None = field(default=None, compare=False)
    """Natural log of the odds for it, which passes at PASS_ODDS; figures for people, no verdict rests on them."""
    leaning_bad: bool = False
    outweighed: bool | None = None
    """Whether more speaks against the candidate than for it; None where the two are not weighed: as `leaning_bad`."""
    excluded: str = ""
    """Near the deadline, where the spec goes on unproven: what the evidence excludes of a gate without a PASS."""
    frozen: bool = False
    """A FAIL in the bake that only a limit from before the bake stands behind: a doubt, see checks.watch_bake."""
    source: str | None = None
    """Whose series it rests on: Gateway, Model or Triton; None where it asks by itself."""
    unjudgeable: bool = False
    """Nobody here exports what it needs, and that is proven: see gates/sources/absence.py."""
    left_out: bool = False
    """Such a default gate: it is named and decides nothing, until it can be judged."""
    awaited: bool = False
    """Whether its CONTINUE is an answer that the weight waits for, as it waits for data."""

    def __post_init__(self) -> None:
        """However many layers there are and whatever they are called, three such sentences fit into a status."""
        object.__setattr__(self, "message", clean(self.message, LONGEST_GATE_MESSAGE))


@dataclass(frozen=True)
class Evaluation:
    """All gates at one closed tick of one rollout."""

    rollout: str
    """Identity of what was judged: see rollout.context.identity(); an evaluation of anything else is ignored."""
    at: float
    tick: int
    """The newest whole tick of `analysis.interval`; what counts evidence sees the scrapes after it too."""
    tick_end: float
    """Epoch seconds up to which samples counted."""
    requests: int
    """Candidate requests since the current step started."""
    step_started_at: float
    gates: tuple[GateResult, ...] = ()
    halt: AnyReason | None = None
    """Reason constant when the weight must be held though nothing failed."""
    rollback: AnyReason | None = None
    """Reason constant when the combined evidence asks for a rollback."""
    message: str = ""
    warnings: tuple[str, ...] = ()
    """Sentences for people that change no verdict: unattributed errors, coarse buckets, a share far from the weight."""
    scrapes: int | None = None
    """Of the target that was scraped most often since the rollout started; None where nobody counted."""
    confirmed: bool = True
    """Whether all evidence was read again just now: it must be before the weight is raised, not before a rollback."""
    rising: bool = False
    """Whether, at the end of `tick`, the odds against the candidate rose so that the next scrape may decide."""
    digest: str | None = None
    """Of the candidate's weights, where its telemetry names exactly one."""
    default_gates: tuple[str, ...] | None = None
    """Names of the default gates that can be judged, where spec.gates is empty: record them in status.rollout.gates."""
    plan: str = ""
    """What stable's traffic can prove, in one line; empty where nobody asked."""
    layers: tuple[DeadShare, ...] = ()
    """The candidate's dead units so far: record them in status.promoted when it is promoted."""


@dataclass(frozen=True)
class MetricsOutage:
    """No evaluation could be made: Prometheus is down, slow, or its answer is not an answer."""

    reason: MetricsReason
    message: str
    since: float
