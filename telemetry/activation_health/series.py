"""Counters become series here and nowhere else; within a group totals come before their parts.

A scrape may see a group half written; totals first keeps a part from ever exceeding its total.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from activation_health import catalog
from activation_health.catalog import Sample
from activation_health.measure.histogram import LE_LABELS
from activation_health.requests import DURATION_LABELS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from activation_health.catalog import Family, Group
    from activation_health.evals import EvalCounters
    from activation_health.measure.state import LayerTotals
    from activation_health.requests import RequestTotals
    from activation_health.spec import Layer

Names = tuple[str, ...]


def layer_groups(model: Names, layer: Layer, window: int, totals: LayerTotals) -> Iterator[Group]:
    """The groups of one layer; `model` is (model, version)."""
    labels = (*model, layer.name)
    yield _element_group(labels, totals, elementwise=layer.elementwise)
    windows = totals.windows
    yield (
        Sample(catalog.WINDOW_SIZE, labels, window),
        Sample(catalog.LAYER_INFO, (*labels, layer.dead_if), 1),
        Sample(catalog.WINDOWS, labels, windows.windows),
        Sample(catalog.WINDOW_NEURONS, labels, windows.neurons),
        Sample(catalog.WINDOW_DEAD, labels, windows.dead),
        Sample(catalog.WINDOW_DEAD_SQUARED, labels, windows.dead_squared),
    )
    if totals.alpha is not None:
        mean, variance = totals.alpha
        yield Sample(catalog.ALPHA_MEAN, labels, mean), Sample(catalog.ALPHA_VARIANCE, labels, variance)


def _element_group(labels: Names, totals: LayerTotals, *, elementwise: bool) -> Group:
    tally = totals.tally
    group = (
        Sample(catalog.OFFERED, labels, totals.offered),
        Sample(catalog.OBSERVATIONS, labels, totals.observations),
        Sample(catalog.SAMPLES, labels, totals.samples),
        Sample(catalog.ELEMENTS, labels, tally.elements),
        Sample(catalog.NONFINITE, (*labels, "nan"), tally.nans),
        Sample(catalog.NONFINITE, (*labels, "inf"), tally.infs),
    )
    if not elementwise:
        return group
    return (
        *group,
        Sample(catalog.ZEROS, labels, tally.zeros),
        Sample(catalog.NEGATIVES, labels, tally.negatives),
        *_buckets(catalog.ABS_BUCKET, labels, LE_LABELS, tally.buckets),
    )


def eval_groups(model: Names, evals: EvalCounters) -> Iterator[Group]:
    """One group a source, and one of what was lost."""
    judged, correct, lost = evals.totals()
    for source in judged:
        yield (
            Sample(catalog.EVALS, (*model, source), judged[source]),
            Sample(catalog.EVALS_CORRECT, (*model, source), correct[source]),
        )
    yield tuple(Sample(catalog.EVALS_LOST, (*model, reason), count) for reason, count in lost.items())


def request_group(model: Names, totals: RequestTotals) -> Group:
    """Requests, errors and durations."""
    return (
        Sample(catalog.REQUESTS, model, totals.requests),
        Sample(catalog.REQUEST_ERRORS, model, totals.errors),
        Sample(catalog.DURATION_COUNT, model, totals.requests),
        Sample(catalog.DURATION_SUM, model, totals.seconds),
        *_buckets(catalog.DURATION_BUCKET, model, DURATION_LABELS, totals.buckets),
    )


def _buckets(family: Family, labels: Names, edges: Sequence[str], counts: Sequence[int]) -> Iterator[Sample]:
    for edge, count in reversed(list(zip(edges, counts, strict=True))):  # +Inf, the total, comes first
        yield Sample(family, (*labels, edge), count)
