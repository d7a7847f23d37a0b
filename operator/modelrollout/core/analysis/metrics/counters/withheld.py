"""What an address counts while one of its counters stays bad is kept apart, for those who can do without that one.

A share without one of its counters is another share: without an error code it is lower, without the good answers
higher. So an address of which one counter stays bad counts for nobody who needs that counter, and for everybody else as
if it had never been there (checks/spared.py says who is who). Where a gateway's histogram counts the same requests,
what is missing is known by their difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.counters.chain import Chain
from modelrollout.core.analysis.metrics.counters.cleaning import Cleaned, Kind
from modelrollout.core.analysis.metrics.counters.families import HISTOGRAMS, Family
from modelrollout.core.analysis.metrics.edges import INFINITE
from modelrollout.core.analysis.metrics.grid import Grid
from modelrollout.core.analysis.metrics.increments import increments
from modelrollout.core.analysis.metrics.model_series import Arm
from modelrollout.core.analysis.metrics.series import Series, host_of
from modelrollout.core.analysis.metrics.series_reader import Channel
from modelrollout.core.analysis.stats.arrays import Array

Place = tuple[str, str, Arm, str]
"""(host, name of the family, version, layer): a counter that gets another name stays there."""
Spared = Callable[[str, str], bool]
"""Whether a counter, by metric and detail, may be missing."""


def _any(_metric: str, _detail: str) -> bool:
    return True


@dataclass(frozen=True)
class Spares:
    """What may be missing of one version, and as which of several kinds what is missing counts."""

    spared: Spared
    counts_as: Spared = _any


@dataclass(frozen=True)
class Withheld:
    """Growth at one place beyond what counts for everybody, in arrays of shape (grid.count,)."""

    arm: Arm
    unread: frozenset[Kind]
    """The counters that stay bad there."""
    growth: Mapping[Channel, Array]
    missing: Array | None = None
    """What those have grown by together, as another counter of the same requests shows it; None without such a one."""

    @property
    def kinds(self) -> set[Kind]:
        """Every kind of counter there, those that stay bad included."""
        return {*self.unread, *((one.metric, one.detail) for one in self.growth)}

    def whole(self, ticks: int, parts: int) -> Withheld:
        """The same on so many `ticks` of `parts` each."""

        def folded(grown: Array) -> Array:
            return np.asarray(grown[: ticks * parts].reshape(ticks, parts).sum(axis=1))

        growth = {channel: folded(grown) for channel, grown in self.growth.items()}
        return replace(self, growth=growth, missing=None if self.missing is None else folded(self.missing))


def withheld(found: Cleaned, counted: Iterable[Chain], rest: Sequence[Chain], grid: Grid) -> list[Withheld]:
    """What the `rest` of each place with a counter that stays bad has grown by, and `counted` has not."""
    stopped = found.stopped
    places: dict[Place, frozenset[Kind]] = {}
    for family, kinds in stopped.items():
        place = _place(family)
        places[place] = places.get(place, frozenset()) | kinds
    grown = _grown(rest, places, grid)
    out = []
    for (place, mine), other in zip(grown.items(), _grown(counted, places, grid).values(), strict=True):
        more = {channel: mine.get(channel, 0.0) - other.get(channel, 0.0) for channel in {**mine, **other}}
        missing = _missing(place, mine, found, rest, grid)
        out.append(Withheld(place[2], places[place], {key: np.asarray(each) for key, each in more.items()}, missing))
    return out


def _grown(chains: Iterable[Chain], places: Iterable[Place], grid: Grid) -> dict[Place, dict[Channel, Array]]:
    found: dict[Place, dict[Channel, Array]] = {place: {} for place in places}
    for one in chains:
        here = found.get(_place(one.bundle.family))
        if here is not None:
            _add(here, one, grid)
    return found


def _missing(
    place: Place, known: Mapping[Channel, Array], found: Cleaned, rest: Iterable[Chain], grid: Grid
) -> Array | None:
    """By the gateway's durations at the same host, while all of those can be read."""
    host, name, arm, layer = place
    same = host, s.GATEWAY_DURATION, arm, layer
    read = (s.GATEWAY_DURATION, arm, layer) not in found.unreadable and same[1:3] not in found.left_out
    every: dict[Channel, Array] = _grown(rest, [same], grid)[same] if name == s.GATEWAY_REQUESTS and read else {}
    total = every.get(Channel(s.GATEWAY_DURATION, arm, layer, INFINITE))
    return None if total is None else np.maximum(total - sum(known.values(), np.zeros(grid.count)), 0.0)


def with_spared(
    growth: Mapping[Channel, Array], kept: Iterable[Withheld], spares: Mapping[Arm, Spares]
) -> Mapping[Channel, Array]:
    """The growth with that of every place that can do without its bad counters, or where their growth is known."""
    out = dict(growth)
    for one in kept:
        mine = spares[one.arm]
        if one.missing is None and not all(mine.spared(*kind) for kind in one.unread):
            continue
        for channel, grown in one.growth.items():
            out[channel] = out[channel] + grown if channel in out else grown
        if one.missing is not None:
            metric, detail = min(one.unread, key=lambda kind: (not mine.counts_as(*kind), kind))
            channel = Channel(metric, one.arm, "", detail)
            out[channel] = out[channel] + one.missing if channel in out else one.missing
    return out


def _place(family: Family) -> Place:
    target, name, arm, layer = family
    return host_of(target), name, arm, layer


def _add(growth: dict[Channel, Array], found: Chain, grid: Grid) -> None:
    bundle = found.bundle
    grown = {
        d: increments(one, grid, from_zero=found.zero[d], restarts=bundle.restarts) for d, one in bundle.members.items()
    }
    if found.bundle.channel.metric in HISTOGRAMS:
        for detail, later in _after_the_end(bundle.members).items():
            grown[detail] = sum((increments(one, grid, from_zero=False) for one in later), grown[detail])
        if INFINITE not in grown:
            grown[INFINITE] = grown[list(grown)[-1]]
    for detail, each in grown.items():
        channel = found.bundle.channel._replace(detail=detail)
        growth[channel] = growth.get(channel, np.zeros(grid.count)) + each


def _after_the_end(members: Mapping[str, Series]) -> dict[str, list[Series]]:
    """What stands for each edge of a histogram, and for its total, once that has ended because it stays bad.

    For an edge the next higher one, which has counted at least as much: so slow requests can only be read too few. For
    the total the highest edge that goes on, which has counted at most as much: that reads them too few as well.
    """
    edges = [detail for detail in members if detail != INFINITE]
    found: dict[str, list[Series]] = {}
    if INFINITE in members:
        longest = max(reversed(edges), key=lambda edge: members[edge].times[-1], default=INFINITE)
        found[INFINITE] = _from([members[longest]], members[INFINITE])
    higher = [members[INFINITE], *found[INFINITE]] if INFINITE in members else []
    for edge in reversed(edges):
        found[edge] = _from(higher, members[edge])
        higher = [members[edge], *found[edge]]
    return found


def _from(others: Iterable[Series], ended: Series) -> list[Series]:
    """Those parts of the `others` that come after the last sample of `ended`."""
    parts = ((one, one.times >= ended.times[-1]) for one in others)
    return [Series(one.labels, one.times[late], one.values[late]) for one, late in parts if late.sum() > 1]
