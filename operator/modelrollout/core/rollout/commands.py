"""Which command is obeyed in which state: one that names another version or step is refused, never guessed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from modelrollout.api.changes import update, update_rollout, update_step
from modelrollout.api.status import LastCommand, Status
from modelrollout.api.timestamps import format_timestamp
from modelrollout.core import reasons
from modelrollout.core.finding import Finding
from modelrollout.core.observation import Command, Event, MalformedCommand, Verb
from modelrollout.core.reasons import Reason
from modelrollout.core.rollout import phases, status_message
from modelrollout.core.rollout.context import UNREADABLE, Context, Transition
from modelrollout.core.rollout.phases import Trigger
from modelrollout.core.rollout.transitions import effects, forward, setbacks

_RAISING: tuple[Verb, ...] = ("approve", "promote")
_AHEAD = 5.0
"""Seconds by which the clocks of API servers may differ."""


@dataclass(frozen=True)
class Refusal:
    """Why a command is not obeyed."""

    why: str


Effect = Transition | Refusal


def obey(ctx: Context) -> Transition | None:
    """The effect of the command in the annotation, or its refusal; None where there is none to obey yet."""
    found = ctx.asked
    if found is None:
        return None
    if isinstance(found, MalformedCommand):
        unknown = Command("abort", found.nonce, None, None)
        return _record(ctx, unknown, Refusal(found.message), verb=UNREADABLE)
    effect = _misplaced(ctx, found) or _stale(ctx, found) or _own(ctx, found) or _effect(ctx, found)
    return None if effect is None else _record(ctx, found, effect)


def refuse(ctx: Context, why: str, events: tuple[Event, ...] = ()) -> Transition | None:
    """The refusal of whatever is asked, after `events`; None where nothing is."""
    found = ctx.asked
    if found is None:
        return None
    if isinstance(found, MalformedCommand):
        return obey(ctx)
    refused = _record(ctx, found, Refusal(why))
    return replace(refused, events=(*events, *refused.events))


def _misplaced(ctx: Context, command: Command) -> Refusal | None:
    status = ctx.status
    about = status.candidate or (status.rejected.version if status.rejected else None)
    if command.verb not in ("pause", "resume") and command.version is None:
        return Refusal(f"{command.verb} must name a version; the rollout is about {about or 'none'}")
    if command.version is not None and command.version != about:
        return Refusal(f"it names version {command.version}, but the rollout is about {about or 'no version'}")
    step = status.step.index if status.step else None
    if command.verb in ("approve", "promote") and command.step != step:
        return Refusal(f"it names {_counted(command.step)}, but the rollout is at {_counted(step)}")
    return None


def _stale(ctx: Context, command: Command) -> Refusal | None:
    """A command is about one rollout: Monday's approval says nothing of Tuesday's, though version and step agree."""
    status, named = ctx.status, command.rollout
    began = status.subject
    start = None if began is None else format_timestamp(began)
    if named and named != start:
        what = "started at" if status.rollout else "was refused at"
        other = f", but the present one {what} {start}" if start else ", which is over"
        return Refusal(f"it is about the rollout of {named}{other}")
    if began is not None and not named and not _belongs(command, began, ctx.now):
        how = f'send it with `kubectl modelrollout {command.verb}`, or add "rollout":"{start}" to it'
        return Refusal(f"it does not say which rollout it is about, and may be older than this one: {how}")
    step = status.step
    if step is not None and command.verb in _RAISING and command.surely_before(step.started_at):
        since = format_timestamp(step.started_at)[11:19]
        return Refusal(
            f"it was written before step {step.number} started at {since} UTC: look at the step, then repeat it"
        )
    asked_at = _asked_at(status)
    if command.verb == "resume" and asked_at is not None and command.surely_before(asked_at):
        since = format_timestamp(asked_at)[11:19]
        return Refusal(f"it was written before what is asked now was asked at {since} UTC: read it, then repeat it")
    return None


def _asked_at(status: Status) -> float | None:
    """A time by which what a person is asked while Inconclusive had been asked; None in other phases.

    The deadline's clock stops with the question, and a bake that is left for it starts its step again.
    """
    if status.phase != "Inconclusive" or status.rollout is None or status.step is None:
        return None
    return max(status.rollout.clock_stopped_at or 0.0, status.step.started_at)


def _own(ctx: Context, command: Command) -> Refusal | None:
    """With approval.byOther nobody raises what they changed themselves, nor somebody who cannot be known."""
    if ctx.spec is None or not ctx.spec.approval.by_other or command.verb not in _RAISING:
        return None
    asks = "spec.approval.byOther asks for somebody other than who changed the version"
    if not command.stamped:
        return Refusal(f"{asks}, and who sent this is not known: the API server does not stamp it (admission.stamps)")
    author = ctx.observed.version_by
    if not author:
        return Refusal(f"{asks}, and who that was is not known: change the version once more under admission.stamps")
    if author == command.by:
        return Refusal(f"{asks}: that was {author} as well")
    return None


def _belongs(command: Command, began: float, now: float) -> bool:
    """Whether a command that names no rollout is about the one that began then.

    What takes traffic back or holds it may be about it; everything else must be known to be. A time that has not come
    yet is that of a server whose clock is ahead: it may have been written long before.
    """
    if command.verb in ("abort", "pause"):
        return not command.surely_before(began)
    return command.dated and command.written_at is not None and began <= command.written_at <= now + _AHEAD


def _abort(ctx: Context, command: Command) -> Effect:
    if not phases.running(ctx.status.phase):
        return Refusal(f"nothing to abort in phase {ctx.status.phase}")
    return setbacks.roll_back(ctx, Trigger.ABORT, Finding(reasons.ABORTED, f"aborted{_by(command)}"))


def _approve(ctx: Context, command: Command) -> Effect:
    status, step = ctx.status, ctx.this_step
    if ctx.spec is None:
        return Refusal("the spec is invalid: fix it")
    if status.phase not in ("Stepping", "AwaitingApproval") or status.step is None or step is None:
        return Refusal(f"nothing to approve in phase {status.phase}")
    if not step.approval:
        return Refusal(f"step {status.step.index + 1} needs no approval")
    approved = update(status, step=update_step(status.step, approved=True))
    if status.phase == "Stepping":  # approved ahead of time: it counts when the hold is over
        return Transition(approved)
    finding = Finding(reasons.APPROVED, f"step {status.step.index + 1} approved{_by(command)}")
    return forward.change(Context(ctx.spec, approved, ctx.observed, ctx.now), Trigger.APPROVE, finding)


def _pause(ctx: Context, command: Command) -> Effect:
    if not phases.running(ctx.status.phase):
        return Refusal(f"nothing to pause in phase {ctx.status.phase}; spec.paused holds the next rollout")
    if ctx.status.paused:
        return Refusal("it is already paused")
    finding = Finding(reasons.PAUSED, f"paused{_by(command)}")
    status = status_message.say(update(ctx.status, paused=True), finding)
    return Transition(status, None, (Event(finding.reason, finding.message),))


def _resume(ctx: Context, command: Command) -> Effect:
    status = ctx.status
    lowered = status.weight.lowered_at is not None
    if not (status.paused or lowered or status.phase == "Inconclusive"):
        if ctx.spec is not None and ctx.spec.paused:
            return Refusal("spec.paused is true: set it to false in the manifest")
        return Refusal("nothing is paused")
    finding = Finding(reasons.RESUMED, f"resumed{_by(command)}")
    status = status_message.say(update(status, paused=False), finding)
    if status.phase == "Inconclusive":  # the deadline starts again, or it would be over at once
        assert status.rollout is not None
        question, doubts = status_message.asked(ctx.status), status.rollout.doubts
        if question is not None and question.reason == reasons.BAKE_IN_DOUBT:
            doubts = min(doubts, setbacks.MAX_DOUBTS)  # answered
        rollout = update_rollout(status, doubts=doubts, **effects.restarted_clock(ctx))
        renewed = Context(ctx.spec, update(status, rollout=rollout), ctx.observed, ctx.now)
        return forward.change(renewed, Trigger.RESUME, finding)
    return Transition(status, Trigger.RESUME if lowered else None, (Event(finding.reason, finding.message),))


def _retry(ctx: Context, command: Command) -> Effect:
    if not phases.refused(ctx.status.phase) or ctx.spec is None:
        return Refusal(f"nothing to retry in phase {ctx.status.phase}" if ctx.spec else "the spec is invalid: fix it")
    if ctx.spec.model.version != command.version:
        return Refusal(f"spec names version {ctx.spec.model.version}: commit version {command.version} to retry it")
    return forward.start(ctx, ctx.spec, Trigger.RETRY)


def _promote(ctx: Context, command: Command) -> Effect | None:
    status = ctx.status
    if ctx.spec is None:
        return Refusal("the spec is invalid: fix it")
    if (status.phase, Trigger.PROMOTE) not in phases.TRANSITIONS:
        return Refusal(f"nothing to promote in phase {status.phase}")
    if not ctx.ready_for(status.candidate, ctx.spec.analysis.ready_for):
        found = ctx.candidate_readiness
        if found is None or found.ready:  # a process that has just started cannot know yet: the command waits
            return None
        return Refusal(f"the candidate is not ready: {found.message}")
    why = f"promoted{_by(command)}"
    if status.phase == "Baking":
        return forward.promote(ctx, Trigger.PROMOTE, why)
    return forward.bake(ctx, ctx.spec, Trigger.PROMOTE, why)


def _effect(ctx: Context, command: Command) -> Effect | None:
    match command.verb:
        case "abort":
            return _abort(ctx, command)
        case "approve":
            return _approve(ctx, command)
        case "pause":
            return _pause(ctx, command)
        case "resume":
            return _resume(ctx, command)
        case "retry":
            return _retry(ctx, command)
        case "promote":
            return _promote(ctx, command)
        case _:
            assert_never(command.verb)


def _counted(index: int | None) -> str:
    """A step as people count: the command and status number them from 0."""
    return "no step" if index is None else f"step {index + 1}"


def _by(command: Command) -> str:
    return (f" by {command.by}" if command.by else "") + (f" ({command.why})" if command.why else "")


def _record(ctx: Context, command: Command, effect: Effect, verb: str = "") -> Transition:
    """The effect with its answer in status.lastCommand and in an Event."""
    refusal = effect if isinstance(effect, Refusal) else None
    done = Transition(ctx.status) if isinstance(effect, Refusal) else effect
    name, result = verb or command.verb, f"refused: {refusal.why}" if refusal else "applied"
    last = LastCommand(
        verb=name,
        nonce=command.nonce,
        version=command.version,
        step=command.step,
        rollout=command.rollout,
        by=command.by or None,
        manager=command.manager or None,
        why=command.why or None,
        result=result,
        outcome="Refused" if refusal else "Applied",
        at=ctx.now,
    )
    reason: Reason = reasons.COMMAND_REFUSED if refusal else reasons.COMMAND_APPLIED
    sender = f" (sent as {command.manager})" if command.manager else ""
    event = Event(reason, f"{name}{_by(command)}{sender}: {result}", warning=refusal is not None)
    return replace(done, status=update(done.status, last_command=last), events=(*done.events, event))
