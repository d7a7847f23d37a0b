"""Everything one decision looks at, gathered once, with the questions all checks ask of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from modelrollout.api.spec import Spec, Step
from modelrollout.api.status import LastCommand, Status
from modelrollout.api.timestamps import format_timestamp
from modelrollout.core import reasons
from modelrollout.core.evaluation import Evaluation
from modelrollout.core.finding import Finding
from modelrollout.core.observation import FULL_WEIGHT, Command, Event, MalformedCommand, Observation, Readiness
from modelrollout.core.rollout.phases import Trigger, exposed

FAILURES_UNTIL_LOST = 2
SAME_INSTANT = 0.002
UNREADABLE = "unreadable"
"""In place of the verb of a command that is none."""


@dataclass(frozen=True)
class Transition:
    """What a check has decided: the status after it, why, and its Events."""

    status: Status
    trigger: Trigger | None = None
    events: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Context:
    spec: Spec | None
    status: Status
    observed: Observation
    now: float

    @property
    def paused(self) -> bool:
        return self.status.paused or bool(self.spec and self.spec.paused)

    @property
    def asked(self) -> Command | MalformedCommand | None:
        """What a person asks for and has no answer yet; what was answered is only cleaned up."""
        asked = self.observed.command
        return None if answered(self.status.last_command, asked) else asked

    @property
    def candidate_readiness(self) -> Readiness | None:
        return self.observed.readiness.get(self.status.candidate or "")

    @property
    def lost(self) -> bool:
        """Two consecutive failed probes; a candidate that was not probed yet is unknown, not lost."""
        readiness = self.candidate_readiness
        return readiness is not None and readiness.failures >= FAILURES_UNTIL_LOST

    def ready_for(self, version: str | None, seconds: float) -> bool:
        """Whether `version` has been ready without a break for at least `seconds`."""
        readiness = self.observed.readiness.get(version or "")
        return bool(
            readiness and readiness.ready and readiness.since is not None and self.now - readiness.since >= seconds
        )

    def why_unready(self, version: str | None) -> str:
        """What the last failed probe of `version` said."""
        readiness = self.observed.readiness.get(version or "")
        return readiness.message if readiness and readiness.message else "not probed yet"

    @cached_property
    def evaluation(self) -> Evaluation | None:
        """The last evaluation, if it is about this rollout under these gates."""
        found = self.observed.evaluation
        if found is None or self.spec is None or found.rollout != identity(self.status):
            return None
        return found

    @property
    def blindness(self) -> Finding | None:
        """Why the metrics say nothing now, or None."""
        if self.observed.outage:
            return Finding(reasons.METRICS_UNAVAILABLE, self.observed.outage.message)
        found = self.evaluation
        if found and found.halt == reasons.SAMPLES_MISSING:
            return Finding(found.halt, found.message)
        if found and found.halt == reasons.NOTHING_TO_JUDGE and exposed(self.status.phase):
            return Finding(found.halt, found.message)
        return None

    @property
    def current(self) -> Evaluation | None:
        """An evaluation that counts for the step in progress: closed after the step started, and not stale."""
        found, step = self.evaluation, self.status.step
        if found is None or self.spec is None or self.blindness:
            return None
        if step is not None and not _covers(found, step.started_at):
            return None
        return found if self.now - found.tick_end <= longest_silence(self.spec) else None

    @property
    def breach(self) -> Finding | None:
        """Evidence against the candidate, in words."""
        found = self.evaluation
        if found is None:
            return None
        failed = self._failed(frozen=False)
        if failed:
            return Finding(reasons.GATE_FAILED, failed)
        return Finding(found.rollback, found.message) if found.rollback else None

    @property
    def doubt(self) -> Finding | None:
        """In the bake: worse than stable was before it, with no traffic on stable: version or hour may be to blame."""
        failed = self._failed(frozen=True) if self.status.phase == "Baking" else ""
        return Finding(reasons.BAKE_IN_DOUBT, failed) if failed else None

    def _failed(self, *, frozen: bool) -> str:
        gates = self.evaluation.gates if self.evaluation else ()
        failed = [gate for gate in gates if gate.required and gate.verdict == "FAIL" and gate.frozen == frozen]
        return "; ".join(f"{gate.name}: {gate.message}" for gate in failed[:3])

    @property
    def this_step(self) -> Step | None:
        """The step of the spec that the present weight belongs to."""
        if self.spec is None or self.status.step is None:
            return None
        return self.spec.steps[step_index(self.spec, self.status.step.weight)]

    @property
    def next_step(self) -> tuple[int, Step] | None:
        """The first step above the present weight: nothing ever skips one."""
        if self.spec is None or self.status.step is None:
            return None
        above = [(i, s) for i, s in enumerate(self.spec.steps) if s.weight > self.status.step.weight]
        return above[0] if above else None


def answered(last: LastCommand | None, asked: Command | MalformedCommand | None) -> bool:
    """Whether `last` is the answer to `asked`: to these words, since people write the same nonce again."""
    if last is None or asked is None or last.nonce != asked.nonce:
        return False
    if isinstance(asked, MalformedCommand):
        return last.verb == UNREADABLE
    same = (last.verb, last.version, last.step) == (asked.verb, asked.version, asked.step)
    return same and last.rollout in (None, asked.rollout)


def _covers(found: Evaluation, step_started_at: float) -> bool:
    """Whether the evaluation counted from this step's start (to the millisecond, as status stores it)."""
    return abs(found.step_started_at - step_started_at) < SAME_INSTANT and found.tick_end > step_started_at


def longest_silence(spec: Spec) -> float:
    """Seconds for which an evaluation counts: with none for longer, nothing is known of the candidate."""
    return 4 * spec.analysis.interval + 60


def step_index(spec: Spec, weight: int) -> int:
    """Index of the last step whose weight does not exceed `weight` (0 where all do)."""
    return max((i for i, s in enumerate(spec.steps) if s.weight <= weight), default=0)


def identity(status: Status) -> str:
    """Names what is being judged: candidate, rollout, gates. Evidence about anything else is ignored."""
    rollout = status.rollout
    if rollout is None or status.candidate is None:
        return ""
    since = format_timestamp(rollout.evidence_from)
    return f"{status.candidate}@{format_timestamp(rollout.started_at)}/{rollout.gates_digest}/{since}"


def target_mirror(status: Status) -> int:
    """Percent of the requests that the candidate gets copies of by this status; 0 beside any weight."""
    step = status.step
    if step is None or step.weight or not exposed(status.phase) or status.phase == "Baking":
        return 0
    return step.mirror or 0


def target_weight(status: Status) -> int:
    """The candidate's percent that this status stands for; 0 where nothing says otherwise."""
    if status.phase == "Baking":
        return FULL_WEIGHT
    if exposed(status.phase) and status.step is not None:
        return status.step.weight
    return 0
