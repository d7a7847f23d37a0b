"""Which series are scraped, left out and told apart together: a family is judged on all of its counters or on none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.edges import INFINITE, LABEL
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series import Labels, Millis, Series, Target
from modelrollout.core.analysis.metrics.series_reader import Channel, SeriesReader

HISTOGRAMS = frozenset({s.GATEWAY_DURATION, s.DURATION, s.TRITON_DURATION, s.MAGNITUDES})
_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "requests of the model": (s.REQUESTS, s.REQUEST_ERRORS),
    "requests of Triton": (s.SUCCESS, s.FAILURE),
    "judged answers": (s.EVALS, s.CORRECT, s.EVALS_LOST),
    "observations": (s.OFFERED, s.OBSERVATIONS, s.DROPPED),
    "activations": (s.SAMPLES, s.ELEMENTS, s.ZEROS, s.NEGATIVES, s.NONFINITE),
    "windows": (s.WINDOWS, s.WINDOW_NEURONS, s.WINDOW_DEAD, s.WINDOW_DEAD_SQUARED),
}
_FAMILY_OF = {metric: name for name, metrics in _FAMILIES.items() for metric in metrics}
_ELEMENTS = frozenset({"activations", "windows", s.MAGNITUDES})
NEVER: Millis = np.zeros(0, dtype=np.int64)
Family = tuple[Target, str, s.Arm, str]


@dataclass(frozen=True)
class Bundle:
    """What one process counts under one name: the buckets of one histogram, or a single counter."""

    channel: Channel
    """Of a histogram without the edge."""
    labels: Labels
    """Without the name and the edge."""
    process: Labels
    """Without the detail and the layer too: what all counters of one process under one name have in common."""
    target: Target
    members: Mapping[str, Series]
    """By detail: edges of a histogram, else the one detail of the counter."""
    names: Mapping[str, Labels]
    """The labels of each member, as the store has them."""
    seen: Millis
    """When any of them was scraped, bad samples included."""
    restarts: Millis = field(default_factory=lambda: NEVER)
    """At which scrapes its process had started again (restarts.py), rising."""

    @property
    def born(self) -> int:
        """When the first of them was scraped, its bad samples included (ms)."""
        return int(self.seen[0])

    @property
    def whole(self) -> str:
        """The detail of the member that counts everything: the last edge, or the counter itself."""
        return INFINITE if INFINITE in self.members else list(self.members)[-1]

    @property
    def top(self) -> Series:
        """The member that counts everything."""
        return self.members[self.whole]

    @property
    def first(self) -> int:
        return min(int(one.times[0]) for one in self.members.values())

    @property
    def last(self) -> int:
        return max(int(one.times[-1]) for one in self.members.values())

    @property
    def family(self) -> Family:
        """(target, name, arm, layer) of what is left out together."""
        channel = self.channel
        return self.target, _FAMILY_OF.get(channel.metric, channel.metric), channel.arm, channel.layer

    @property
    def counts_elements(self) -> bool:
        """Whether it counts values of a layer rather than requests, which are fewer."""
        return self.family[1] in _ELEMENTS

    def cut(self, starts: Iterable[int]) -> list[Bundle]:
        """The samples before, between and from the times `starts` (rising) on, each as a bundle of its own.

        What is told by the first sample of one and the last of the other, such as a restart, is said of neither: the
        process had other names in between.
        """
        edges = [*starts, None]
        parts, before = [], dict.fromkeys(self.members, 0)
        known = np.setdiff1d(self.restarts, np.array(edges[:-1], dtype=np.int64))
        for edge in edges:
            members = {}
            for detail, one in self.members.items():
                until = len(one.times) if edge is None else int(np.searchsorted(one.times, edge))
                if until > before[detail]:
                    span = slice(before[detail], until)
                    members[detail] = Series(one.labels, one.times[span], one.values[span])
                before[detail] = until
            parts.append(replace(self, members=members, restarts=known))
        return parts

    def with_members(self, members: Mapping[str, Series]) -> Bundle:
        return replace(self, members=members)


def bundles(store: SampleStore, reader: SeriesReader) -> list[Bundle]:
    """The counters of a store, in one order whatever the order of its series."""
    return bundles_of(store.series, reader)


def bundles_of(every: Mapping[Labels, Series], reader: SeriesReader) -> list[Bundle]:
    """The same of series by their labels."""
    found: dict[tuple[Labels, Channel], list[tuple[Channel, Labels, Series]]] = {}
    for labels in sorted(every):
        one = every[labels]
        channel = reader.channel(dict(labels)) if len(one.times) else None
        if channel is None or channel.metric in s.GAUGES | s.MARKS:
            continue
        edged = channel.metric in HISTOGRAMS
        rest = tuple(pair for pair in labels if pair[0] != "__name__" and not (edged and pair[0] == LABEL))
        key = rest, channel._replace(detail="") if edged else channel
        found.setdefault(key, []).append((channel, labels, one))
    return [_bundle(rest, reader.apart(channel), channel, members) for (rest, channel), members in found.items()]


def _bundle(rest: Labels, apart: str, channel: Channel, members: Iterable[tuple[Channel, Labels, Series]]) -> Bundle:
    process = tuple(pair for pair in rest if pair[0] not in {apart, "layer"})
    edged = channel.metric in HISTOGRAMS
    ordered = sorted(members, key=lambda one: float(one[0].detail) if edged else 0.0)
    series = {one.detail: values for one, _, values in ordered}
    target = next(iter(series.values())).target
    names = {one.detail: labels for one, labels, _ in ordered}
    kind = channel._replace(detail="") if edged else channel
    return Bundle(kind, rest, process, target, series, names, _union(series.values()))


def times_of(members: Iterable[Bundle]) -> Millis:
    """Every time at which any of them was scraped."""
    return _union(one for bundle in members for one in bundle.members.values())


def _union(series: Iterable[Series]) -> Millis:
    found: list[Millis] = []
    for one in (one.times for one in series):
        if not found or not np.array_equal(one, found[-1]):  # most members of a family are scraped together
            found.append(one)
    return found[0] if len(found) == 1 else np.unique(np.concatenate(found))
