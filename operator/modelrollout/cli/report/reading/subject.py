"""Which rollout of a resource is meant, and what its status and its snapshot say of it; pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from modelrollout.api.borders.cleaning import LONGEST_NAME, clean_name, mapping, mappings
from modelrollout.api.status import MOST_RECORDS, Status
from modelrollout.api.timestamps import parse_timestamp
from modelrollout.cli.report.facts import Kept, Layers, Subject
from modelrollout.cli.target import Failure
from modelrollout.core.analysis.metrics.model_series import ARMS, Arm
from modelrollout.core.analysis.metrics.postmortem import MAX_EDGES, MAX_LAYERS, LayerSummary

KEY = "snapshot.json"
_MOST = 2**63


def subject_of(status: Status, back: int) -> Subject | None:
    """The rollout in progress, else the last that ended; the last but one and so on with `back` 2, 3 ...

    None where there has been none. Failure where status does not reach back so far.
    """
    ended = [entry for entry in status.history if entry.result != "Adopted"]
    if back == 0 and status.rollout is not None and status.candidate is not None:
        return Subject(status.stable or "unknown", status.candidate, status.rollout.started_at)
    number = max(back, 1)
    if number > len(ended):
        if back:
            raise Failure(f"--ended is {back}: status knows {len(ended)} rollouts that ended; choose one of them")
        return None
    entry = ended[-number]
    newest = number == 1 and status.rollout is None
    return Subject(entry.stable, entry.candidate, entry.started_at, entry, newest)


def weights_of(subject: Subject, status: Status, kept: Kept) -> tuple[tuple[float, int], ...]:
    """(since when, percent) as status has them of a rollout in progress, as the snapshot has them of an ended one."""
    if subject.entry is None:
        steps = [(one.started_at, one.weight) for one in status.steps]
    else:
        steps = [(at, weight) for weight, at in kept.steps]
        if kept.bake_started_at is not None and (not steps or steps[-1][1] < 100):  # noqa: PLR2004 - percent
            steps.append((kept.bake_started_at, 100))
    if not steps:
        return ()
    found = sorted({(subject.started_at, 0), *steps})
    if subject.entry is not None:
        promoted = subject.entry.result in {"Promoted", "FastRollback"}
        found.append((subject.entry.ended_at, 100 if promoted else 0))
    return tuple(found)


def kept_of(snapshot: Mapping[str, Any] | None) -> Kept:
    """What an ended rollout's snapshot says. It may be anybody's: what is not as we write it is left out."""
    try:
        raw = mapping(json.loads(str(mapping(mapping(snapshot).get("data")).get(KEY) or "{}")))
    except (ValueError, RecursionError):
        return Kept()
    about = mapping(raw.get("rollout"))
    steps = [(_count(one.get("weight")), _time(one.get("startedAt"))) for one in mappings(about.get("steps"))]
    return Kept(
        steps=tuple((min(weight, 100), at) for weight, at in steps[:MOST_RECORDS] if at is not None),
        bake_started_at=_time(about.get("bakeStartedAt")),
        evidence_from=_time(about.get("evidenceFrom")),
        layers=_layers(raw),
    )


def _layers(raw: Mapping[str, Any]) -> Layers | None:
    began, until = _time(raw.get("from")), _time(raw.get("to"))
    found: dict[Arm, dict[str, LayerSummary]] = {}
    for arm in ARMS:
        named = list(mapping(mapping(raw.get("layers")).get(arm)).items())[:MAX_LAYERS]
        found[arm] = {clean_name(name, LONGEST_NAME): _layer(mapping(one)) for name, one in named}
    if began is None or until is None or not any(found.values()):
        return None
    return Layers(began, until, found)


def _layer(one: Mapping[str, Any]) -> LayerSummary:
    histogram = {
        clean_name(edge, LONGEST_NAME): _count(count)
        for edge, count in list(mapping(one.get("histogram")).items())[:MAX_EDGES]
    }
    counts = {key: _count(value) for key, value in one.items() if key != "histogram" and isinstance(key, str)}
    return {**dict(list(counts.items())[:MAX_EDGES]), "histogram": histogram}


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0
    return int(min(max(value, 0), _MOST))


def _time(value: object) -> float | None:
    try:
        return None if value is None else parse_timestamp(value)
    except ValueError:
        return None
