"""An answer whose status nobody tells is none that went well: it is not counted, and people are told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.core.evaluation import EvaluationRequest
from modelrollout.dialects.dialect import Dialect

_FIX = "let the gates read source: Model or Triton"


def unstated(stores: Iterable[SampleStore], reader: SeriesReader, request: EvaluationRequest) -> tuple[str, ...]:
    """A sentence where the gateway's answers of a version, or its calls of gRPC, have no status that can be read."""
    stores = tuple(stores)
    found: list[str] = []
    for face, grpc in s.faces(request):
        told = [metric for metric, status in face.counters.items() if status is None]
        if any(reader.lacks_status(labels) for labels in _labels(stores, told)):
            lost = f"{face.requests} of this route has no label {face.status}, so errors cannot be told from answers"
            found.append(f"{lost} and nothing of it is counted: correct `status` of the dialect {face.name}, or {_FIX}")
        elif grpc and not told and _are_timed_alone(stores, reader, face):
            lost = f"{face.name} times calls of gRPC and keeps no count of their status ({face.requests} and its like)"
            found.append(f"{lost}, so errors that gRPC alone tells are not seen: {_FIX}")
    return tuple(dict.fromkeys(found))


def _are_timed_alone(stores: tuple[SampleStore, ...], reader: SeriesReader, face: Dialect) -> bool:
    """Whether calls of a version were answered, and none has been counted by its status."""
    timed = any(reader.is_a_call(labels) for labels in _labels(stores, [face.durations or ""]))
    return timed and not any(reader.channel(labels) for labels in _labels(stores, face.counters))


def _labels(stores: tuple[SampleStore, ...], metrics: Iterable[str]) -> Iterator[dict[str, str]]:
    return (dict(one.labels) for metric in metrics for store in stores for one in store.named(metric))
