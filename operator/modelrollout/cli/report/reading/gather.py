"""One rollout's facts, from the API server, its snapshot and Prometheus: what one of them lacks, another may have."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import dataclass, replace
from typing import Any

from modelrollout.adapters.kubernetes.client import Api
from modelrollout.api.problems import parse_spec, summary
from modelrollout.api.spec import Spec
from modelrollout.api.status import Status
from modelrollout.cli import access
from modelrollout.cli.lookup.found import Installation, Source, Unknown
from modelrollout.cli.lookup.operator import find_operator
from modelrollout.cli.lookup.server import source_of
from modelrollout.cli.render import status_of
from modelrollout.cli.report.facts import Facts, Kept, Subject
from modelrollout.cli.report.reading.cluster import read_happenings, read_kept
from modelrollout.cli.report.reading.store import Seen, read_seen
from modelrollout.cli.report.reading.subject import subject_of, weights_of
from modelrollout.cli.target import Failure
from modelrollout.core.evaluation import EvaluationRequest, placed_at
from modelrollout.core.git_rule import GitRule


@dataclass(frozen=True)
class Asked:
    """What was asked for: `back` 0 is the newest rollout; `sliced`: its distributions over time, too."""

    args: argparse.Namespace
    namespace: str
    name: str
    back: int = 0
    sliced: bool = False


async def gather(api: Api, asked: Asked, known: Seen | None = None) -> Facts:
    """The facts now. `known` stands for what Prometheus said a moment ago. Failure where there is no such resource."""
    obj, route = await asyncio.gather(
        access.get_resource(api, asked.namespace, asked.name), access.get_route(api, asked.namespace, asked.name)
    )
    status, now = _status(obj), api.clock.now()
    spec, problems = parse_spec(obj.get("spec"))
    subject = subject_of(status, asked.back)
    facts = Facts(asked.namespace, asked.name, status, now, subject, spec)
    if subject is None:
        return facts
    if route is not None and subject.entry is None:
        facts = replace(facts, live=route.weight_of(subject.candidate))
    (kept, lost), (happenings, cut) = await asyncio.gather(
        read_kept(api, asked.namespace, subject),
        read_happenings(api, asked.namespace, asked.name, subject.started_at, facts.until),
    )
    if known is None:
        git = route.git if route is not None else None
        known = await seen_of(api, asked, facts, kept, (summary(problems), git))
    return _together(replace(facts, happenings=happenings), kept, known, (lost, cut))


def _status(obj: dict[str, Any]) -> Status:
    found = status_of(obj)
    if found is None:
        raise Failure("the status cannot be read by this version of the plugin; update it")
    return found


async def seen_of(api: Api, asked: Asked, facts: Facts, kept: Kept, about: tuple[str, GitRule | None]) -> Seen:
    """What Prometheus says; a sentence where it is not known which server that is.

    `about`: what is wrong with the spec, and the rule of Git's route where it is adopted.
    """
    problem, git = about
    spec, subject = facts.spec, facts.subject
    assert subject is not None, "there is a rollout to ask about"
    if spec is None:
        return Seen(missing=(f"The spec is invalid ({problem}): its gates cannot be judged again.",))
    found = await _source(api, asked.args, spec)
    if isinstance(found, str):
        return Seen(missing=(f"Prometheus was not asked: {found}.",))
    return await read_seen(found, request_of(facts, spec, subject, kept, git), facts.until, sliced=asked.sliced)


async def _source(api: Api, args: argparse.Namespace, spec: Spec) -> Source | str:
    """The server to ask, or why there is none."""
    installed: Installation | Unknown | None = None
    if args.config is None:
        installed = await find_operator(api, args.operator_namespace)
    try:
        found = source_of(args, spec, installed if isinstance(installed, Installation) else None)
    except Failure as error:
        if args.config is not None or args.prometheus is not None:
            raise
        return str(error)
    if found is not None:
        return found
    if isinstance(installed, Unknown):
        return f"{installed.why}; {installed.fix}"
    return "name the server with --prometheus URL or --config FILE"


def request_of(facts: Facts, spec: Spec, subject: Subject, kept: Kept, git: GitRule | None) -> EvaluationRequest:
    """The rollout as the engine is asked about it; the spec is the one of now."""
    rollout = facts.status.rollout if subject.entry is None else None
    weights = weights_of(subject, facts.status, kept)
    steps = tuple((weight, at) for at, weight in weights if at > subject.started_at and at < facts.until)
    before = [one for one in facts.status.history if one.ended_at <= subject.started_at]
    bake = kept.bake_started_at if rollout is None else rollout.bake_started_at
    evidence = kept.evidence_from if rollout is None else rollout.evidence_from
    return EvaluationRequest(
        rollout="report",
        namespace=facts.namespace,
        name=facts.name,
        spec=spec,
        stable=subject.stable,
        candidate=subject.candidate,
        started_at=subject.started_at,
        evidence_from=subject.started_at if evidence is None else evidence,
        steps=steps,
        bake_started_at=bake,
        placed_at=placed_at(before),
        git=git,
        default_gates=tuple(rollout.gates) if rollout is not None else None,
    )


def _together(facts: Facts, kept: Kept, seen: Seen, said: tuple[str, ...]) -> Facts:
    assert facts.subject is not None, "there is a rollout"
    weights = weights_of(facts.subject, facts.status, kept) or seen.weights
    layers = kept.layers or seen.layers
    lost, cut = said
    missing = [*seen.missing, cut, "" if layers is not None else lost]
    if not weights:
        text = (
            "Its weights over time are not known: the operator's metrics are not in Prometheus, and nothing was kept."
        )
        missing.append(text)
    return replace(
        facts,
        weights=weights,
        layers=layers,
        course=seen.course,
        judgements=seen.judgements,
        missing=tuple(text for text in missing if text),
    )
