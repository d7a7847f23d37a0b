"""What the API server says of one rollout, with the person's own rights; what may not be read is a sentence."""

from __future__ import annotations

from typing import Any

from modelrollout.adapters.kubernetes.client import Api, path_of
from modelrollout.adapters.kubernetes.events import CONTROLLER, EVENTS
from modelrollout.adapters.kubernetes.snapshot_kind import SNAPSHOT_PLURAL
from modelrollout.api.base import GROUP_VERSION, KIND
from modelrollout.api.borders.cleaning import clean, mapping, mappings
from modelrollout.api.timestamps import parse_timestamp
from modelrollout.cli.report.facts import Happening, Kept, Subject
from modelrollout.cli.report.reading.subject import kept_of
from modelrollout.ports import Conflict, Unreachable

_PAGE, _MOST_PAGES = "200", 10
_MOST_SHOWN = 200
_LONGEST = 1024
KEPT_IN = ((GROUP_VERSION, SNAPSHOT_PLURAL), ("v1", "configmaps"))
"""Where an ended rollout's snapshot is; older operators made ConfigMaps, which no new snapshot is called like."""
_AROUND = 60.0
"""Seconds before and after a rollout whose Events are its own too."""


async def read_kept(api: Api, namespace: str, subject: Subject) -> tuple[Kept, str]:
    """What the operator kept of an ended rollout, and what is to be said where it cannot be had."""
    if subject.entry is None:
        return Kept(), ""
    name = subject.entry.snapshot
    if not name:
        return Kept(), "The operator kept no distributions of this rollout (snapshots.enabled, or it found none)."
    refused = ""
    for group_version, plural in KEPT_IN:
        try:
            found = await api.get(path_of(group_version, plural, namespace, name))
        except (Conflict, Unreachable) as error:
            refused = refused or f"Snapshot {name}, which keeps its distributions, cannot be read: {error}."
            continue
        if found is not None:
            return kept_of(found), ""
    return Kept(), refused or f"Snapshot {name}, which kept its distributions, is gone."


async def read_happenings(
    api: Api, namespace: str, name: str, began: float, until: float
) -> tuple[tuple[Happening, ...], str]:
    """The operator's Events about the resource in a span, oldest first, and what is to be said of them."""
    query = {"limit": _PAGE, "fieldSelector": f"regarding.kind={KIND},regarding.name={name}"}
    found: list[Happening] = []
    try:
        for _ in range(_MOST_PAGES):
            answer = await api.request("GET", path_of(EVENTS, "events", namespace), query=query)
            found += [one for one in map(_happening, mappings(answer.get("items"))) if one is not None]
            after = clean(mapping(answer.get("metadata")).get("continue"), 4096)
            if not after:
                break
            query = {**query, "continue": after}
    except (Conflict, Unreachable) as error:
        return (), f"Events cannot be read: {error}."
    within = sorted((one for one in found if began - _AROUND <= one.at <= until + _AROUND), key=lambda one: one.at)
    more = f"Of {len(within)} Events the last {_MOST_SHOWN} are shown." if len(within) > _MOST_SHOWN else ""
    return tuple(within[-_MOST_SHOWN:]), more


def _happening(event: dict[str, Any]) -> Happening | None:
    if event.get("reportingController") != CONTROLLER:
        return None
    try:
        at = parse_timestamp(event.get("eventTime"))
    except ValueError:
        return None
    message, reason = clean(event.get("note"), _LONGEST), clean(event.get("reason"), _LONGEST)
    return Happening(at, reason, message, event.get("type") == "Warning")
