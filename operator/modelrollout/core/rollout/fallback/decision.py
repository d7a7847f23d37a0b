"""The decision of a pass whose own could not be made: what takes traffic away still does, nothing else moves."""

from __future__ import annotations

from modelrollout.api.borders.cleaning import LONGEST_SAID, clean
from modelrollout.api.spec import Spec
from modelrollout.api.status import Status
from modelrollout.core import reasons
from modelrollout.core.observation import Event, Observation
from modelrollout.core.rollout.decide import Decision
from modelrollout.core.rollout.fallback.short_status import after_trigger, blind, saying
from modelrollout.core.rollout.fallback.urgent import Facts, lowering, trigger_of
from modelrollout.core.rollout.phases import Trigger


def decide_less(spec: Spec | None, status: Status, observed: Observation, now: float, error: Exception) -> Decision:
    """Lowers as decide() would have, with a short status that says what went wrong. Never raises."""
    facts = Facts(spec, status, observed, now)
    trigger = trigger_of(facts)
    lower = lowering(facts, trigger)
    after, events = _told(status, observed, trigger, now, error)
    answered = after.last_command is not status.last_command
    return Decision(after, lower, None, events, consume_command=answered, trigger=trigger)


def _told(
    status: Status, observed: Observation, trigger: Trigger | None, now: float, error: Exception
) -> tuple[Status, tuple[Event, ...]]:
    try:
        what = f"{type(error).__name__}: {clean(str(error), LONGEST_SAID)}"
        why = f"this decision could not be built as a whole ({what}); nothing is raised until it can"
        if trigger is None:
            after = (
                saying(blind(status, now), reasons.INTERNAL_ERROR, why, now) if status.stable is not None else status
            )
        else:
            why = f"version {status.candidate} has no traffic, {trigger}; {why}"
            after = after_trigger(status, observed, trigger, now, why)
        known = trigger is None and status.reason == reasons.INTERNAL_ERROR
    except Exception:  # noqa: BLE001 - the lowering above needs no status: the next pass records it
        return status, ()
    return after, () if known else (Event(reasons.INTERNAL_ERROR, why, warning=True),)
