"""What to do now: one sentence for every state a rollout can be in, with the command to type."""

from __future__ import annotations

from modelrollout.api.status import Status
from modelrollout.core import reasons


def advice(status: Status, namespace: str, name: str, *, paused_in_spec: bool = False) -> str:
    """The next thing a person can do, or that nothing is needed."""

    def command(verb: str) -> str:
        return f"`kubectl modelrollout {verb} {name} -n {namespace}`"

    if status.reason == reasons.INVALID_SPEC:
        return (
            "Mend the manifest as the message says; `kubectl modelrollout lint FILE` checks it. Traffic is untouched."
        )
    if paused_in_spec:
        return "Paused by spec.paused: set it to false in the manifest to go on."
    if status.paused:
        return f"Paused by command: go on with {command('resume')}, or give up with {command('abort')}."
    if status.phase in ("RolledBack", "Rejected"):
        version = status.rejected.version if status.rejected else "a new version"
        back = f"put version {status.stable} back in Git" if status.stable else "put the old version back in Git"
        return (
            f"Version {version} is not tried again by itself: {back}, bump spec.model.version to a mended one, "
            f"or try the same one again with {command('retry')}."
        )
    texts = {
        "AwaitingApproval": f"Approve with {command('approve')}, or give up with {command('abort')}.",
        "Inconclusive": f"The evidence did not suffice: collect more with {command('resume')}, decide yourself with "
        f"{command('promote')}, or give up with {command('abort')}.",
        "Waiting": f"Nothing: traffic follows once the candidate is ready. Give up with {command('abort')}.",
        "Stepping": f"Nothing: it goes on by itself. Give up with {command('abort')}.",
        "Baking": f"Nothing: the candidate becomes stable when the bake ends. Give up with {command('abort')}.",
        "Adopting": "Nothing: the first version serves as soon as it is ready.",
    }
    return texts.get(status.phase, "Nothing: bump spec.model.version to start a rollout.")
