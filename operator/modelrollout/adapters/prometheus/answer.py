"""From the bytes of an answer to series, in bounded memory: piece by piece, and no object per sample or label kept."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelrollout.adapters.prometheus import limits
from modelrollout.adapters.prometheus.failures import Refused, printable
from modelrollout.adapters.prometheus.going_on import GoingOn, LastAnswer
from modelrollout.adapters.prometheus.pieces import Pieces
from modelrollout.adapters.prometheus.together import NEXT, Points, read_together
from modelrollout.core.analysis.metrics.series import Labels, Millis, Series, one_per_time
from modelrollout.core.analysis.stats.arrays import Array, Flags

_READ: dict[bytes, Labels] = {}
"""The labels of series that were read lately, by their JSON without braces: the next answer has the same ones.

Some 10 MiB at most, whatever servers send: of so many series, and of labels that are no longer than this in bytes."""
_MOST_READ, _LONGEST_READ = 4_096, 600


def _nothing(_: int) -> None:
    """Where nobody asks."""


@dataclass
class AnswerReader:
    """Reads one answer; `step` is told the byte that was reached, `take` the bytes of what is kept.

    Either may raise. `last` is what was read of the same query's answer the last time, and then of this one.
    """

    step: Callable[[int], None] = _nothing
    take: Callable[[int], None] = _nothing
    last: LastAnswer | None = None

    def read(self, body: bytes | bytearray, limited: str | None = None) -> list[Points]:
        """The series of Prometheus's JSON. Raises Refused for one that is incomplete or too large, else any error.

        `limited`: what the server says of a limit that it reached.
        """
        if limited:
            raise Refused("PartialAnswer", f"the answer may be incomplete: {printable(limited)}")
        _within_limits(body)
        self._pieces = Pieces(body)
        self._known: dict[tuple[str, str], tuple[str, str]] = {}
        self._times: tuple[list[float], Array] = [], np.empty(0)
        self._otherwise = 0
        self._going_on = None if self.last is None else GoingOn(self.last)
        self._said: dict[str, list[Any]] = {"status": [], "error": [], "isPartial": [], "warnings": []}
        result = None
        for name in self._pieces.members():
            if name != "data" or self._pieces.peek() != b"{":  # an answer that failed may have a null there
                self._hear(name)
            elif result is None:
                result = self._data()
            else:
                raise twice(name)
        self._pieces.finish()
        _succeeded(self._said)
        _complete(self._said)
        if result is None:
            raise TypeError("this is no answer of Prometheus")
        if self._going_on is not None:
            self._going_on.finish()
        return result

    def _hear(self, name: str) -> None:
        """Skip a member, unless it says what the answer is worth."""
        if name in self._said:
            self._said[name].append(self._pieces.value())
        else:
            self._pieces.skip()

    def _data(self) -> list[Points] | None:
        result = None
        for name in self._pieces.members():
            if name != "result":
                self._hear(name)
            elif result is None:
                result = self._result()
            else:
                raise twice(name)
        return result

    def _result(self) -> list[Points]:
        found: list[Points] = []
        number = 0
        for _ in self._pieces.elements():
            several = self._several()
            number += len(several) or 1
            if number > limits.MAX_SERIES:
                raise too_many(self._pieces.count(b'"metric"'))
            one = None if several else self._one()
            found += several if one is None else [one]
            self.step(self._pieces.at)
        return found

    def _several(self) -> list[Points]:
        """The next series, those of a piece, where all are written as usual; none where they are not."""
        if self._pieces.at < self._otherwise or (run := self._pieces.run()) is None:
            return []
        text, end = run
        self._otherwise = end  # until then one by one, if it comes to that
        parts = text.split(NEXT)
        found = None if self._going_on is None else self._going_on.read(parts)
        if found is None:
            found = read_together(parts, self._labels_of)
            if found is None:
                return []
            if self._going_on is not None:
                self._going_on.add(found)
        else:
            self.take(limits.SERIES * len(found) + 8 * sum(len(one.labels) for one in found))
        self.take(limits.SAMPLE * sum(len(one.values) for one in found))
        self._pieces.go_to(end)
        return found

    def _one(self) -> Points | None:
        """One series; None for a native histogram, which no gate reads."""
        labels, points, other = None, None, False
        for name in self._pieces.members():
            if (name == "metric" and labels is not None) or (name == "values" and points is not None):
                raise twice(name)
            if name == "metric":
                labels = self._labels()
            elif name == "values":
                points = self._points()
            else:
                other = other or name == "histograms"
                self._pieces.skip()
        if labels is None or points is None:
            if other:
                return None
            raise TypeError("an entry is no series with values")
        return Points(labels, *points)

    def _labels(self) -> Labels:
        text = self._pieces.flat()
        return self._checked(self._pieces.value()) if text is None else self._labels_of(text[1:-1])

    def _labels_of(self, text: bytes) -> Labels:
        """What stands between the braces. Raises ValueError or TypeError where that is nothing but labels."""
        known = _READ.get(text)
        if known is not None:
            self.take(limits.SERIES + 8 * len(known))
            return known
        known = self._checked(json.loads(b"{%b}" % text))
        if len(text) <= _LONGEST_READ:
            if len(_READ) >= _MOST_READ:
                _READ.clear()
            _READ[text] = known
        return known

    def _checked(self, found: Any) -> Labels:
        if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            raise TypeError("the labels are no texts")
        known = tuple(sorted(self._once(pair) for pair in found.items()))
        self.take(limits.SERIES + 8 * len(known))
        return known

    def _once(self, pair: tuple[str, str]) -> tuple[str, str]:
        """The same pair as in the series before, where one had it: of most labels there are few values."""
        known = self._known.get(pair)
        if known is None:
            self.take(limits.LABEL + sum(sys.getsizeof(text) for text in pair))
            self._known[pair] = known = pair
        return known

    def _points(self) -> tuple[Array, Array]:
        times, values = [], []
        for pairs in self._pieces.pairs():
            self.take(limits.SAMPLE * len(pairs))
            times.append(self._times_of([float(at) for at, _ in pairs]))
            values.append(_values([value for _, value in pairs]))
            self.step(self._pieces.at)
        return _joined(times), _joined(values)

    def _times_of(self, times: list[float]) -> Array:
        """The array of the series before where the times are the same: most of a target's are scraped together."""
        if times != self._times[0]:
            self._times = times, np.array(times)
        return self._times[1]


