"""What is known of a process from all of its counters: they get another name together, and are reset together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from modelrollout.core.analysis.metrics.counters.families import Bundle
from modelrollout.core.analysis.metrics.counters.usable import FAR, usual_growth
from modelrollout.core.analysis.metrics.series import Labels, Millis, Target, host_of
from modelrollout.core.analysis.metrics.series_reader import Channel
from modelrollout.core.analysis.stats.arrays import Array

FEW = 5
"""Scrapes between a series' end and the start of the one that continues it, or that both may overlap."""
Telling = Mapping[str, Mapping[str, int]]
"""When (ms) each value of the labels that tell counters apart was first seen, by label."""
FEWEST = 4
"""Gaps between scrapes of one target from which its usual one is known."""


class Processes:
    """The counters of one store by process; `scrape`: configured interval, seconds."""

    def __init__(self, found: Sequence[Bundle], scrape: float, newest: int = 0) -> None:
        self.newest = max([newest, *(one.last for one in found)])
        """The last sample of all (ms)."""
        self._scrape = scrape * 1000
        self._counters: dict[Labels, dict[Channel, Bundle]] = {}
        self._families: dict[tuple[str, str], list[Bundle]] = {}
        self._times: dict[Target, list[Millis]] = {}
        self._gaps: dict[Target, float] = {}
        self._usual: dict[tuple[str, str], float] = {}
        self._falls: dict[tuple[Labels, Labels, int, int], bool] = {}
        for one in found:
            self._counters.setdefault(one.process, {})[one.channel] = one
            self._families.setdefault(_family(one), []).append(one)
            self._times.setdefault(one.target, []).append(one.top.times)

    def gap(self, target: Target) -> float:
        """The usual time between two scrapes of a target (ms): what a quarter of the gaps do not exceed.

        Not the median, since a name that comes back has long ones; of few gaps at most the configured interval. Nor of
        one name alone: the one that was scraped most may be the one that came back most often.
        """
        if target not in self._gaps:
            gaps = np.sort(np.concatenate([np.diff(one) for one in _each_once(self._times.get(target, []))]))
            known = float(gaps[(len(gaps) - 1) // 4]) if len(gaps) else self._scrape
            self._gaps[target] = known if len(gaps) >= FEWEST else min(known, self._scrape)
        return self._gaps[target]

    def scrapes(self, target: Target, start: int, end: int) -> float:
        """The time from `start` to `end` in scrape intervals of the target, at least one."""
        return max((end - start) / self.gap(target), 1.0)

    def usual_of(self, bundle: Bundle) -> float:
        """What the busiest counter of the family at that host grows by between two scrapes."""
        key = _family(bundle)
        if key not in self._usual:
            members = (one for each in self._families[key] for one in each.members.values())
            self._usual[key] = max(usual_growth(one) for one in members)
        return self._usual[key]

    def telling(self, place: Sequence[Bundle]) -> Telling:
        """The labels that tell counters of one place apart: several values are scraped at once, for long."""
        gap, found = self.gap(place[0].target), {}
        for name in {name for one in place for name, _ in one.labels}:
            spans: dict[str, list[Millis]] = {}
            for one in place:
                spans.setdefault(dict(one.labels).get(name, ""), []).append(one.seen)
            spans.pop("", None)
            seen = [np.unique(np.concatenate(times) // gap) for times in spans.values()]
            every, often = np.unique(np.concatenate(seen), return_counts=True)
            if _longest_run(every[often > 1]) > FEW:
                found[name] = {value: min(int(one[0]) for one in times) for value, times in spans.items()}
        return found

    def has_lived(self, bundle: Bundle) -> bool:
        """Whether it appeared with far more than its family grows by, or another counter that appeared with it did."""
        siblings = self._counters.get(bundle.process, {}).values()
        return any(self._lived(one) for one in siblings if one.born == bundle.born)

    def falls(self, old: Bundle, new: Bundle) -> bool:
        """Whether a counter of the process is lower under the name of `new` than it was at the end of `old` before.

        Only counters that have a good sample there say so.
        """
        start = new.first
        ends = [one.times[: int(np.searchsorted(one.times, start))] for one in old.members.values()]
        end = max((int(times[-1]) for times in ends if len(times)), default=start)
        key = old.process, new.process, end, start
        if key not in self._falls:
            before, after = self._counters.get(old.process, {}), self._counters.get(new.process, {})
            self._falls[key] = any(
                _fell(before[channel], one, end, start) for channel, one in after.items() if channel in before
            )
        return self._falls[key]

    def _lived(self, bundle: Bundle) -> bool:
        usual = self.usual_of(bundle)
        return usual > 0 and any(
            float(one.values[0]) > FAR * usual * self.scrapes(bundle.target, bundle.born, int(one.times[0]))
            for one in bundle.members.values()
        )


def _family(bundle: Bundle) -> tuple[str, str]:
    return host_of(bundle.target), bundle.family[1]


def _each_once(times: Sequence[Millis]) -> list[Millis]:
    """Each of them that differs: the counters of one name are scraped together, and say one thing together."""
    found: dict[tuple[int, int, int], list[Millis]] = {}
    for one in times:
        alike = found.setdefault((len(one), int(one[0]), int(one[-1])), []) if len(one) else []
        if not any(one is other or np.array_equal(one, other) for other in alike):
            alike.append(one)
    return [np.zeros(0, dtype=np.int64), *(one for each in found.values() for one in each)]


def _longest_run(bins: Array) -> int:
    """How many whole numbers in a row there are at most."""
    if not len(bins):
        return 0
    breaks = np.flatnonzero(np.diff(bins) > 1)
    edges = np.concatenate([[-1], breaks, [len(bins) - 1]])
    return int(np.diff(edges).max())


def _fell(old: Bundle, new: Bundle, end: int, start: int) -> bool:
    for detail, one in new.members.items():
        before = old.members.get(detail)
        if before is None:
            continue
        first = int(np.searchsorted(one.times, start))
        if first == len(one.times):
            continue
        # Where both names overlap, the same moment: a reset at the new name is one under the old name too.
        last = int(np.searchsorted(before.times, one.times[first], side="right")) - 1
        if last >= 0 and before.times[last] >= end and before.values[last] > one.values[first]:
            return True
    return False
