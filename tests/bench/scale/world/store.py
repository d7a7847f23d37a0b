"""Objects as an API server stores them: versions, generations, fences, and what watches are told of them."""

from __future__ import annotations

import asyncio
import copy
import json
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]
Kind = tuple[str, str]
"""Group and plural."""
HISTORY = 50_000
"""Events that a watch can begin with."""


class RefusedError(Exception):
    """What the server answers instead: a code and a reason."""

    def __init__(self, code: int, reason: str, name: str = "") -> None:
        super().__init__(reason)
        self.code, self.reason, self.name = code, reason, name


@dataclass(eq=False)
class Watcher:
    """Who follows one kind."""

    kind: Kind
    wanted: Callable[[Object], bool]
    events: asyncio.Queue[tuple[str, bytes]] = field(default_factory=asyncio.Queue)


@dataclass
class Store:
    """All objects, by kind and (namespace, name). For one event loop."""

    version: int = 100
    objects: dict[Kind, dict[tuple[str, str], Object]] = field(default_factory=dict)
    watchers: set[Watcher] = field(default_factory=set)
    told: Callable[[Kind, Object], None] = lambda _kind, _obj: None
    """Called with what was written."""
    _past: deque[tuple[int, Kind, str, Object]] = field(default_factory=lambda: deque(maxlen=HISTORY))

    def of(self, kind: Kind) -> dict[tuple[str, str], Object]:
        return self.objects.setdefault(kind, {})

    def get(self, kind: Kind, key: tuple[str, str]) -> Object:
        found = self.of(kind).get(key)
        if found is None:
            raise RefusedError(404, "NotFound", key[1])
        return found

    def create(self, kind: Kind, body: Object) -> Object:
        meta = body["metadata"]
        key = meta.get("namespace", ""), meta["name"]
        if key in self.of(kind):
            raise RefusedError(409, "AlreadyExists", key[1])
        meta |= {
            "uid": str(uuid.uuid4()),
            "generation": 1,
            "creationTimestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return self._stored(kind, key, body, "ADDED")

    def change(self, kind: Kind, key: tuple[str, str], changed: Object, *, status: bool = False) -> Object:
        """`changed` in place of what is stored, fenced where it names a version; the same again writes nothing."""
        old = self.get(kind, key)
        fence = changed["metadata"].get("resourceVersion")
        if fence not in (None, old["metadata"]["resourceVersion"]):
            raise RefusedError(409, "Conflict", key[1])
        if status:
            changed = {**old, "status": changed.get("status")}
        kept = ("uid", "creationTimestamp", "generation", "resourceVersion", "deletionTimestamp")
        known = {name: old["metadata"][name] for name in kept if name in old["metadata"]}
        changed = {**changed, "metadata": {**changed["metadata"], **known}}
        if changed == old:
            return old
        if changed.get("spec") != old.get("spec"):
            changed["metadata"]["generation"] += 1
        return self._stored(kind, key, changed, "MODIFIED")

    def _stored(self, kind: Kind, key: tuple[str, str], obj: Object, what: str) -> Object:
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        self.of(kind)[key] = obj
        self._past.append((self.version, kind, what, obj))
        line: bytes | None = None
        for each in self.watchers:
            if each.kind == kind and each.wanted(obj):
                line = line or _line(what, obj)
                each.events.put_nowait((what, line))
        self.told(kind, obj)
        return obj

    def follow(self, watcher: Watcher, since: int) -> None:
        """Tell it what happened after version `since`, and from now on."""
        for version, kind, what, obj in self._past:
            if version > since and kind == watcher.kind and watcher.wanted(obj):
                watcher.events.put_nowait((what, _line(what, obj)))
        self.watchers.add(watcher)


def _line(what: str, obj: Object) -> bytes:
    return json.dumps({"type": what, "object": obj}, separators=(",", ":")).encode() + b"\n"


def merged(old: Any, patch: Any) -> Any:
    """A JSON merge patch."""
    if not isinstance(patch, dict):
        return patch
    found = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = merged(found.get(name), value)
    return found


def patched(old: Object, operations: list[dict[str, Any]]) -> Object:
    """A JSON patch; raises RefusedError where a test fails."""
    found = copy.deepcopy(old)
    for one in operations:
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in one["path"].split("/")[1:]]
        here: Any = found
        for part in way:
            here = here[int(part) if isinstance(here, list) else part] if part in here or isinstance(here, list) else {}
        at = (len(here) if last == "-" else int(last)) if isinstance(here, list) else last
        there = here[at] if (at in here if isinstance(here, dict) else at < len(here)) else None
        if one["op"] == "test":
            if there != one["value"]:
                raise RefusedError(422, "Invalid")
        elif one["op"] == "remove":
            del here[at]
        elif isinstance(here, list) and one["op"] == "add":
            here.insert(at, one["value"])
        else:
            here[at] = one["value"]
    return found
