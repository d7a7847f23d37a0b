"""Raw counter samples become exact increments: each is counted once, in the tick of its own scrape.

A series is kept as it was scraped; what it grew by is the difference to its previous sample, the new value
after a reset, and its first value only where it started at 0: its target had been scraped before, and it continues
no other series (counters/continuation.py).
"""

from __future__ import annotations

import numpy as np

from modelrollout.core.analysis.metrics.counters.families import NEVER
from modelrollout.core.analysis.metrics.counters.usable import are_numbers
from modelrollout.core.analysis.metrics.grid import Grid
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.scrapes import SURE_OF_THE_NEXT
from modelrollout.core.analysis.metrics.series import Labels, Millis, Series, Target
from modelrollout.core.analysis.stats.arrays import Array, Flags

SCRAPES_APART = 2.5
"""A target was up before if one of its samples is at most so many scrape intervals older."""


def increments(one: Series, grid: Grid, *, from_zero: bool, restarts: Millis = NEVER) -> Array:
    """Growth per tick, (grid.count,). `from_zero`: the first sample counts in full. What is no number is left out.

    `restarts`: when its process started again (ms); the next sample counts in full, whether it is lower or not.
    """
    usable = are_numbers(one.values)
    times, values = (one.times, one.values) if usable.all() else (one.times[usable], one.values[usable])
    where = grid.index(times)
    inside = (where >= 0) & (where < grid.count)
    before = np.concatenate([[0.0 if from_zero else np.nan], values[:-1]]) if len(values) else values
    grown = np.where(values < before, values, values - before)
    if len(restarts) and len(times):
        lives = np.searchsorted(restarts, times, side="right")
        again = np.flatnonzero(np.diff(lives)) + 1
        grown[again] = values[again]
    counted = inside & ~np.isnan(grown)
    growth = np.bincount(where[counted], weights=grown[counted], minlength=grid.count)
    return growth.astype(float)


def scraped_ticks(one: Series, grid: Grid) -> Flags:
    """The ticks in which the series has a sample, good or bad, (grid.count,)."""
    return ticks_with_a_sample(one.times, grid)


def ticks_with_a_sample(times: Millis, grid: Grid) -> Flags:
    """The ticks in which one of the times lies, (grid.count,)."""
    flags = np.zeros(grid.count, dtype=bool)
    where = grid.index(times)
    flags[where[(where >= 0) & (where < grid.count)]] = True
    return flags


def began_at_zero(store: SampleStore, scrape: float) -> set[Labels]:
    """The series whose first sample counts in full: their target had been scraped shortly before.

    `scrape` is the scrape interval in seconds, for targets whose own gap is not known.
    """
    observed = store.targets
    members: dict[Target, dict[bytes, Millis]] = {}
    for one in store.series.values():  # most series of a target have the same times
        members.setdefault(one.target, {}).setdefault(one.times.tobytes(), one.times)
    scraped = {target: np.unique(np.concatenate(list(times.values()))) for target, times in members.items()}
    found = set()
    for labels, one in store.series.items():
        if not len(one.times):
            continue
        born, gap = int(one.times[0]), observed[one.target].gap or scrape * 1000
        if born < observed[one.target].first + SURE_OF_THE_NEXT * gap:  # a federation keeps each pod's own times
            continue
        before = scraped[one.target][int(np.searchsorted(scraped[one.target], born)) - 1]
        if before >= born - SCRAPES_APART * gap:
            found.add(labels)
    return found
