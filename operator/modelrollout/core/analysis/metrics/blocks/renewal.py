"""New samples go behind those of their blocks, where the answer has exactly the series of before, scraped together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from modelrollout.core.analysis.metrics.blocks.block import BlockSeries, Names
from modelrollout.core.analysis.metrics.edges import canonical
from modelrollout.core.analysis.metrics.series import Labels, Millis, Series
from modelrollout.core.analysis.stats.arrays import Array


@dataclass(frozen=True)
class _Order:
    """Which series of an answer belong to which row."""

    labels: list[Labels]
    """As the answer had them."""
    at: tuple[list[int] | None, ...]
    """For each block the position of each row in the answer; None where it has none of them."""


def renewed(known: BlockSeries, fresh: Sequence[Series], low: int, high: int) -> BlockSeries | None:
    """With the samples after `low` and up to `high` (ms) as `fresh` has them; None where that is not so simple."""
    order = _order_of(known.names, [one.labels for one in fresh])
    if order is None:
        return None
    found = []
    for block, at in zip(known.blocks, order.at, strict=True):
        if len(block.times) and block.times[-1] > high:
            return None
        cut = int(block.times.searchsorted(low, side="right"))
        if at is None:
            if cut < len(block.times):
                return None
            found.append(block)
            continue
        columns = _together([fresh[one] for one in at], low, high)
        if columns is None:
            return None
        found.append(block.renewed(cut, *columns))
        if not len(found[-1].times):
            return None
    return BlockSeries(found, known.names)


def _order_of(names: Names, labels: list[Labels]) -> _Order | None:
    known = names.facts.get(_Order)
    if isinstance(known, _Order) and known.labels == labels:
        return known
    at = {canonical(one): position for position, one in enumerate(labels)}
    if len(at) != len(labels) or not names.every.issuperset(at):
        return None
    found: list[list[int] | None] = []
    for rows in names.rows:
        here = [at[one] for one in rows if one in at]
        if here and len(here) < len(rows):
            return None
        found.append(here or None)
    order = _Order(labels, tuple(found))
    names.facts[_Order] = order
    return order


def _together(series: list[Series], low: int, high: int) -> tuple[Millis, Array] | None:
    """The times that all have, and the values (rows, samples); None where they differ."""
    first = series[0].times
    count = len(first)
    apart = [one.times for one in series if one.times is not first]
    if any(len(one) != count for one in apart):
        return None
    if apart and not (np.concatenate(apart).reshape(len(apart), count) == first).all():
        return None
    values = np.concatenate([one.values for one in series]).reshape(len(series), count)
    if count and (first[0] <= low or first[-1] > high):
        start, end = (int(edge) for edge in first.searchsorted((low, high), side="right"))
        return first[start:end], values[:, start:end]
    return first, values
