"""What `plan` prints, and its exit code."""

from __future__ import annotations

import argparse
import json

from modelrollout.cli.commands.plan import PROVABLE, UNKNOWN, UNPROVABLE
from modelrollout.cli.planning.store import plan_from_store, source_of
from modelrollout.cli.planning.subject import Subject, subject_of
from modelrollout.cli.printing import remark, tell
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
    source = source_of(args, subject.spec)
    if source is None:
        return _as_said(subject, args)
    plan = plan_from_store(subject, source)
    if plan.per_second <= 0:
        hint = "" if args.stable or args.name else "; name the version that serves with --stable"
        raise Failure(f"stable version {subject.stable} had no requests in 30 min: nothing can be said{hint}")
    return _printed(args, subject, plan)


def _as_said(subject: Subject, args: argparse.Namespace) -> int:
    """Without a server: what the operator found when the rollout started."""
    if not subject.said:
        raise Failure("name the Prometheus server with --prometheus URL or --config FILE, or a rate with --requests")
    cannot = words.CANNOT in subject.said
    tell(json.dumps({"plan": subject.said, "provable": not cannot}) if args.json else subject.said)
    remark("as the operator found it at the start; with --prometheus URL it is worked out again, gate by gate")
    return UNPROVABLE if cannot else PROVABLE


def _printed(args: argparse.Namespace, subject: Subject, plan: Plan) -> int:
    if args.json:
        found = {"namespace": subject.namespace, "name": subject.name, "stable": subject.stable}
        tell(json.dumps({**found, **words.as_json(plan)}))
    else:
        for text in words.lines(plan):
            tell(text)
    if not plan.answers:
        return UNKNOWN
    return UNPROVABLE if plan.unprovable else PROVABLE
