"""Which rollout is meant: a ModelRollout in the cluster, or a manifest."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import dataclass, replace
from typing import Any

from modelrollout.api.base import KIND
from modelrollout.api.problems import parse_spec, summary
from modelrollout.api.spec import Spec
from modelrollout.api.status import PromotedVersion
from modelrollout.cli import access
from modelrollout.cli.files import read_text
from modelrollout.cli.render import status_of
from modelrollout.cli.target import Failure
from modelrollout.cli.yamldoc import Unreadable, documents
from modelrollout.core.evaluation import placed_at

_LARGEST = 16 << 20


@dataclass(frozen=True)
class Subject:
    """A rollout that has not started, or whose start is `before`."""

    namespace: str
    name: str
    spec: Spec
    stable: str
    before: float | None = None
    """Epoch seconds at which its rollout in progress started: what stable had before counts."""
    place: int = 0
    placed_at: float | None = None
    """Both as EvaluationRequest has them."""
    said: str = ""
    """The plan that the operator wrote in status."""
    promoted: tuple[PromotedVersion, ...] = ()


def subject_of(args: argparse.Namespace) -> Subject:
    """What the arguments name. Failure where that is nothing, or no ModelRollout."""
    if bool(args.name) == bool(args.file):
        raise Failure("name a ModelRollout, or a manifest with -f FILE")
    found = in_file(args) if args.file else asyncio.run(_in_cluster(args))
    return replace(found, stable=args.stable) if args.stable else found


def in_file(args: argparse.Namespace) -> Subject:
    """The one ModelRollout of a manifest. Failure where there is none, or more."""
    try:
        found = [each.data for each in documents(read_text(args.file, _LARGEST))]
    except Unreadable as error:
        raise Failure(f"{args.file}:{error.place.line}: this is not YAML: {error}") from error
    ours = [each for each in found if isinstance(each, dict) and each.get("kind") == KIND]
    if len(ours) != 1:
        raise Failure(f"{args.file}: {len(ours)} ModelRollouts where one is expected: keep the one that is meant")
    found_meta = ours[0].get("metadata")
    meta: dict[str, Any] = found_meta if isinstance(found_meta, dict) else {}
    spec = _spec(ours[0], args.file)
    namespace = str(args.namespace or meta.get("namespace") or "default")
    return Subject(namespace, str(meta.get("name") or "rollout"), spec, spec.model.version)


async def _in_cluster(args: argparse.Namespace) -> Subject:
    namespace = access.namespace_of(args)
    async with await access.open_api(args) as api:
        obj = await access.get_resource(api, namespace, args.name)
    spec, status = _spec(obj, args.name), status_of(obj)
    if status is None or status.stable is None:
        raise Failure(f"{args.name} serves no version yet: there is no stable traffic to plan with")
    rollout = status.rollout
    return Subject(
        namespace,
        args.name,
        spec,
        status.stable,
        before=rollout.started_at if rollout else None,
        place=status.place or 0,
        placed_at=placed_at(status.history),
        said=rollout.plan if rollout else "",
        promoted=tuple(status.promoted),
    )


def _spec(obj: dict[str, Any], where: str) -> Spec:
    spec, problems = parse_spec(obj.get("spec"))
    if spec is None:
        raise Failure(f"{where}: {summary(problems)}; `kubectl modelrollout lint FILE` shows where")
    return spec
