"""The edges of one histogram are scraped together: one whose samples have times of their own is put beside the others.

An exporter may write a time beside each sample. Taken as it is, such an edge would have no scrape in common with the
others, and all of them would wait for it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from modelrollout.core.analysis.metrics.counters.families import HISTOGRAMS, Bundle, times_of
from modelrollout.core.analysis.metrics.series import Millis, Series, one_per_time

BESIDE = 0.5
"""Scrape intervals that a sample may be moved by."""


def aligned(bundle: Bundle, gap: float) -> Bundle:
    """The histogram on the times that most of its edges have; `gap` between two scrapes in ms."""
    if bundle.channel.metric not in HISTOGRAMS:
        return bundle
    spans = Counter(_span(one.times) for one in bundle.members.values())
    if len(spans) == 1:
        return bundle
    usual = max(spans, key=lambda span: (spans[span], span))
    times = next(one.times for one in bundle.members.values() if _span(one.times) == usual)
    members = {detail: _beside(one, times, BESIDE * gap) for detail, one in bundle.members.items()}
    moved = bundle.with_members(members)
    return replace(moved, seen=times_of([moved]))


def _span(times: Millis) -> tuple[int, int, int]:
    return len(times), int(times[0]), int(times[-1])


def _beside(one: Series, times: Millis, most: float) -> Series:
    """With each sample that lies near one of `times` there; the others where they are, but none ahead of all."""
    if np.isin(one.times, times).all():
        return one
    after = np.minimum(np.searchsorted(times, one.times), len(times) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(
        np.abs(one.times - times[before]) <= np.abs(times[after] - one.times), times[before], times[after]
    )
    near = np.abs(nearest - one.times) <= most
    moved = bool((near & (nearest != one.times)).any())
    there = (one.times <= times[-1]) | near if moved else np.ones(len(near), dtype=bool)
    return Series(one.labels, *one_per_time(np.where(near, nearest, one.times)[there], one.values[there]))
