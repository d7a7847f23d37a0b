"""JSON in pieces: no single call of the library reads more than PIECE bytes, so that other threads run in between.

A cursor over the bytes knows only what is needed to go through an answer. What is read out goes to the library; what
is not is skipped by its brackets and strings. Whatever is no JSON raises ValueError, sooner or later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from modelrollout.adapters.prometheus.together import FIRST, LAST, NEXT

PIECE = 64 * 1024
"""Bytes; a single text, number or set of labels is never longer."""
_SPACE = re.compile(rb"[ \t\n\r]*+")
_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_PLAIN = re.compile(rb"[^\s,:\[\]{}\"]++")
_FLAT = re.compile(rb'\{(?:[^{}\[\]"]++|"(?:[^"\\]++|\\.)*+")*+\}', re.DOTALL)
_OTHER = re.compile(rb'[^\[\]{}"]++')
_LAST_PAIR = re.compile(rb"\][ \t\n\r]*+\]")
_OPEN, _CLOSE = b"[{", b"]}"
_LAST_SPACE = ord(" ")
_USUAL = {b'"metric"': "metric", b'"values"': "values"}
"""Names of members, as they are written in every series."""


def _read(text: bytes | bytearray) -> Any:
    """What the library makes of a text of JSON, which is UTF-8."""
    return json.loads(text.decode("utf-8", "surrogatepass"))


class Pieces:
    """Where the reader stands in `body`."""

    def __init__(self, body: bytes | bytearray) -> None:
        self._body = body
        self._at = 0

    @property
    def at(self) -> int:
        """The byte that comes next."""
        return self._at

    def count(self, text: bytes) -> int:
        """How often `text` stands anywhere in the body."""
        return self._body.count(text)

    def peek(self) -> bytes:
        """The next byte that is no space; empty at the end."""
        if self._at < len(self._body) and self._body[self._at] > _LAST_SPACE:  # as a rule
            return bytes(self._body[self._at : self._at + 1])
        found = _SPACE.match(self._body, self._at)
        self._at = self._at if found is None else found.end()
        return bytes(self._body[self._at : self._at + 1])

    def members(self) -> Iterator[str]:
        """The names of an object's members; whoever iterates reads or skips the value before the next."""
        self._take(b"{")
        if self._ends(b"}"):
            return
        while True:
            self.peek()
            text = self._matched(_TEXT)
            name = _USUAL.get(text) or _read(text)
            self._take(b":")
            yield name
            if self._ends(b"}"):
                return
            self._take(b",")

    def elements(self) -> Iterator[None]:
        """Once for each element of a list; whoever iterates reads or skips it before the next."""
        self._take(b"[")
        if self._ends(b"]"):
            return
        while True:
            yield
            if self._ends(b"]"):
                return
            self._take(b",")

    def flat(self) -> bytes | None:
        """An object of at most PIECE bytes that holds texts and numbers alone, as it is written; None for any other."""
        if self.peek() != b"{" or (found := _FLAT.match(self._body, self._at, self._at + PIECE)) is None:
            return None
        self._at = found.end()
        return bytes(found[0])

    def value(self) -> Any:
        """A value of at most PIECE bytes."""
        start = self.peek()
        if start == b"{" and (flat := _FLAT.match(self._body, self._at, self._at + PIECE)):
            self._at = flat.end()
            return _read(flat[0])
        begin = self._at
        self.skip()
        if self._at - begin > PIECE:
            raise ValueError("a value is too long")
        return json.loads(self._body[begin : self._at])

    def skip(self) -> None:
        """Any value, without looking at more of it than where it ends."""
        depth = 0
        while True:
            start = self.peek()
            if not start:
                raise ValueError("the end is missing")
            if start == b'"':
                self._matched(_TEXT)
            elif start in _OPEN or (depth and start in _CLOSE):
                self._at += 1
                depth += 1 if start in _OPEN else -1
            else:
                self._matched(_OTHER if depth else _PLAIN)
            if not depth:
                return

    def pairs(self) -> Iterator[list[Any]]:
        """A list of short lists, in pieces; a bracket in a text of one of them raises ValueError."""
        self._take(b"[")
        if self._ends(b"]"):
            return
        while True:
            window = self._at + PIECE
            last = _LAST_PAIR.search(self._body, self._at, window)
            end = self._body.rfind(b"],", self._at, window) if last is None else last.start()
            if end < 0:
                raise ValueError("this is no list of pairs")
            found: list[Any] = _read(b"[" + self._body[self._at : end + 1] + b"]")
            self._at = end + 2 if last is None else last.end()
            yield found
            if last is not None:
                return

    def run(self) -> tuple[bytes, int] | None:
        """What stands between FIRST and the last NEXT of a piece, and the byte after its LAST; None where none does."""
        if not self._body.startswith(FIRST, self._at):
            return None
        begin = self._at + len(FIRST)
        end = self._body.rfind(NEXT, begin, self._at + PIECE)
        return None if end < 0 else (bytes(self._body[begin:end]), end + len(LAST))

    def go_to(self, at: int) -> None:
        """What stands before byte `at` was read otherwise."""
        self._at = at

    def finish(self) -> None:
        """Nothing may follow."""
        if self.peek():
            raise ValueError("something follows the answer")

    def _ends(self, closing: bytes) -> bool:
        if self.peek() != closing:
            return False
        self._at += 1
        return True

    def _take(self, expected: bytes) -> None:
        if self.peek() != expected:
            raise ValueError(f"{expected.decode()} is missing")
        self._at += 1

    def _matched(self, pattern: re.Pattern[bytes]) -> bytes:
        found = pattern.match(self._body, self._at, self._at + PIECE)
        if found is None:
            raise ValueError("this is no JSON")
        self._at = found.end()
        return bytes(found[0])
