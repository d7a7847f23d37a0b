"""A series that continues another has not begun at 0: growth across is the difference to its twin's last sample.

A counter gets another name while it runs: a label is added, removed, renamed or changed, a scrape job is renamed, a
port moves. To Prometheus that is a new series whose first value is the counter's whole life. It continues its twin if
both count the same thing (metric, version, layer, detail) at the same place (job and instance, or the same host under
another job or port), the twin ends within FEW scrapes of its start (or both lie on one rising line while they
overlap), and it starts at the twin's last value or as far above it as it grows in that time. A lower start is a reset.
docs/decisions.md says what this cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

import numpy as np

from modelrollout.core.analysis.metrics.counters.chain import Chain
from modelrollout.core.analysis.metrics.counters.families import Bundle, times_of
from modelrollout.core.analysis.metrics.counters.twins import Twins
from modelrollout.core.analysis.metrics.counters.usable import FAR
from modelrollout.core.analysis.metrics.scrapes import TargetScrapes
from modelrollout.core.analysis.metrics.series import Labels, Millis, Target
from modelrollout.core.analysis.metrics.series_reader import Channel

AWAY = 1.5
"""Scrape intervals without a sample after which a name may have stood for nothing."""
MOST_NAMES = 500
"""Of one counter at one place that are looked at while they are still there; of more, only those that have ended."""


class Continuation:
    """Joins the series of one store. `began`: those whose target had been up before; `scrape` in seconds."""

    def __init__(
        self,
        found: Iterable[Bundle],
        targets: Mapping[Target, TargetScrapes],
        began: frozenset[Labels] | set[Labels],
        scrape: float,
    ) -> None:
        self._bundles = tuple(found)
        self._began = began
        self._twins = Twins(self._bundles, targets, scrape)

    def chains(self) -> Iterator[Chain]:
        """Every counter once, under all the names that it had."""
        places: dict[tuple[Channel, str], list[Bundle]] = {}
        for one in self._bundles:
            places.setdefault((one.channel, _host(one.target)), []).append(one)
        for group in places.values():
            if len(group) == 1:
                yield self._alone(group[0])
                continue
            every = times_of(group)
            parts = (part for one in group for part in self._parts(one, every))
            yield from self._joined(sorted(parts, key=lambda one: (one.first, one.labels)))

    def _parts(self, bundle: Bundle, every: Millis) -> list[Bundle]:
        """The bundle, cut where others of its place were scraped and it was not.

        A name that comes back continues whatever the counter was called meanwhile.
        """
        times = times_of([bundle])
        long = np.diff(times) > AWAY * self._twins.gap(bundle.target)
        if not long.any():
            return [bundle]
        others = np.searchsorted(every, times[1:]) - np.searchsorted(every, times[:-1], side="right") > 0
        return [part for part in bundle.cut(times[1:][long & others].tolist()) if part.members]

    def _joined(self, parts: list[Bundle]) -> list[Chain]:
        chains: list[Chain] = []
        called: dict[Labels, int] = {}
        recent: dict[int, Chain] = {}
        for start, cohort in groupby(parts, key=lambda one: one.first):
            born = list(cohort)
            recent = self._twins.lately(recent, start, born[0].target)
            ended = {at: chain for at, chain in recent.items() if chain.last < start}
            twin = {new: old for old, new in self._twins.pairs(recent if len(recent) <= MOST_NAMES else ended, born)}
            for new, one in enumerate(born):
                at = twin.get(new, called.get(one.labels))
                if at is None:
                    at = len(chains)
                    chains.append(self._alone(one))
                else:
                    chains[at] = chains[at].going_on_as(one, self._zero(one))
                called[one.labels] = at
                recent[at] = chains[at]
        return chains

    def _alone(self, bundle: Bundle) -> Chain:
        return Chain(bundle, self._zero(bundle), bundle.first, bundle.last, int(bundle.first == bundle.last))

    def _zero(self, bundle: Bundle) -> dict[str, bool]:
        """Which members count from 0. A life far longer than what the family grows by was lived before, unseen."""
        found = {}
        for detail, one in bundle.members.items():
            found[detail] = bundle.names[detail] in self._began
            usual = self._twins.usual_of(bundle) if found[detail] else 0.0
            if usual:
                scrapes = self._twins.scrapes(bundle.target, bundle.born, int(one.times[0]))
                found[detail] = float(one.values[0]) <= FAR * usual * scrapes
        return found


def _host(target: Target) -> str:
    """The host of an instance, without its port."""
    host, colon, port = target[1].rpartition(":")
    return host if colon and port.isdecimal() else target[1]
