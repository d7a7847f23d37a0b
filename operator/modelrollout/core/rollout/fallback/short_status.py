"""Statuses that cannot fail to be built or written: the facts that decisions rest on, one sentence of what is wrong."""

from __future__ import annotations

from modelrollout.api.borders.cleaning import LONGEST_SAID, clean
from modelrollout.api.changes import update, update_rollout
from modelrollout.api.status import Condition, HistoryEntry, LastCommand, Rejected, Status, StepRecord, Truth, Weight
from modelrollout.core import reasons
from modelrollout.core.observation import Command, Observation
from modelrollout.core.reasons import Reason
from modelrollout.core.rollout import phases
from modelrollout.core.rollout.phases import Trigger

_REFUSING = (Trigger.ABORT, Trigger.BREACH, Trigger.CANDIDATE_UNSTABLE)
"""After these the version is not retried."""
_TO_WAITING = (Trigger.CANDIDATE_LOST, Trigger.WEIGHTS_CHANGED, Trigger.BAKE_IN_DOUBT, Trigger.BLIND)
"""After these it goes on from weight 0. A whole decision leaves it some weight after most of them; this one does not
know which would be right, and none always is."""


def after_trigger(status: Status, observed: Observation, trigger: Trigger, now: float, why: str) -> Status:
    """The phase that `trigger` leads to, with its facts; `why` is the sentence."""
    after = update(status, weight=Weight(desired=0, observed=0), reason=reasons.INTERNAL_ERROR, message=why)
    if trigger in _TO_WAITING:
        return with_condition(_waiting(after, trigger, now), now)
    phase = phases.next_phase(status.phase, trigger) if trigger is not Trigger.VERSION_CHANGED else "Serving"
    ended = update(after, phase=phase, history=[*status.history, _entry(status, trigger, now, why)])
    ended = update(ended, candidate=None, step=None, steps=[], rollout=None, preflight=None)
    ended = update(ended, gates=[], warnings=[], paused=False, deciding=None)
    if trigger in _REFUSING:
        attempt = status.rollout.attempt if status.rollout else 1
        refused = Rejected(
            version=status.candidate or "", attempt=attempt, reason=reasons.INTERNAL_ERROR, message=why, at=now
        )
        ended = update(ended, rejected=refused)
    if trigger is Trigger.ABORT and isinstance(observed.command, Command):
        asked = observed.command
        last = LastCommand(
            verb=asked.verb,
            nonce=asked.nonce,
            version=asked.version,
            step=asked.step,
            rollout=asked.rollout,
            result="applied",
            outcome="Applied",
            at=now,
        )
        ended = update(ended, last_command=last)
    return with_condition(ended, now)


def saying(status: Status, reason: Reason, why: str, now: float) -> Status:
    """`status` as it is, with this reason and sentence."""
    return with_condition(update(status, reason=reason, message=why), now)


def blind(status: Status, now: float) -> Status:
    """`status`, which cannot be judged from now on: the time that maxBlind allows for that begins, if it has not."""
    if status.rollout is None or status.rollout.blind_since is not None or not phases.exposed(status.phase):
        return status
    return update(status, rollout=update_rollout(status, blind_since=now))


def shortened(status: Status, why: str, now: float) -> Status:
    """Everything that a decision rests on, and no text from outside, for an API server that refused all of it."""
    rollout = update_rollout(status, question=None) if status.rollout else None
    history = [entry.model_copy(update={"message": ""}) for entry in status.history]
    rejected = status.rejected.model_copy(update={"message": ""}) if status.rejected else None
    last = status.last_command
    if last is not None:
        last = last.model_copy(update={"by": None, "manager": None, "why": None, "result": clean(last.result, 64)})
    after = update(status, gates=[], deciding=None, warnings=[], history=history, rejected=rejected, rollout=rollout)
    after = update(after, last_command=last, conditions=[])
    return saying(after, reasons.STATUS_TRUNCATED, f"{clean(status.message, LONGEST_SAID)}; {why}", now)


def with_condition(status: Status, now: float) -> Status:
    """One condition, Ready, in place of all: its time moves only when it flips."""
    truth: Truth = "Unknown" if phases.running(status.phase) else "False"
    old = next((one for one in status.conditions if (one.type, one.status) == ("Ready", truth)), None)
    ready = Condition(
        type="Ready",
        status=truth,
        reason=status.reason,
        message=status.message,
        last_transition_time=old.last_transition_time if old else now,
        observed_generation=status.observed_generation,
    )
    return update(status, conditions=[ready])


def _waiting(status: Status, trigger: Trigger, now: float) -> Status:
    """Back at the start of the steps: where the candidate stood is no fact that is worth a risk now.

    Of other weights nothing is noted, so that the next whole decision finds them again and does what else is due.
    """
    losses = (status.rollout.losses if status.rollout else 0) + (trigger is Trigger.CANDIDATE_LOST)
    doubts = (status.rollout.doubts if status.rollout else 0) + (trigger is Trigger.BAKE_IN_DOUBT)
    rollout = update_rollout(status, losses=losses, doubts=doubts, waiting_since=now, bake_started_at=None)
    records = [*status.steps, StepRecord(weight=0, started_at=now)]
    preflight = None if trigger is Trigger.WEIGHTS_CHANGED else status.preflight
    return update(status, phase="Waiting", step=None, steps=records, rollout=rollout, preflight=preflight)


def _entry(status: Status, trigger: Trigger, now: float, why: str) -> HistoryEntry:
    return HistoryEntry(
        stable=status.stable or "",
        candidate=status.candidate or "",
        result="RolledBack" if trigger in (Trigger.BREACH, Trigger.CANDIDATE_UNSTABLE) else "Aborted",
        reason=reasons.INTERNAL_ERROR,
        message=why,
        started_at=status.rollout.started_at if status.rollout else now,
        ended_at=now,
    )
