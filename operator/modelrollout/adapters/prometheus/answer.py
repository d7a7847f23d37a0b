"""From the bytes of an answer to series, in bounded memory: one answer at a time, and no object per sample kept."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelrollout.adapters.prometheus.failures import Refused, printable
from modelrollout.core.analysis.metrics.series import Series, one_per_time

MAX_SERIES = 10_000
MAX_SAMPLES = 400_000
"""Of one answer; a sample is about 25 bytes of JSON, so this many fill an answer of the largest size."""
MAX_COMMAS = 4 * MAX_SAMPLES
"""Every object that an answer can make in memory stands behind a comma or a bracket."""
MOST_MEMORY = 128 * 2**20
"""Bytes that reading one answer takes besides its text; a test holds it to this."""
_PARSING = threading.Lock()
"""Parsing holds many times what the text does: the process does it once at a time."""
SMALL = 256 * 1024
"""Bytes of an answer that waits for no other to be parsed."""
_PLAUSIBLE = 1e12
"""No sample is from after this epoch second."""


@dataclass(frozen=True)
class _Points:
    labels: Any
    times: Any
    values: Any


def read_answer(body: bytes, limited: str | None = None) -> list[_Points]:
    """The series of Prometheus's JSON. Raises Refused for one that is incomplete or too large, else any error.

    `limited`: what the server says of a limit that it reached.
    """
    if limited:
        raise Refused("PartialAnswer", f"the answer may be incomplete: {printable(limited)}")
    if body.count(b"[") > MAX_SAMPLES + 4 * MAX_SERIES or body.count(b",") > MAX_COMMAS:
        raise Refused("AnswerTooLarge", f"the answer has more than {MAX_SAMPLES} samples")
    if body.count(b"{") > 4 * MAX_SERIES:
        raise too_many(body.count(b'"metric"'))
    with _PARSING if len(body) > SMALL else contextlib.nullcontext():
        answer = json.loads(body, object_hook=_compact)
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), dict):
        raise TypeError("this is no answer of Prometheus")
    _complete(answer)
    result = answer["data"].get("result")
    if not isinstance(result, list):
        raise TypeError(f"result is {type(result).__name__}, not a list of series")
    return result


def series_of(result: Any, start: float, end: float) -> tuple[Series, ...]:
    """The samples from `start` to `end`: what was not asked for is left out."""
    if len(result) > MAX_SERIES:
        raise too_many(len(result))
    found = [_series(one, start, end) for one in result if not _is_native_histogram(one)]
    return tuple(one for one in found if len(one.times))


def too_many(number: int) -> Refused:
    """More series than are held."""
    text = f"{number} series, more than {MAX_SERIES}: narrow the matchers or drop labels when scraping"
    return Refused("TooManySeries", text)


def _compact(found: dict[str, Any]) -> Any:
    """Numbers in place of the lists, as soon as a series has been read; labels are texts and never lists."""
    values = found.get("values")
    if not isinstance(values, list) or not isinstance(found.get("metric"), dict):
        return found
    times = np.array([_time(at) for at, _ in values], dtype=float)
    return _Points(found["metric"], times, np.array([_value(value) for _, value in values], dtype=float))


def _time(at: Any) -> float:
    """Epoch seconds; NaN where they are no number that a clock could show."""
    seconds = float(at)
    return seconds if abs(seconds) < _PLAUSIBLE else np.nan


def _value(value: Any) -> float:
    """A number; NaN where it is none, so that one bad sample is left out and not the answer."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return np.nan


def _series(one: Any, start: float, end: float) -> Series:
    if not isinstance(one, _Points) or not _are_labels(one.labels):
        raise TypeError("an entry is no series with values")
    kept = (one.times >= start - 0.001) & (one.times <= end + 0.001)
    millis = np.round(one.times[kept] * 1000).astype(np.int64)
    return Series(tuple(sorted(one.labels.items())), *one_per_time(millis, one.values[kept]))


def _are_labels(found: Mapping[Any, Any]) -> bool:
    return all(isinstance(value, str) for value in found.values())


def _is_native_histogram(one: Any) -> bool:
    return isinstance(one, dict) and "histograms" in one and "values" not in one


def _complete(answer: Mapping[str, Any]) -> None:
    """Thanos and Prometheus say in `warnings` what is missing, VictoriaMetrics by `isPartial`; `infos` are no harm."""
    if answer.get("isPartial") not in (None, False):
        raise Refused("PartialAnswer", "the answer may be incomplete: isPartial, some storage nodes did not answer")
    warnings = answer.get("warnings") or []
    texts = [str(one) for one in warnings] if isinstance(warnings, list) else [str(warnings)]
    serious = [text for text in texts if not text.startswith("PromQL info:")]
    if serious:
        raise Refused("PartialAnswer", f"the answer may be incomplete: {printable('; '.join(serious[:5]))}")
