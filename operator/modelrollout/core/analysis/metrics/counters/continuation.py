"""A series that continues another has not begun at 0: growth across is the difference to its twin's last sample.

A counter gets another name while it runs: a label is added, removed, renamed or changed, a scrape job is renamed, a
port moves. To Prometheus that is a new series whose first value is the counter's whole life. It continues its twin if
both count the same thing (metric, version, layer, detail) at the same place (job and instance, or the same host under
another job or port), the twin ends within FEW scrapes of its start (or both lie on one rising line while they
overlap), and it starts at the twin's last value or as far above it as it grows in that time. A lower start is a reset.
Only the nearest chain counts: where that one does not go on, or may not, none further away does.
docs/decisions.md says what this cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

import numpy as np

from modelrollout.core.analysis.metrics.counters.chain import Chain
from modelrollout.core.analysis.metrics.counters.families import Bundle, times_of
from modelrollout.core.analysis.metrics.counters.processes import Processes, Telling
from modelrollout.core.analysis.metrics.counters.twins import AWAY, Near, Twins
from modelrollout.core.analysis.metrics.scrapes import SURE_OF_THE_NEXT
from modelrollout.core.analysis.metrics.series import Labels, Millis, host_of
from modelrollout.core.analysis.metrics.series_reader import Channel

MOST_NAMES = 500
"""Of one counter at one place that are looked at while they are still there; of more, only those that have ended."""


class Continuation:
    """Joins the series of one store. `began`: those whose target had been up before; `scrape` in seconds.

    `newest`: the last sample of others (ms).
    """

    def __init__(
        self,
        found: Iterable[Bundle],
        began: frozenset[Labels] | set[Labels],
        scrape: float,
        newest: int = 0,
    ) -> None:
        self._bundles = tuple(found)
        self._known = Processes(self._bundles, scrape, newest)
        self._twins = Twins(self._known, began)

    def chains(self) -> Iterator[Chain]:
        """Every counter once, under all the names that it had."""
        places: dict[tuple[Channel, str], list[Bundle]] = {}
        for one in self._bundles:
            places.setdefault((one.channel, host_of(one.target)), []).append(one)
        for group in places.values():
            if len(group) == 1:
                yield self._alone(group[0])
                continue
            every = times_of(group)
            parts = (part for one in group for part in self._parts(one, every))
            ordered = sorted(parts, key=lambda one: (one.first, one.born, one.labels))
            yield from self._joined(ordered, self._known.telling(group))

    def _parts(self, bundle: Bundle, every: Millis) -> list[Bundle]:
        """The bundle, cut where others of its place were scraped and it was not.

        A name that comes back continues whatever the counter was called meanwhile.
        """
        times = bundle.seen  # at a bad sample it stood for something too
        long = np.diff(times) > AWAY * self._known.gap(bundle.target)
        if not long.any():
            return [bundle]
        others = np.searchsorted(every, times[1:]) - np.searchsorted(every, times[:-1], side="right") > 0
        return [part for part in bundle.cut(times[1:][long & others].tolist()) if part.members]

    def _joined(self, parts: list[Bundle], telling: Telling) -> list[Chain]:
        chains: list[Chain] = []
        called: dict[Labels, int] = {}
        recent: dict[int, Chain] = {}
        for (start, _), cohort in groupby(parts, key=lambda one: (one.first, one.born)):
            born = list(cohort)
            recent = self._twins.lately(recent, start, born[0].target)
            early = start < parts[0].first + SURE_OF_THE_NEXT * self._known.gap(born[0].target)
            twin = {} if early else self._twins_of(born, recent, telling)  # what is there first was there before
            for new, one in enumerate(born):
                known = twin.get(new)
                at = self._chain_of(one, known, called.get(one.labels), chains)
                if at is None:
                    at = len(chains)
                    chains.append(self._alone(one, began=known is not None and known.how == "began"))
                else:
                    chains[at] = chains[at].going_on_as(one, self._zero(one))
                called[one.labels] = at
                recent[at] = chains[at]
        return chains

    def _chain_of(self, one: Bundle, near: Near | None, own: int | None, chains: list[Chain]) -> int | None:
        """The chain that goes on as `one`; `own`: what had its name before."""
        if near is not None and near.how == "goes on":
            return near.chain
        if own is None or near is None:
            return own
        before = chains[own].bundle.members.get(one.whole) if near.how == "began" else None
        return own if before is not None and before.values[-1] > one.top.values[0] else None  # a reset counts in full

    def _twins_of(self, born: list[Bundle], recent: dict[int, Chain], telling: Telling) -> dict[int, Near]:
        if len(recent) > MOST_NAMES:
            recent = {at: chain for at, chain in recent.items() if chain.last < born[0].first}
        return self._twins.pairs(recent, born, telling)

    def _alone(self, bundle: Bundle, *, began: bool = False) -> Chain:
        zero = dict.fromkeys(bundle.members, True) if began else self._zero(bundle)
        return Chain(bundle, zero, bundle.first, bundle.last, int(bundle.first == bundle.last))

    def _zero(self, bundle: Bundle) -> dict[str, bool]:
        """Which members count from 0: not those of a name that comes back."""
        if bundle.first > bundle.born:
            return dict.fromkeys(bundle.members, False)
        return {detail: self._twins.may_begin(bundle, detail) for detail in bundle.members}
