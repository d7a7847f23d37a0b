"""What to do now: one sentence for every state a rollout can be in, with the command to type."""

from __future__ import annotations

from collections.abc import Callable

from modelrollout.api.status import Status
from modelrollout.core import reasons
from modelrollout.core.rollout import phases

Command = Callable[[str], str]


def advice(status: Status, namespace: str, name: str, *, paused_in_spec: bool = False) -> str:
    """The next thing a person can do, or that nothing is needed."""

    def command(verb: str) -> str:
        return f"`kubectl modelrollout {verb} {name} -n {namespace}`"

    urgent = _by_reason(status, command)
    if urgent:
        return urgent
    if phases.refused(status.phase):
        return _refused(status, command)
    found = _by_phase(status, command)
    if not phases.running(status.phase):
        return found
    after = f" {found}" if phases.waits_for_person(status.phase) else ""
    if paused_in_spec:
        return f"Paused by spec.paused: set it to false in the manifest to continue.{after}"
    if status.paused:
        end = found if after else f"Give up with {command('abort')}."
        return f"Paused by command: continue with {command('resume')}. {end}"
    return found


def _by_reason(status: Status, command: Command) -> str | None:
    """What is in the way, in any phase."""
    abort = command("abort")
    take = f", or accept it with {command('promote')}" if phases.exposed(status.phase) else ""
    either = f", or give up with {abort}" if phases.running(status.phase) else ""
    found = {
        reasons.INVALID_SPEC: "Fix the manifest as the message says; `kubectl modelrollout lint FILE` checks it. "
        f"Until then nothing is judged and the weight stays{either}.",
        reasons.MODEL_CHANGED: "Put spec.model.name back, or create another ModelRollout for the other model.",
        reasons.PREDECESSOR_UNFIT: "Do what the message says about spec.after, or put the old version back in Git: "
        "nothing starts before.",
        reasons.WAITING_FOR_PREDECESSOR: "Nothing: it starts when the ModelRollout that spec.after names has promoted "
        "this version. Remove spec.after to start now.",
        reasons.ROUTE_UNCLEAR: "Annotate the route as the message says: nothing moves until it names stable.",
        reasons.ROUTE_REJECTED: "Fix what the gateway names (its listeners, the routes it allows, the hostname): the "
        f"rollout continues when it accepts the route{either}.",
        reasons.ROUTE_NOT_OURS: "Rename the ModelRollout or the other route, or hand that route over as the "
        "message says: until then nothing moves.",
        reasons.ROUTE_MISSING: "Have Git make the route that traffic.adopt names: the operator never does.",
        reasons.ROUTE_UNFIT: "Put the route right in Git as the message says, or spec.traffic.adopt: the rollout "
        f"continues by itself{either}.",
        reasons.ROUTE_CONTESTED: "Let Git's tool leave the route's weights alone (docs/gateways/adopted-route.md): "
        f"raises go on after five minutes without a change by others{either}.",
        reasons.MIRROR_NOT_SUPPORTED: "Remove the step with mirror, or use a gateway that can copy requests: until "
        f"then nothing moves{either}.",
        reasons.ROUTE_NOT_WRITTEN: "Fix what the message says, most likely the operator's rights on HTTPRoutes or an "
        "admission webhook. The operator keeps retrying.",
        reasons.SERVING_CHANGED: "Make stable ready at the Service and port that spec names now: traffic follows.",
        reasons.METRICS_UNAVAILABLE: "Check the Prometheus server: the weight is held, and goes back to the first "
        f"step after analysis.maxBlind{either}.",
        reasons.SAMPLES_MISSING: "Prometheus answers, but has no new samples of what the message names: look at its "
        "targets and at the pods. The weight is held, and goes back to the first step after "
        f"analysis.maxBlind{either}.",
        reasons.GATE_NOT_JUDGEABLE: "Do what the message says, or take the gate out of spec.gates: the rollout "
        f"continues by itself when the gate can be judged{either}.",
        reasons.NOTHING_TO_JUDGE: "Have Prometheus scrape the gateway or the model servers, or write gates that can be "
        f"judged: the rollout continues by itself when there is evidence{either}.",
        reasons.WEIGHT_LOWERED: f"Raise it again now with {command('resume')}, or wait for the next evaluation that "
        f"does not fail{either}.",
        reasons.BREACH_HELD: f"A gate failed, and onBreach is Pause: give up with {abort}{take}.",
    }
    return found.get(status.reason)


def _refused(status: Status, command: Command) -> str:
    version = f"Version {status.rejected.version}" if status.rejected else "This version"
    back = f"put version {status.stable} back in Git" if status.stable else "put the old version back in Git"
    return (
        f"{version} is not retried automatically: {back}, change spec.model.version to a fixed version, "
        f"or retry this one with {command('retry')}."
    )


def _by_phase(status: Status, command: Command) -> str:
    abort = command("abort")
    nothing = {
        "Waiting": "traffic follows once the candidate is ready",
        "Stepping": "the rollout continues automatically",
        "Baking": "the candidate becomes stable when the bake ends",
    }
    texts = {phase: f"Nothing: {text}. Give up with {abort}." for phase, text in nothing.items()} | {
        "AwaitingApproval": f"Approve with {command('approve')}, or give up with {abort}.",
        "Inconclusive": f"There was not enough evidence: collect more with {command('resume')}, decide yourself with "
        f"{command('promote')}, or give up with {abort}.",
        "Adopting": "Nothing: the first version serves as soon as it is ready.",
    }
    return texts.get(status.phase, "Nothing: change spec.model.version to start a rollout.")
