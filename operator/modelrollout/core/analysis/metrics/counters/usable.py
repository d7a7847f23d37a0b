"""Which samples of a counter can be used: a bad one is left out as if it had not been scraped, and nothing else is.

A sample is bad where it is no number of things (NaN, Inf, negative, beyond what a 64-bit counter holds), where the
counter would have grown faster than anything grows, or where one sample alone lies far off and the next one is back.
What the counter grew by meanwhile is counted at the next good sample: later by a scrape, neither lost nor doubled.
"""

from __future__ import annotations

import numpy as np

from modelrollout.core.analysis.metrics.series import Millis, Series
from modelrollout.core.analysis.stats.arrays import Array, Flags, Index

LARGEST = 2.0**63
"""No counter of 64 bits holds more."""
FASTEST_REQUESTS, FASTEST_ELEMENTS = 1e7, 1e13
"""No series grows by more in a second: requests, rows or windows; elements."""
BURST = 100.0
"""A growth so many times beyond anything seen in the family counts once the next scrape confirms it."""
_NEVER: Millis = np.zeros(0, dtype=np.int64)
_USUAL = "usual growth"
_SOONEST = 0.001
"""Seconds between two scrapes at least: times are in milliseconds."""
FAR = 10.0
"""A growth so many times beyond the usual one is not what a counter that was just reset has counted."""


def are_numbers(values: Array) -> Flags:
    """Which values can be counts at all."""
    flags: Flags = np.isfinite(values) & (values >= 0) & (values <= LARGEST)
    return flags


def bad_samples(one: Series, fastest: float, burst: float, restarts: Millis = _NEVER) -> Flags:
    """Which samples of a counter must be left out; at `restarts` (ms) of its process it may fall and be back at once.

    `fastest`: growth per second beyond which it is impossible. `burst`: growth between two scrapes that must be
    confirmed by the next; inf where nothing is known.
    """
    good = are_numbers(one.values)
    grown = np.diff(one.values) if good.all() else np.full(1, np.inf)
    if len(grown) and (grown.min() < 0 or grown.max() > min(fastest * _SOONEST, burst)):  # else all of them are good
        at = np.flatnonzero(good)
        good[at[_spikes(one.times[at], one.values[at], fastest, burst)]] = False
        at = np.flatnonzero(good)
        low = at[dips(one.values[at])]
        good[low[~np.isin(one.times[low], restarts)]] = False
    return ~good


def usual_growth(one: Series) -> float:
    """What the counter grows by between two scrapes on a busy day: the 90th percentile; 0 where nothing is known.

    Kept with the series, which never changes: whoever compares it with others asks again.
    """
    known: float | None = one.__dict__.get(_USUAL)
    if known is None:
        one.__dict__[_USUAL] = known = _usual_growth(one)
    return known


def _usual_growth(one: Series) -> float:
    good = are_numbers(one.values)
    values = one.values if good.all() else one.values[good]
    grown = regrown(values) if len(values) > 1 else np.zeros(1)
    return _ranked(grown, 9 * (len(grown) - 1) // 10)  # rounded down: one odd value is never it


def _ranked(grown: Array, at: int) -> float:
    return float(np.partition(grown, at)[at]) if len(grown) else 0.0


def regrown(values: Array) -> Array:
    """Growth between neighbours, over resets."""
    step = np.diff(values)
    fallen = step < 0
    grown: Array = np.where(fallen, values[1:], step) if fallen.any() else step
    return grown


def _spikes(times: Millis, values: Array, fastest: float, burst: float) -> list[int]:
    """Positions of samples that lie impossibly far above what came before, or far and the next does not confirm it."""
    if not (np.diff(values) > np.minimum(fastest * np.diff(times) / 1000, burst)).any():
        return []
    bad: list[int] = []
    base, pending = 0, -1
    for at in range(1, len(values)):
        if pending >= 0:
            if values[at] >= values[pending]:
                base = pending
            else:
                bad.append(pending)
            pending = -1
        grown, seconds = values[at] - values[base], (times[at] - times[base]) / 1000
        if grown > fastest * seconds:
            bad.append(at)
        elif grown > burst:
            pending = at
        else:
            base = at
    return bad if pending < 0 else [*bad, pending]


def dips(values: Array) -> Index:
    """Positions of samples below both neighbours, where the way back is too far for a counter that started again.

    A counter that was reset and has passed its old value within one scrape looks the same, unless it grows so fast
    at other times too: then it counts as reset.
    """
    if len(values) < 3:  # noqa: PLR2004 - a dip has two neighbours
        return np.zeros(0, dtype=np.int64)
    inner = (values[1:-1] < values[:-2]) & (values[:-2] <= values[2:])
    at = np.flatnonzero(inner) + 1
    if not len(at):
        return at
    grown = regrown(values)
    rest = np.delete(grown, at)
    back: Index = at[grown[at] > FAR * _ranked(rest, 9 * len(rest) // 10)]
    return back