def series_of(result: list[Points], start: float, end: float) -> tuple[Series, ...]:
    """The samples from `start` to `end`: what was not asked for is left out. `result` is empty then."""
    result.reverse()
    found: list[Series] = []
    last: tuple[Array | None, _Kept] = None, _Kept(np.zeros(0, dtype=np.int64), slice(0, 0), rising=True)
    while result:  # one after the other, so that they are not held twice
        one = result.pop()
        if one.times is not last[0]:
            last = one.times, _kept(one.times, start, end)
        kept = last[1]
        if len(kept.millis):
            values = one.values[kept.at]
            pair = (kept.millis, values) if kept.rising else one_per_time(kept.millis, values)
            found.append(Series(one.labels, *pair))
    return tuple(found)


def too_many(number: int) -> Refused:
    """More series than are held."""
    text = f"{number} series, more than {limits.MAX_SERIES}: narrow the matchers or drop labels when scraping"
    return Refused("TooManySeries", text)


def twice(name: str) -> ValueError:
    """What stands twice would be read by half."""
    return ValueError(f"{name} stands twice")


def _within_limits(body: bytes | bytearray) -> None:
    """Refuse at once what could not be held."""
    most = limits.MAX_SAMPLES
    if body.count(b"[") > most + 4 * limits.MAX_SERIES or body.count(b",") > limits.MAX_COMMAS:
        raise Refused("AnswerTooLarge", f"the answer has more than {most} samples")
    if body.count(b"{") > 4 * limits.MAX_SERIES:
        raise too_many(body.count(b'"metric"'))


def _joined(parts: list[Array]) -> Array:
    return parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else np.empty(0)


def _values(given: list[Any]) -> Array:
    try:
        return np.array(list(map(float, given)))
    except (TypeError, ValueError, OverflowError):
        return np.array([_value(one) for one in given])


def _value(value: Any) -> float:
    """A number; NaN where it is none, so that one bad sample is left out and not the answer."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return np.nan


@dataclass(frozen=True)
class _Kept:
    """Which samples were asked for, by their times."""

    millis: Millis
    at: Flags | slice
    rising: bool


def _kept(times: Array, start: float, end: float) -> _Kept:
    kept = (times >= start - 0.001) & (times <= end + 0.001)
    millis = np.round(times[kept] * 1000).astype(np.int64)
    return _Kept(millis, slice(None) if kept.all() else kept, bool((np.diff(millis) > 0).all()))


def _succeeded(said: dict[str, list[Any]]) -> None:
    """A query that failed half-way may say so with HTTP status 200, beside the series that it had until then."""
    errors = [one for one in said["error"] if one]
    if any(one != "success" for one in said["status"]) or errors:
        text = f": {printable(errors[0])}" if errors and isinstance(errors[0], str) else ""
        raise Refused("PrometheusError", f"Prometheus failed: HTTP status 200, but no success{text}")


def _complete(found: dict[str, list[Any]]) -> None:
    """Thanos and Prometheus say in `warnings` what is missing, VictoriaMetrics by `isPartial`; `infos` are no harm.

    What is said twice counts each time: a proxy that joins answers must not take back what one of them said.
    """
    if any(one not in (None, False) for one in found["isPartial"]):
        raise Refused("PartialAnswer", "the answer may be incomplete: isPartial, some storage nodes did not answer")
    given = [one for one in found["warnings"] if one]
    texts = [str(text) for one in given for text in (one if isinstance(one, list) else [one])]
    serious = [text for text in texts if not text.startswith("PromQL info:")]
    if serious:
        raise Refused("PartialAnswer", f"the answer may be incomplete: {printable('; '.join(serious[:5]))}")
