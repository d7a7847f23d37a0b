"""What `plan` prints, and its exit code."""

from __future__ import annotations

import argparse

from modelrollout.cli.commands.plan import PROVABLE, UNKNOWN, UNPROVABLE
from modelrollout.cli.lookup.cluster import installed
from modelrollout.cli.lookup.server import source_of
from modelrollout.cli.lookup.subject import Subject, subject_of
from modelrollout.cli.planning.store import NotKnown, plan_from_store
from modelrollout.cli.printing import remark, tell, tell_json
from modelrollout.cli.target import Failure
from modelrollout.core.analysis.gates.plan import words
from modelrollout.core.analysis.gates.plan.answers import Plan
from modelrollout.core.analysis.gates.plan.assumed import assumed_plan

_MOST = 1e6


def show(args: argparse.Namespace) -> int:
    """The plan of what the arguments name. Failure where none can be made."""
    subject = subject_of(args)
    if args.requests is not None:
        if not 0 < args.requests <= _MOST:
            raise Failure(f"--requests is {args.requests:g}: write requests per second above 0, such as 20")
        return _printed(args, subject, assumed_plan(subject.spec, args.requests))
    asked = args.config is not None or args.prometheus is not None
    source = source_of(args, subject.spec, installed(args) if args.name and args.config is None else None)
    if source is None:
        return _as_said(subject, args)
    try:
        plan = plan_from_store(subject, source)
    except NotKnown as error:
        if asked or not subject.said:
            raise
        return _as_said(subject, args, str(error))
    if plan.per_second <= 0:
        hint = "" if args.stable or args.name else "; name the version that serves with --stable"
        raise Failure(f"stable version {subject.stable} had no requests in 30 min: nothing can be said{hint}")
    return _printed(args, subject, plan)


def _as_said(subject: Subject, args: argparse.Namespace, why: str = "") -> int:
    """Without a server that answers: what the operator found when the rollout started, and `why` nothing newer."""
    if not subject.said:
        raise Failure("name the Prometheus server with --prometheus URL or --config FILE, or a rate with --requests")
    cannot = words.CANNOT in subject.said
    if args.json:
        tell_json({"plan": subject.said, "provable": not cannot})
    else:
        tell(subject.said)
    again = why or "with --prometheus URL it is worked out again, gate by gate"
    remark(f"as the operator found it at the start; {again}")
    return UNPROVABLE if cannot else PROVABLE


def _printed(args: argparse.Namespace, subject: Subject, plan: Plan) -> int:
    if args.json:
        found = {"namespace": subject.namespace, "name": subject.name, "stable": subject.stable}
        tell_json({**found, **words.as_json(plan)})
    else:
        for text in words.lines(plan):
            tell(text)
    if not plan.answers:
        return UNKNOWN
    return UNPROVABLE if plan.unprovable else PROVABLE
