"""A process that starts again starts all of its counters: one that is soon where it was counts from 0 too.

A counter that counts the same in every life (what is refused or fails at each start) does not fall at a restart, or for
one scrape only, and would count nothing. That the process started again is said by its busy counters: all of them fall
together and do not come back. Of a model's own counters only, since what a gateway counts has a life of its own for
each version and status.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.counters.families import NEVER, Bundle
from modelrollout.core.analysis.metrics.counters.usable import are_numbers, dips, regrown
from modelrollout.core.analysis.metrics.model_series import Arm
from modelrollout.core.analysis.metrics.series import Labels, Millis, Series
from modelrollout.core.analysis.stats.arrays import Flags

BUSY = 0.5
"""A counter that grows between more than this share of its scrapes falls where its process starts again."""
AWAY = 1.5
"""Scrape intervals between two samples after which the counter may have been called something else meanwhile."""


def with_restarts(found: Iterable[Bundle]) -> list[Bundle]:
    """The same, each with the restarts of its process, as far as they are sure."""
    bundles = list(found)
    groups: dict[tuple[Labels, Arm, str], list[Series]] = {}
    for one in bundles:
        if one.channel.metric not in s.GATEWAY:
            groups.setdefault(_process(one), []).extend(one.members.values())
    times = {key: _restarts(members) for key, members in groups.items()}
    known = [times.get(_process(one), NEVER) for one in bundles]
    return [replace(one, restarts=when) if len(when) else one for one, when in zip(bundles, known, strict=True)]


def _process(bundle: Bundle) -> tuple[Labels, Arm, str]:
    """Also whether Triton itself counts (nv) or what runs in it: a model may be loaded again alone."""
    return bundle.process, bundle.channel.arm, bundle.channel.metric.partition("_")[0]


def _restarts(members: Sequence[Series]) -> Millis:
    """The times at which every busy counter that was scraped fell for good."""
    busy = [one for one in (_readable(one) for one in members) if _is_busy(one)]
    if not busy:
        return NEVER
    gaps = np.sort(np.concatenate([np.diff(one.times) for one in busy]))
    soon = AWAY * float(gaps[len(gaps) // 4])
    fell, stood = [NEVER], [NEVER]
    for one in busy:
        fallen, near = _falls(one), np.diff(one.times) <= soon
        fell.append(one.times[1:][fallen & near])
        stood.append(one.times[1:][~fallen & near])
    return np.setdiff1d(np.concatenate(fell), np.concatenate(stood))


def _readable(one: Series) -> Series:
    good = are_numbers(one.values)
    return one if good.all() else Series(one.labels, one.times[good], one.values[good])


def _is_busy(one: Series) -> bool:
    return len(one.values) > 1 and float(np.mean(regrown(one.values) > 0)) > BUSY


def _falls(one: Series) -> Flags:
    """At which samples after the first the counter fell and did not come back; not yet at the newest."""
    fallen: Flags = np.diff(one.values) < 0
    fallen[-1:] = False
    if fallen.any():
        fallen[dips(one.values) - 1] = False
    return fallen
