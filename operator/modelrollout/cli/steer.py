"""A person's command: one annotation that names what it is about, and the operator's answer to it."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import time
import uuid
from typing import Any

from modelrollout.adapters.kubernetes.client import MERGE_PATCH, Api
from modelrollout.adapters.kubernetes.command_annotation import COMMAND, LONGEST_BY, LONGEST_WHY, write_command
from modelrollout.api.status import LastCommand, Status
from modelrollout.api.timestamps import format_timestamp
from modelrollout.cli import access
from modelrollout.cli.printing import clean, tell
from modelrollout.cli.render import status_of
from modelrollout.cli.target import Failure
from modelrollout.core.observation import Command, Verb
from modelrollout.ports import Conflict, Unreachable

_MANAGER = "kubectl-modelrollout"
_ANSWER_WITHIN = 10.0
_PERIOD = 0.3
_TRIES, _PAUSE = 5, 0.1


def steer(args: argparse.Namespace) -> int:
    """Send `args.verb` and print the answer; 0 when applied, 1 when refused. Failure where there is none."""
    return asyncio.run(_send(args))


async def _send(args: argparse.Namespace) -> int:
    namespace = access.namespace_of(args)
    async with await access.open_api(args) as api:
        command = await _write(api, namespace, args)
        answer = await _answer(api, namespace, args.name, command.nonce)
    if answer is None:
        raise Failure(
            f"{args.verb} is written, but the operator has not answered within {_ANSWER_WITHIN:.0f} s: "
            "is it running? It acts on the command as soon as it runs."
        )
    tell(f"{args.verb} {args.name}: {answer.result}")
    return 0 if answer.applied else 1


def build(verb: Verb, status: Status, *, by: str, why: str) -> Command:
    """The command about what `status` shows now."""
    version = status.candidate or (status.rejected.version if status.rejected else None)
    step = status.step.index if status.step and verb in ("approve", "promote") else None
    began = "" if status.subject is None else format_timestamp(status.subject)
    return Command(verb, uuid.uuid4().hex[:16], version, step, by=by[:LONGEST_BY], why=why[:LONGEST_WHY], rollout=began)


async def _write(api: Api, namespace: str, args: argparse.Namespace) -> Command:
    """Write the command about what status shows now, and return it.

    The operator writes status at every interval. That alone is no reason to ask the person again; that the command
    would be about something else by now is.
    """
    first: tuple[object, ...] | None = None
    for _ in range(_TRIES):
        obj = await access.get_resource(api, namespace, args.name)
        status = status_of(obj)
        if status is None:
            raise Failure("the status cannot be read by this version of the plugin; update it")
        if first not in (None, about(args.verb, status)):
            raise Failure("the rollout has just moved on: check its status, then decide again")
        first = about(args.verb, status)
        command = build(args.verb, status, by=getpass.getuser(), why=args.why)
        if await _annotate(api, namespace, obj, command):
            return command
        await asyncio.sleep(_PAUSE)
    raise Failure(f"{args.name} changes too often: gave up after {_TRIES} tries; try again in a moment")


def about(verb: Verb, status: Status) -> tuple[object, ...]:
    """What must not have changed meanwhile: for what holds or takes back traffic the rollout alone, else all."""
    version = status.candidate or (status.rejected.version if status.rejected else None)
    if verb in ("abort", "pause"):
        return version, status.subject
    return version, status.subject, status.phase, status.step.index if status.step else None


async def _annotate(api: Api, namespace: str, obj: dict[str, Any], command: Command) -> bool:
    """Whether it stands there now; False where the object has changed since it was read."""
    meta = obj["metadata"]
    waiting = (meta.get("annotations") or {}).get(COMMAND)
    if waiting:
        raise Failure(f"another command still waits for the operator: {clean(waiting)}; try again in a moment")
    note = {"annotations": {COMMAND: write_command(command)}, "resourceVersion": meta["resourceVersion"]}
    path = access.resource_path(namespace, meta["name"])
    query = {"fieldManager": _MANAGER}
    try:
        await api.request("PATCH", path, query=query, body={"metadata": note}, content_type=MERGE_PATCH)
    except Conflict:
        return False
    except Unreachable as error:
        raise Failure(f"{error}; a command needs the right to patch ModelRollouts") from error
    return True


async def _answer(api: Api, namespace: str, name: str, nonce: str) -> LastCommand | None:
    end = time.monotonic() + _ANSWER_WITHIN
    while time.monotonic() < end:
        status = status_of(await access.get_resource(api, namespace, name))
        if status and status.last_command and status.last_command.nonce == nonce:
            return status.last_command
        await asyncio.sleep(_PERIOD)
    return None
