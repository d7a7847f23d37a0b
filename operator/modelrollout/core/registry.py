"""What a model registry should say of a rollout, worked out from its status alone: aliases, and tags of versions.

Nothing is remembered, so a restart, an outage of the registry or somebody's hand on it is put right by comparing again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from modelrollout.api.status import HistoryEntry, Result, Status
from modelrollout.api.timestamps import format_timestamp
from modelrollout.core import reasons

State = Literal["candidate", "champion", "previous", "rejected", "aborted", "replaced"]
"""What became of a version."""
OWNER: Final = "rollout"
"""The tag that names whose a version is, after the prefix."""
_ENDS: Final[Mapping[Result, State]] = {
    "RolledBack": "rejected",
    "Rejected": "rejected",
    "Aborted": "aborted",
    "Replaced": "replaced",
}
_CAME: Final[frozenset[Result]] = frozenset({"Promoted", "FastRollback", "Adopted"})
"""Results by which the version that an entry calls the candidate came to serve."""


@dataclass(frozen=True)
class Mark:
    """What is said of one version."""

    version: str
    state: State
    reason: str
    """Reason constant."""
    message: str
    """The sentence with the numbers."""
    at: float | None
    """When, epoch seconds; None where that is not known any more."""


@dataclass(frozen=True)
class Standing:
    """One rollout as a registry should show it."""

    namespace: str
    name: str
    model: str
    champion: str | None
    """The version that serves; None while nobody knows."""
    candidate: str | None
    marks: tuple[Mark, ...] = ()
    gone: bool = False
    """Whether the ModelRollout is deleted: nothing more will be said of it."""

    @property
    def owner(self) -> str:
        """Who says so: NAMESPACE/NAME."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Found:
    """What a registry says, as far as it is about a rollout."""

    aliases: Mapping[str, str]
    """Version by alias, of the aliases that are ours to set."""
    tags: Mapping[str, Mapping[str, str] | None]
    """Tags by version, without the prefix; None where there is no such version."""


@dataclass(frozen=True)
class Names:
    """What the aliases are called."""

    candidate: str
    champion: str


@dataclass(frozen=True)
class Changes:
    """What has to be written, in this order: tags, then aliases."""

    tags: tuple[tuple[str, str, str], ...]
    """(version, tag without the prefix, value)"""
    aliases: tuple[tuple[str, str | None], ...]
    """(alias, version); None: it is taken away."""
    left: tuple[str, ...]
    """Sentences: what is not said of the versions in use, since they are not there or are another rollout's."""


def standing_of(namespace: str, name: str, model: str, status: Status, *, gone: bool = False) -> Standing:
    """`gone`: the ModelRollout is deleted, so that whatever was being tried is tried no more."""
    marks: dict[str, Mark] = {}
    for mark in _newest_first(status, gone=gone):
        marks.setdefault(mark.version, mark)
    candidate = None if gone else status.candidate
    return Standing(namespace, name, model, status.stable, candidate, tuple(marks.values()), gone)


def changes(standing: Standing, names: Names, found: Found) -> Changes:
    """What makes the registry say the same as the status. Versions and aliases of another rollout are left alone."""
    tags: list[tuple[str, str, str]] = []
    left: list[str] = []
    for mark in standing.marks:
        known = found.tags.get(mark.version)
        refusal = _refusal(standing, found, mark.version)
        if known is not None and not refusal:
            wanted = tags_of(standing, mark)
            tags += [(mark.version, key, value) for key, value in wanted.items() if known.get(key, "") != value]
        elif mark.version in (standing.champion, standing.candidate):  # of those of the past it is no matter
            left.append(refusal)
    aliases: list[tuple[str, str | None]] = []
    for alias, version in ((names.champion, standing.champion), (names.candidate, standing.candidate)):
        now = found.aliases.get(alias)
        if now == version:
            continue
        if version is None:  # where a person has put it on a version of their own, it stays
            aliases += [(alias, None)] if now and alias == names.candidate and _is_ours(standing, found, now) else []
        elif not _refusal(standing, found, version):  # else it has been said above
            refusal = _refusal(standing, found, now) if now and found.tags.get(now) is not None else ""
            left += [f"alias {alias}: {refusal}"] if refusal else []
            aliases += [] if refusal else [(alias, version)]
    return Changes(tuple(tags), tuple(aliases), tuple(left))


def tags_of(standing: Standing, mark: Mark) -> dict[str, str]:
    """The tags of a version, without the prefix. The owner is first, so that what is half written is ours."""
    return {
        OWNER: standing.owner,
        "state": mark.state,
        "reason": mark.reason,
        "message": mark.message,
        "at": "" if mark.at is None else format_timestamp(mark.at),
    }


def _is_ours(standing: Standing, found: Found, version: str) -> bool:
    return (found.tags.get(version) or {}).get(OWNER) == standing.owner


def _refusal(standing: Standing, found: Found, version: str) -> str:
    """Why nothing may be said of that version; empty where something may be."""
    known = found.tags.get(version)
    if known is None:
        return f"there is no version {version}"
    owner = known.get(OWNER) or standing.owner
    return "" if owner == standing.owner else f"version {version} is marked by {owner}"


def _newest_first(status: Status, *, gone: bool) -> Iterator[Mark]:
    history = status.history[::-1]
    if status.stable:
        came = next((one for one in history if one.candidate == status.stable and one.result in _CAME), None)
        if came is not None:
            yield Mark(status.stable, "champion", came.reason, came.message, came.ended_at)
        else:
            yield Mark(status.stable, "champion", reasons.ADOPTED, "it serves", None)
    if status.candidate and status.rollout is not None:
        began = status.rollout.started_at
        if gone:
            yield Mark(status.candidate, "aborted", "Deleted", "the ModelRollout was deleted while it was tried", began)
        else:
            tried = f"tried beside version {status.stable}"
            yield Mark(status.candidate, "candidate", reasons.ROLLOUT_STARTED, tried, began)
    for entry in history:
        yield from _of_entry(entry)
    if status.previous:
        said = f"replaced by version {status.stable}"
        yield Mark(status.previous.version, "previous", reasons.PROMOTED, said, status.previous.replaced_at)


def _of_entry(entry: HistoryEntry) -> Iterator[Mark]:
    if entry.result in _ENDS:
        yield Mark(entry.candidate, _ENDS[entry.result], entry.reason, entry.message, entry.ended_at)
    elif entry.result == "FastRollback":  # left in haste is the version that served
        yield Mark(entry.stable, "rejected", entry.reason, entry.message, entry.ended_at)
    elif entry.result == "Promoted" and entry.stable:
        said = f"replaced by version {entry.candidate}"
        yield Mark(entry.stable, "previous", entry.reason, said, entry.ended_at)
