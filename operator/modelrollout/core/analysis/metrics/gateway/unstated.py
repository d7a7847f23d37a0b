"""An answer whose status nobody tells is none that went well: it is not counted, and people are told."""

from __future__ import annotations

from collections.abc import Iterable

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.core.evaluation import EvaluationRequest


def unstated(stores: Iterable[SampleStore], reader: SeriesReader, request: EvaluationRequest) -> tuple[str, ...]:
    """A sentence where the gateway's answers of a version have no status in the label that its dialect names."""
    stores = tuple(stores)
    for face, _ in s.faces(request):
        counted = (one for metric in face.counters for store in stores for one in store.named(metric))
        if any(reader.lacks_status(dict(one.labels)) for one in counted):
            lost = f"{face.requests} of this route has no label {face.status}, so errors cannot be told from answers"
            fix = f"correct `status` of the dialect {face.name}, or let the gates read source: Model"
            return (f"{lost} and nothing of it is counted: {fix}",)
    return ()
