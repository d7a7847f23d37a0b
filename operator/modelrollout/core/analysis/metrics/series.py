"""One series as it was scraped: its labels, the times of its samples and their values, nothing derived."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelrollout.core.analysis.stats.arrays import Array

Millis = npt.NDArray[np.int64]
Labels = tuple[tuple[str, str], ...]
Target = tuple[str, str]


@dataclass(frozen=True)
class Series:
    """One series: its labels (sorted, with __name__), scrape times in ms (rising), values (same shape)."""

    labels: Labels
    times: Millis
    values: Array

    @property
    def target(self) -> Target:
        """(job, instance): all series of one target share the timestamps of its scrapes."""
        found = dict(self.labels)
        return found.get("job", ""), found.get("instance", "")


def make_series(labels: Mapping[str, str], points: Iterable[tuple[float, float]]) -> Series:
    """A series from (epoch seconds, value) in any order; of equal timestamps the last one given stays."""
    by_time = {round(at * 1000): value for at, value in points}
    times = np.array(sorted(by_time), dtype=np.int64)
    values = np.array([by_time[at] for at in times.tolist()], dtype=float)
    return Series(tuple(sorted(labels.items())), times, values)
