"""What the API server has shown of the rollouts under way, so that a pass reads nothing that was told a moment ago.

A copy is as good as a read while it is FRESH times `resync` old at the most. Its age counts from the watch's event, the
answer or the write that brought it, and anew from every list of names and versions in which it still has the same
version. So a watch that says nothing for ever is found as soon as by reading, and one list stands for the reads of all.

A copy may be behind for a moment. Lowering tests what stands there and needs none of it; every other write is fenced by
the copy's resourceVersion; and what moves a rollout on is decided on objects read just then (reconcile.py).
"""

from __future__ import annotations

import json
import re
import time
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelrollout.api.borders.cleaning import mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

FRESH = 1.5
"""Times `resync`: they are confirmed every `resync`, and a list takes its time."""
LARGEST = 128 * 1024
"""Bytes of an object that is kept; a larger one is read each time."""
MOST_BYTES = 32 * 2**20
"""Of all copies; what does not fit is read each time."""
_OBJECT = re.compile(r"(/.+/namespaces/([^/]+)/[^/]+/([^/?]+))(?:/status)?")
Key = tuple[str, str]
"""Namespace and name."""


@dataclass
class Copies:
    """Whether a read was answered by a copy, of those that were done inside `answering`."""

    used: bool = False


_COPIES: ContextVar[Copies | None] = ContextVar("copies", default=None)


@contextmanager
def answering(copies: Copies | None) -> Iterator[None]:
    """Inside, a read may be answered by a copy that is still good; not where `copies` is None."""
    before = _COPIES.set(copies)
    try:
        yield
    finally:
        _COPIES.reset(before)


@dataclass
class _Copy:
    text: bytes
    version: int
    at: float


class Known:
    """Copies by path, of objects that have the namespace and name of a resource that is followed. Seconds."""

    def __init__(self, resync: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._fresh, self._monotonic = FRESH * resync, monotonic
        self._followed: dict[Key, set[str]] = {}
        self._copies: dict[str, _Copy] = {}
        self._bytes = 0

    @property
    def namespaces(self) -> frozenset[str]:
        """Those of the resources that are followed."""
        return frozenset(namespace for namespace, _ in self._followed)

    def follow(self, namespace: str, name: str, *, active: bool) -> None:
        """Keep copies of this resource and its route from now on, or no longer."""
        if active:
            self._followed.setdefault((namespace, name), set())
            return
        for path in tuple(self._followed.pop((namespace, name), ())):
            self._drop(path)

    def now(self) -> float:
        """The moment to give to `shown` and `listed`: when the question was sent."""
        return self._monotonic()

    def shown(self, path: str, text: bytes | None, found: dict[str, Any], at: float | None = None) -> None:
        """An object as the server shows it: as bytes in an answer to what was asked `at` that time, else by a watch.

        What is older than the copy tells nothing, and a watch that repeats it does not say that it still is so.
        """
        called = _OBJECT.fullmatch(path)
        held = self._followed.get((called[2], called[3])) if called else None
        if called is None or held is None:
            return
        path, version = called[1], _number(mapping(found.get("metadata")).get("resourceVersion"))
        old = self._copies.get(path)
        if version is None or "kind" not in found:
            self._drop(path)
        elif old is None or version > old.version or (version == old.version and text is not None):
            self._drop(path)
            text = json.dumps(found, separators=(",", ":")).encode() if text is None else text
            if len(text) <= LARGEST and self._bytes + len(text) <= MOST_BYTES:
                held.add(path)
                self._copies[path] = _Copy(text, version, self.now() if at is None else at)
                self._bytes += len(text)

    def gone(self, path: str) -> None:
        """It was deleted, or something else is wrong with what is known of it."""
        called = _OBJECT.fullmatch(path)
        self._drop(path if called is None else called[1])

    @contextmanager
    def doubting(self, method: str, path: str) -> Iterator[None]:
        """Around a call: a write that failed, or whose end is not known, leaves no copy of the object."""
        try:
            yield
        except BaseException:
            if method != "GET":
                self.gone(path)
            raise

    def follows(self, namespace: str, name: str) -> bool:
        """Whether copies of this resource and its route are kept."""
        return (namespace, name) in self._followed

    def listed(
        self,
        versions: Iterable[tuple[str, str, str]],
        path_of: Callable[[str, str], str],
        at: float,
        namespaces: Iterable[str],
    ) -> None:
        """The objects of one kind that are followed and were there at `at`, (namespace, name, version).

        `namespaces` are those that were listed. A copy of the same version is as good as new; one that is behind, or is
        not there any more, is none any more.
        """
        found = {path_of(namespace, name): _number(version) for namespace, name, version in versions}
        asked = frozenset(namespaces)
        for namespace, name in tuple(self._followed):
            path = path_of(namespace, name)
            copy = self._copies.get(path)
            if copy is None or namespace not in asked:
                continue
            version = found.get(path)
            if version == copy.version:
                copy.at = max(copy.at, at)
            elif copy.at < at and (version is None or version > copy.version):
                self._drop(path)

    def copy(self, path: str) -> dict[str, Any] | None:
        """The object as it was shown last, where a copy does in this context and is still good."""
        context, held = _COPIES.get(), self._copies.get(path)
        if context is None or held is None or self.now() - held.at > self._fresh:
            return None
        context.used = True
        found: dict[str, Any] = json.loads(held.text)
        return found

    def newest(self, path: str, found: dict[str, Any]) -> dict[str, Any]:
        """What was read, or the copy where that is newer and still good: an answer may be late."""
        held, version = self._copies.get(path), _number(mapping(found.get("metadata")).get("resourceVersion"))
        if held is None or version is None or version >= held.version or self.now() - held.at > self._fresh:
            return found
        newer: dict[str, Any] = json.loads(held.text)
        return newer

    def _drop(self, path: str) -> None:
        old = self._copies.pop(path, None)
        if old is not None:
            self._bytes -= len(old.text)


def _number(version: object) -> int | None:
    """A resourceVersion as a number, so that two can be compared; None where it is none."""
    text = str(version)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None  # noqa: PLR2004 - 64 bits
