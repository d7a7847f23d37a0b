"""What `doctor` prints, and its exit code."""

from __future__ import annotations

import argparse
import asyncio
import time

from rich.console import Console

from modelrollout.api.problems import parse_spec
from modelrollout.api.status import Status
from modelrollout.cli import access
from modelrollout.cli.commands.doctor import FINE, PROBLEMS
from modelrollout.cli.doctor.checks.diagnosis import diagnose
from modelrollout.cli.doctor.facts import Candidate, ClusterFacts, StoreFacts, Subject
from modelrollout.cli.doctor.finding import Finding, Reporter, worst
from modelrollout.cli.doctor.picture import picture, title_of
from modelrollout.cli.doctor.reading.cluster import read_cluster
from modelrollout.cli.doctor.reading.store import read_store
from modelrollout.cli.lookup.found import Installation, Source
from modelrollout.cli.lookup.server import source_of
from modelrollout.cli.lookup.subject import in_file
from modelrollout.cli.printing import tell_json
from modelrollout.cli.render import status_of
from modelrollout.cli.target import Failure


class LocalClock:
    """The time of the machine that the command runs on."""

    def now(self) -> float:
        """Epoch seconds."""
        return time.time()


def show(args: argparse.Namespace) -> int:
    """Look, print what was found, and return the exit code. Failure where nothing can be looked at."""
    if bool(args.name) == bool(args.file):
        raise Failure("name a ModelRollout, or a manifest with -f FILE")
    (namespace, name), title, found = asyncio.run(_of_file(args) if args.file else _of_cluster(args))
    if args.json:
        what = {"namespace": namespace, "name": name, "level": worst(found)}
        tell_json({**what, "findings": [one.as_json for one in found]})
    else:
        Console().print(picture(title, found))
    return PROBLEMS if worst(found) == "Problem" else FINE


async def _of_cluster(args: argparse.Namespace) -> tuple[tuple[str, str], str, list[Finding]]:
    namespace = access.namespace_of(args)
    async with await access.open_api(args) as api:
        there = await read_cluster(api, args, namespace)
        spec, _ = parse_spec(there.resource.get("spec"))
        status = status_of(there.resource)
        title = title_of(namespace, args.name, status)
        if spec is None:
            return (namespace, args.name), title, diagnose(args.name, None, there, None)
        source = _source(args, there, spec.analysis.prometheus)
        stable = args.stable or (status.stable if status else None) or spec.model.version
        candidate = status.candidate if status else None
        scrape = source.server.scrape_interval if isinstance(source, Source) else 15.0
        state = state_of(status, there.now, 2 * spec.analysis.interval + 3 * scrape)
        subject = Subject(
            namespace, args.name, spec, stable, candidate, state, status, there.route.git if there.route else None
        )
        store: StoreFacts | Finding = (
            await read_store(subject, source, there.controller, api.clock, "the API server's")
            if isinstance(source, Source)
            else source
        )
    return (namespace, args.name), title, diagnose(args.name, subject, there, store)


def _source(args: argparse.Namespace, there: ClusterFacts, name: str) -> Source | Finding:
    """The server to ask, or why it is not known."""
    spec, _ = parse_spec(there.resource.get("spec"))
    assert spec is not None, "an invalid spec names no server"
    say = Reporter("store", name)
    try:
        found = source_of(args, spec, there.operator if isinstance(there.operator, Installation) else None)
    except Failure as error:
        if args.config is not None or args.prometheus is not None:
            raise
        return say.problem("configured", str(error), "name one of them in spec.analysis.prometheus")
    if found is None:
        text = "which Prometheus server the operator reads is not known here, so no series were looked at"
        return say.warning("configured", text, "name it with --prometheus URL or --config FILE")
    return found


async def _of_file(args: argparse.Namespace) -> tuple[tuple[str, str], str, list[Finding]]:
    planned = in_file(args)
    source = source_of(args, planned.spec)
    if source is None:
        raise Failure("name the Prometheus server with --prometheus URL or --config FILE")
    stable = args.stable or planned.spec.model.version
    candidate = planned.spec.model.version if planned.spec.model.version != stable else None
    state: Candidate = "unknown" if candidate else "none"
    subject = Subject(planned.namespace, planned.name, planned.spec, stable, candidate, state)
    store = await read_store(subject, source, "", LocalClock(), "this machine's")
    title = f"{planned.name} (namespace {planned.namespace}): version {stable} as in {args.file}"
    return (planned.namespace, planned.name), title, diagnose(planned.name, subject, None, store)


def state_of(status: Status | None, now: float, patience: float) -> Candidate:
    """What may be expected of the candidate's series, after `patience` seconds of traffic."""
    if status is None or status.candidate is None:
        return "none"
    weight = status.weight.desired if status.weight.observed is None else status.weight.observed
    if not weight or not status.steps:
        return "idle"
    return "fresh" if now - status.steps[-1].started_at < patience and len(status.steps) == 1 else "serving"
