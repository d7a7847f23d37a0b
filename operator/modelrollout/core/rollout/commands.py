"""Which command is obeyed in which state: one that names another version or step is refused, never guessed."""

from __future__ import annotations

from collections.abc import Callable

from modelrollout.api.status import LastCommand
from modelrollout.core import reasons
from modelrollout.core.finding import Finding
from modelrollout.core.observation import Command, Event, MalformedCommand
from modelrollout.core.rollout import phases, status_message, transitions
from modelrollout.core.rollout.context import Context, Transition
from modelrollout.core.rollout.phases import Trigger


def obey(ctx: Context) -> Transition | None:
    """The effect of the command in the annotation, or its refusal; None where there is none to obey."""
    found = ctx.asked
    if found is None:
        return None
    if isinstance(found, MalformedCommand):
        unknown = Command("abort", found.nonce, None, None)
        return _record(ctx, unknown, Transition(ctx.status), f"refused: {found.message}", verb="unreadable")
    refusal = _misplaced(ctx, found)
    outcome = refusal or _VERBS[found.verb](ctx, found)
    if outcome is None:
        return None
    if isinstance(outcome, str):
        return _record(ctx, found, Transition(ctx.status), f"refused: {outcome}")
    return _record(ctx, found, outcome, "applied")


def _misplaced(ctx: Context, command: Command) -> str | None:
    status = ctx.status
    about = status.candidate or (status.rejected.version if status.rejected else None)
    if command.verb not in ("pause", "resume") and command.version is None:
        return f"{command.verb} must name the version it is about; that is {about or 'none now'}"
    if command.version is not None and command.version != about:
        return f"it is about version {command.version}, but the rollout is about {about or 'no version now'}"
    step = status.step.index if status.step else None
    if command.verb in ("approve", "promote") and command.step != step:
        return f"it is about step {command.step}, but the rollout is at step {step}"
    return None


def _abort(ctx: Context, command: Command) -> Transition | str:
    if not phases.running(ctx.status.phase):
        return f"nothing to abort in phase {ctx.status.phase}"
    return transitions.roll_back(ctx, Trigger.ABORT, Finding(reasons.ABORTED, f"aborted{_by(command)}"))


def _approve(ctx: Context, command: Command) -> Transition | str:
    status, step = ctx.status, ctx.this_step
    if ctx.spec is None:
        return "the spec is invalid: fix it"
    if status.phase not in ("Stepping", "AwaitingApproval") or status.step is None or step is None:
        return f"nothing to approve in phase {status.phase}"
    if not step.approval:
        return f"step {status.step.index} needs no approval"
    approved = transitions.update(status, step=transitions.update_step(status.step, approved=True))
    if status.phase == "Stepping":  # approved ahead of time: it counts when the hold is over
        return Transition(approved)
    finding = Finding(reasons.APPROVED, f"step {status.step.index + 1} approved{_by(command)}")
    return transitions.change(Context(ctx.spec, approved, ctx.observed, ctx.now), Trigger.APPROVE, finding)


def _pause(ctx: Context, command: Command) -> Transition | str:
    if not phases.running(ctx.status.phase):
        return f"nothing to pause in phase {ctx.status.phase}; spec.paused holds the next rollout"
    if ctx.status.paused:
        return "it is paused already"
    finding = Finding(reasons.PAUSED, f"paused{_by(command)}")
    status = status_message.say(transitions.update(ctx.status, paused=True), finding)
    return Transition(status, None, (Event(finding.reason, finding.message),))


def _resume(ctx: Context, command: Command) -> Transition | str:
    status = ctx.status
    lowered = status.weight.lowered_at is not None
    if not (status.paused or lowered or status.phase == "Inconclusive"):
        if ctx.spec is not None and ctx.spec.paused:
            return "spec.paused is true: set it to false where the manifest is kept"
        return "nothing is paused"
    finding = Finding(reasons.RESUMED, f"resumed{_by(command)}")
    status = status_message.say(transitions.update(status, paused=False), finding)
    if status.phase == "Inconclusive":  # the deadline counts anew, or it would strike again at once
        assert status.rollout is not None
        question, doubts = status_message.asked(ctx.status), status.rollout.doubts
        if question is not None and question.reason == reasons.BAKE_IN_DOUBT:
            doubts = min(doubts, transitions.MAX_DOUBTS)  # answered
        rollout = transitions.update_rollout(status, doubts=doubts, **transitions.time_anew(ctx))
        renewed = Context(ctx.spec, transitions.update(status, rollout=rollout), ctx.observed, ctx.now)
        return transitions.change(renewed, Trigger.RESUME, finding)
    return Transition(status, Trigger.RESUME if lowered else None, (Event(finding.reason, finding.message),))


def _retry(ctx: Context, command: Command) -> Transition | str:
    if not phases.refused(ctx.status.phase) or ctx.spec is None:
        return f"nothing to try again in phase {ctx.status.phase}" if ctx.spec else "the spec is invalid: fix it"
    if ctx.spec.model.version != command.version:
        return f"spec names version {ctx.spec.model.version}: commit version {command.version} to try it again"
    return transitions.start(ctx, ctx.spec, Trigger.RETRY)


def _promote(ctx: Context, command: Command) -> Transition | str | None:
    status = ctx.status
    if ctx.spec is None:
        return "the spec is invalid: fix it"
    if (status.phase, Trigger.PROMOTE) not in phases.TRANSITIONS:
        return f"nothing to promote in phase {status.phase}"
    if not ctx.ready_for(status.candidate, ctx.spec.analysis.ready_for):
        found = ctx.candidate_readiness
        if found is None or found.ready:  # a process that has just begun knows no better: the command waits
            return None
        return f"the candidate is not ready: {found.message}"
    why = f"promoted{_by(command)}"
    if status.phase == "Baking":
        return transitions.promote(ctx, Trigger.PROMOTE, why)
    return transitions.bake(ctx, ctx.spec, Trigger.PROMOTE, why)


_VERBS: dict[str, Callable[[Context, Command], Transition | str | None]] = {
    "abort": _abort,
    "approve": _approve,
    "pause": _pause,
    "resume": _resume,
    "retry": _retry,
    "promote": _promote,
}


def _by(command: Command) -> str:
    return (f" by {command.by}" if command.by else "") + (f": {command.why}" if command.why else "")


def _record(ctx: Context, command: Command, done: Transition, result: str, verb: str = "") -> Transition:
    name = verb or command.verb
    last = LastCommand(
        verb=name,
        nonce=command.nonce,
        version=command.version,
        step=command.step,
        by=command.by or None,
        manager=command.manager or None,
        why=command.why or None,
        result=result,
        at=ctx.now,
    )
    refused = result.startswith("refused")
    reason = reasons.COMMAND_REFUSED if refused else reasons.COMMAND_APPLIED
    sender = f" (sent as {command.manager})" if command.manager else ""
    event = Event(reason, f"{name}{_by(command)}{sender}: {result}", warning=refused)
    status = transitions.update(done.status, last_command=last)
    return Transition(status, done.trigger, (*done.events, event), command_done=True)
