"""What an answer repeats of the one before is not read again: every query asks for its last minutes again.

Samples may come late, so five minutes are asked for where fifteen seconds are new, and all but those are the same bytes
as the last time. They are compared, byte by byte, and only what follows them is read. So what is found is what reading
everything finds, whatever a server answers.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from modelrollout.adapters.prometheus.together import SAMPLE, VALUE, Points, numbers
from modelrollout.core.analysis.stats.arrays import Array

LONGEST = 600.0
"""Seconds: an answer about more is the past, which is read once."""
LARGEST, MOST = 4 * 2**20, 24 * 2**20
"""Bytes that are kept of one answer and of all, those that were asked for last: 64 layers of two versions are 3 MiB."""
IDLE = 600.0
"""Seconds after which what nobody asked for again is forgotten."""
_SERIES = 400
"""Bytes of Python's objects around one series."""
_OPEN = b"],["
_NOTHING: Array = np.empty(0)


@dataclass
class LastAnswer:
    """Of one query: its series as they were read the last time, replaced as a whole. Any thread may read it."""

    series: Sequence[Points] = ()
    bytes: int = 0
    used: float = field(default_factory=time.monotonic)


class LastAnswers:
    """Of the queries that were asked last; for any thread."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._of: OrderedDict[tuple[str, str], LastAnswer] = OrderedDict()

    def of(self, server: str, query: str) -> LastAnswer:
        """What was read of this query's answer the last time; others are forgotten where all are too much, or idle."""
        now = time.monotonic()
        with self._lock:
            found = self._of.setdefault((server, query), LastAnswer())
            self._of.move_to_end((server, query))
            found.used = now
            held = sum(one.bytes for one in self._of.values())
            while len(self._of) > 1:
                oldest = next(iter(self._of.values()))
                if held <= self._most and oldest.used >= now - IDLE:
                    break
                held -= oldest.bytes
                self._of.popitem(last=False)
        return found


class GoingOn:
    """Reads one answer, in which series usually stand in the order of the one before."""

    def __init__(self, last: LastAnswer) -> None:
        self._last, self._before, self._at = last, last.series, 0
        self._now: list[Points] = []
        self._times: dict[tuple[int, int, bytes], Array] = {}

    def read(self, parts: list[bytes]) -> list[Points] | None:
        """The series of these texts, where each goes on from the one that stood there before; None where one does not.

        Series that were read otherwise are given to `add`.
        """
        known = self._before[self._at : self._at + len(parts)]
        if len(known) < len(parts) or not all(map(bytes.startswith, parts, [one.head for one in known])):
            return None
        left, rests = _rests(known, parts)
        new = [rest[len(_OPEN) :] for rest in rests if rest.startswith(_OPEN)]
        if len(rests) < len(parts) or len(new) < sum(map(bool, rests)):
            return None
        read = numbers(new) if new else []
        if read is None:
            return None
        pairs = iter(read)
        fresh = [next(pairs) if rest else (_NOTHING, _NOTHING) for rest in rests]
        found: list[Points] = []
        for begin, end in _runs(known, fresh):
            times, rows = self._together(known[begin:end], left[begin], fresh[begin:end])
            found += [
                Points(old.labels, times, row, old.head, part[len(old.head) :])
                for old, row, part in zip(known[begin:end], rows, parts[begin:end], strict=True)
            ]
        self._at += len(parts)
        self._now += found
        return found

    def _together(
        self, known: Sequence[Points], left: int, fresh: Sequence[tuple[Array, Array]]
    ) -> tuple[Array, Array]:
        """(times, rows of values) of series that had the same times before, and have the same new ones."""
        key = id(known[0].times), left, fresh[0][0].tobytes()
        if key not in self._times:
            self._times[key] = np.concatenate([known[0].times[left:], fresh[0][0]])
        before, now = _rows([one.values for one in known]), _rows([values for _, values in fresh])
        return self._times[key], np.concatenate([before[:, left:], now], axis=1)

    def add(self, series: Sequence[Points]) -> None:
        """Series that were read otherwise: what follows the last of them is where it was before."""
        self._now += series
        self._at = self._places.get(series[-1].head, self._at + len(series) - 1) + 1

    @cached_property
    def _places(self) -> dict[bytes, int]:
        return {one.head: at for at, one in enumerate(self._before)}

    def finish(self) -> None:
        """The answer was read to its end: the next one goes on from it."""
        held = sum(2 * len(one.head) + len(one.text) + one.values.nbytes + _SERIES for one in self._now)
        self._last.series, self._last.bytes = (self._now, held) if held <= LARGEST else ((), 0)


def _rests(known: Sequence[Points], parts: Sequence[bytes]) -> tuple[list[int], list[bytes]]:
    """For each (how many samples of before are not there any more, the text after those that are).

    Where the samples of before do not stand at the beginning, up to their end, the lists end.
    """
    left, rests = list[int](), list[bytes]()
    times, out = None, 0
    for old, part in zip(known, parts, strict=True):
        if old.times is not times:
            times, out = old.times, _left_out(old, part)
        begin, head = 0, len(old.head)
        for _ in range(out):
            begin = old.text.find(SAMPLE, begin) + len(SAMPLE)
        again = old.text[begin:]
        if not part.startswith(again, head):
            break
        left.append(out)
        rests.append(part[head + len(again) :])
    return left, rests


def _left_out(old: Points, part: bytes) -> int:
    """How many of the first samples of before are not in the text; 0 also where all are others."""
    head = len(old.head)
    first = part[head : part.find(VALUE, head) + len(VALUE)]
    begin = old.text.find(SAMPLE + first)
    return 0 if begin < 0 or old.text.startswith(first) else old.text.count(SAMPLE, 0, begin) + 1


def _runs(known: Sequence[Points], fresh: Sequence[tuple[Array, Array]]) -> Iterator[tuple[int, int]]:
    """(first, after the last) of neighbours that had the same times before, and have the same new ones."""
    begin = 0
    for at in range(1, len(known) + 1):
        if at == len(known) or known[at].times is not known[begin].times or fresh[at][0] is not fresh[begin][0]:
            yield begin, at
            begin = at


def _rows(values: list[Array]) -> Array:
    return np.concatenate(values).reshape(len(values), -1)
