"""One process scraped by two jobs counts once: its series are the same but for what names the scrape."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.scrape_labels import counter_of
from modelrollout.core.analysis.metrics.series import Labels, Series


def counted_once(store: SampleStore) -> tuple[SampleStore, tuple[str, ...]]:
    """The store with one series for each that was scraped twice at the same time, and a sentence for each instance.

    Of twins the first by its labels counts, and beyond its own samples the next one. The samples of two scrapers are
    never mixed: their clocks differ, and a counter that seems to fall would be taken for one that was reset.
    """
    if store.blocks is not None and store.blocks.names.once:
        return store, ()
    groups: dict[Labels, list[Series]] = {}
    for labels in sorted(store.series):
        groups.setdefault(counter_of(labels), []).append(store.series[labels])
    if len(groups) == len(store.series):
        return store, ()
    kept: dict[Labels, Series] = {}
    jobs: dict[str, set[str]] = {}
    for counter, members in groups.items():
        found = _merged(members)
        kept.update((one.labels, one) for one in found)
        if len(found) < len(members):
            instance = dict(counter)["instance"]
            jobs.setdefault(instance, set()).update(one.target[0] for one in members)
    return SampleStore(dict(sorted(kept.items()))), tuple(_sentence(at, sorted(by)) for at, by in sorted(jobs.items()))


def _merged(members: Sequence[Series]) -> Sequence[Series]:
    """One series for all that overlap in time; those that follow one another stay apart."""
    found: list[Series] = []
    for one in members:
        twin = next((at for at, other in enumerate(found) if _overlap(other, one)), None)
        if twin is None:
            found.append(one)
        else:
            found[twin] = _extended(found[twin], one)
    return found if len(found) == len(members) else _merged(found)


def _sentence(instance: str, jobs: Sequence[str]) -> str:
    by = f"by the jobs {' and '.join(jobs)}" if len(jobs) > 1 else f"by two scrapers of job {jobs[0]}"
    return f"{instance} is scraped twice, {by}: its series count once; scrape it once"


def _overlap(one: Series, other: Series) -> bool:
    if not len(one.times) or not len(other.times):
        return False
    return bool(one.times[0] <= other.times[-1] and other.times[0] <= one.times[-1])


def _extended(first: Series, other: Series) -> Series:
    """`first`, and the samples of `other` that lie a whole gap before or after it."""
    gap = int(np.median(np.diff(first.times))) if len(first.times) > 1 else 0
    before, after = other.times < first.times[0] - gap, other.times > first.times[-1] + gap
    if not before.any() and not after.any():
        return first
    times = np.concatenate([other.times[before], first.times, other.times[after]])
    return Series(first.labels, times, np.concatenate([other.values[before], first.values, other.values[after]]))
