"""What people and programs outside of the cluster are told of an Event: its kinds, its facts, its evidence.

Built once from the object as it was recorded, bounded and printable, whatever stands in there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from modelrollout.api.base import GROUP_VERSION, PLURAL
from modelrollout.api.borders.cleaning import clean, mapping, mappings
from modelrollout.api.config.notifications import Kind
from modelrollout.api.timestamps import format_timestamp
from modelrollout.core import reasons
from modelrollout.core.observation import Event

LONGEST_MESSAGE, LONGEST_FACT, LONGEST_WORD = 1024, 300, 128
MOST_GATES = 24
"""Gates whose evidence is sent, those that failed first."""
_OF_REASON: Final[dict[str, Kind]] = {
    reasons.ROLLOUT_STARTED: "Started",
    reasons.STEP_STARTED: "Advanced",
    reasons.BAKE_STARTED: "Advanced",
    reasons.ADVANCED_UNPROVEN: "Advanced",
    reasons.APPROVAL_NEEDED: "NeedsPerson",
    reasons.BREACH_HELD: "NeedsPerson",
    reasons.FAST_ROLLBACK: "RolledBack",
}
_OF_RESULT: Final[dict[str, Kind]] = {
    "Promoted": "Promoted",
    "RolledBack": "RolledBack",
    "Rejected": "RolledBack",
    "Aborted": "RolledBack",
    "FastRollback": "RolledBack",
}
_ENTRY = ("stable", "candidate", "result", "reason", "message", "startedAt", "endedAt", "snapshot")
_GATE = ("name", "type", "verdict", "required", "source", "layer", "observed", "stable", "limit", "samples", "evidence")


@dataclass(frozen=True)
class Notice:
    """One thing to tell, as every sink gets it."""

    ident: str
    """The same for every sink and every try."""
    at: float
    """When it happened, epoch seconds."""
    namespace: str
    name: str
    kind: Kind
    kinds: frozenset[Kind]
    """Its kind, and Drift beside it where the distribution of activations has moved."""
    warning: bool
    facts: Mapping[str, str]
    """By the placeholders of templates."""
    data: Mapping[str, Any]
    """The same for programs, with the evidence of each gate."""

    @property
    def source(self) -> str:
        """The path of the ModelRollout in the Kubernetes API."""
        return f"/apis/{GROUP_VERSION}/namespaces/{self.namespace}/{PLURAL}/{self.name}"


def make_notice(obj: Mapping[str, Any], event: Event, at: float, ident: str) -> Notice:
    """`obj` is the ModelRollout as recorded: with the status of which the Event tells."""
    meta, status, spec = (mapping(obj.get(part)) for part in ("metadata", "status", "spec"))
    namespace, name = (clean(meta.get(key), 253) for key in ("namespace", "name"))
    ended = _just_ended(status, event)
    drifted = _has_drifted(status)
    kind = _kind_of(status, event, ended)
    also: set[Kind] = {"Drift"} if drifted and kind in ("RolledBack", "NeedsPerson", "Warning") else set()
    kinds: frozenset[Kind] = frozenset({kind, *also})
    candidate = (ended or status).get("candidate")
    facts: dict[str, Any] = {
        "namespace": namespace,
        "name": name,
        "model": mapping(spec.get("model")).get("name") or name,
        "kind": kind,
        "reason": event.reason,
        "message": event.message,
        "phase": status.get("phase"),
        "stable": status.get("stable"),
        "candidate": candidate,
        "weight": str(_weight(status)),
        "time": format_timestamp(at),
        "evidence": status.get("deciding"),
    }
    texts = {key: clean(value, LONGEST_MESSAGE if key == "message" else LONGEST_FACT) for key, value in facts.items()}
    texts["candidate"] = texts["candidate"] or "none"
    told = {"uid": clean(meta.get("uid"), LONGEST_WORD), **texts, "warning": event.warning, "weight": _weight(status)}
    told |= {"candidate": clean(candidate, LONGEST_FACT) or None, "gates": _gates(status), "rollout": _entry(ended)}
    told["digest"] = clean(mapping(status.get("rollout")).get("digest"), LONGEST_WORD) or None
    return Notice(ident, at, namespace, name, kind, kinds, event.warning, texts, told)


def _weight(status: Mapping[str, Any]) -> int:
    found = mapping(status.get("weight")).get("desired")
    return found if isinstance(found, int) else 0


def _just_ended(status: Mapping[str, Any], event: Event) -> dict[str, Any]:
    """The entry of the history that this Event is about; empty where no rollout has just ended."""
    last = (mappings(status.get("history")) or [{}])[-1]
    is_it = last.get("reason") == event.reason and not status.get("rollout")
    return last if is_it and last.get("result") in _OF_RESULT else {}


def _kind_of(status: Mapping[str, Any], event: Event, ended: Mapping[str, Any]) -> Kind:
    if ended:
        return _OF_RESULT[ended["result"]]
    if event.reason in _OF_REASON:
        return _OF_REASON[event.reason]
    if status.get("phase") == "Inconclusive" and status.get("reason") == event.reason:
        return "NeedsPerson"
    return "Warning" if event.warning else "Info"


def _has_drifted(status: Mapping[str, Any]) -> bool:
    gates = mappings(status.get("gates"))
    return any(gate.get("type") == "Drift" and gate.get("verdict") == "FAIL" for gate in gates)


def _entry(entry: Mapping[str, Any]) -> dict[str, str] | None:
    """How the rollout ended."""
    kept = {key: clean(entry[key], LONGEST_MESSAGE) for key in _ENTRY if entry.get(key) is not None}
    return kept or None


def _gates(status: Mapping[str, Any]) -> list[dict[str, Any]]:
    gates = sorted(mappings(status.get("gates")), key=lambda gate: gate.get("verdict") != "FAIL")
    return [
        {key: _plain(gate[key]) for key in (*_GATE, "message") if gate.get(key) is not None}
        for gate in gates[:MOST_GATES]
    ]


def _plain(value: object) -> object:
    return value if isinstance(value, bool) else clean(value, LONGEST_FACT)
