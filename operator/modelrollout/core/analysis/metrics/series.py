"""One series as it was scraped: its labels, the times of its samples and their values, nothing derived."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from modelrollout.api.borders.cleaning import clean_name
from modelrollout.core.analysis.stats.arrays import Array

Millis = npt.NDArray[np.int64]
Labels = tuple[tuple[str, str], ...]
Target = tuple[str, str]
LONGEST_LABEL = 1024
"""Characters of a label's value: more than a gateway needs to name namespace, route, Service and port."""


@dataclass(frozen=True)
class Series:
    """One series: its labels (sorted, with __name__), scrape times in ms (rising), values (same shape)."""

    labels: Labels
    times: Millis
    values: Array

    @property
    def target(self) -> Target:
        """(job, instance): all series of one target share the timestamps of its scrapes."""
        return target_of(self.labels)


def target_of(labels: Labels) -> Target:
    """(job, instance) of a series."""
    found = dict(labels)
    return found.get("job", ""), found.get("instance", "")


LATEST = 2.0**40
"""Epoch seconds, far beyond any year that has a number of its own: what lies beyond is no time."""


def make_series(labels: Mapping[str, str], points: Iterable[tuple[float, float]]) -> Series:
    """A series from (epoch seconds, value) in any order. A sample whose time is none is left out.

    Of samples at one time one stays, whatever their order: as `one_per_time` has it.
    """
    at, values = np.array(list(points), dtype=float).reshape(-1, 2).T
    return series_at(labels, at, values)


def series_at(labels: Mapping[str, str], at: Array, values: Array) -> Series:
    """The same from arrays of epoch seconds and of values, both (samples,)."""
    known = np.abs(at) < LATEST  # false for what is no number
    times, values = np.rint(at[known] * 1000).astype(np.int64), values[known]
    return Series(_named(tuple(labels.items())), *one_per_time(times, values))


@lru_cache(maxsize=4096)
def _named(labels: Labels) -> Labels:
    named = ((clean_name(name, LONGEST_LABEL), clean_name(value, LONGEST_LABEL)) for name, value in labels)
    return tuple(sorted(named))


def one_per_time(times: Millis, values: Array) -> tuple[Millis, Array]:
    """Sorted, each time once; of several values the smallest that is a number >= 0, in any order of the input.

    The smallest, since a counter that is read too low catches up at its next sample.
    """
    if (np.diff(times) > 0).all():
        return times, values
    good = np.isfinite(values) & (values >= 0)
    order = np.lexsort((values, ~good, times))
    unique, first = np.unique(times[order], return_index=True)
    return unique, values[order][first]


def host_of(target: Target) -> str:
    """The host of an instance, without its port."""
    host, colon, port = target[1].rpartition(":")
    return host if colon and port.isdecimal() else target[1]
