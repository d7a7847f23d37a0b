"""A target that is no longer scraped leaves its counts behind: what they show is a part, and nothing is raised by it.

A pod that is gone is no such part. Of the candidate's pods as many must be scraped as its Service has addresses; of a
gateway's replicas, whose number nobody tells, one that was lost holds the weight for GONE seconds and no longer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from modelrollout.core import reasons
from modelrollout.core.analysis.metrics.golden.series import is_probers
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.scrapes import TargetScrapes
from modelrollout.core.analysis.metrics.series import Target, target_of
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.core.analysis.stats.parameters import MISSING_TICKS
from modelrollout.core.evaluation import EvaluationRequest
from modelrollout.core.finding import Finding

GONE = 300.0
"""Seconds after which a target that nobody can count is taken for one that was removed."""


@dataclass(frozen=True)
class _Group:
    """The targets of one kind, alive and lost, by the time (seconds) of their last sample."""

    alive: dict[Target, float]
    lost: dict[Target, float]

    @property
    def instances(self) -> int:
        return len({instance for _, instance in self.alive})


def uncovered(
    stores: Iterable[SampleStore], reader: SeriesReader, request: EvaluationRequest, end: float
) -> Finding | None:
    """Why the evidence of the tick that ends at `end` is a part, or None. Where nothing is scraped, others say so."""
    models, gateways = _groups(stores, reader, request, end)
    if request.addresses is not None and models.alive and models.instances < request.addresses:
        found = _finding(models.lost, end, f"{models.instances} of {request.addresses} addresses are scraped")
    else:
        found = None if request.addresses is not None else _recent(models, end)
    return found or _recent(gateways, end)


def _recent(group: _Group, end: float) -> Finding | None:
    lost = {target: last for target, last in group.lost.items() if last > end - GONE}
    return _finding(lost, end, f"{len(group.alive)} others are") if group.alive else None


def _finding(lost: dict[Target, float], end: float, others: str) -> Finding | None:
    if not lost:
        return None
    (job, instance), last = min(lost.items())
    text = f"{instance} (job {job}) has not been scraped for {end - last:.0f} s, {others}: the counts are a part"
    return Finding(reasons.TARGET_LOST, text)


def _groups(
    stores: Iterable[SampleStore], reader: SeriesReader, request: EvaluationRequest, end: float
) -> tuple[_Group, _Group]:
    """(those of the candidate's model, those of the gateway)."""
    models, gateways = _Group({}, {}), _Group({}, {})
    for store in stores:
        for target, is_gateways in _counting(store, reader):
            seen = store.targets.get(target)
            if seen is None or not target[1] or seen.last / 1000 < request.evidence_from:
                continue
            group = gateways if is_gateways else models
            (group.lost if _is_lost(seen, request.interval, end) else group.alive)[target] = seen.last / 1000
    return models, gateways


def _counting(store: SampleStore, reader: SeriesReader) -> frozenset[tuple[Target, bool]]:
    """The targets that count for the candidate, or for a gateway (True)."""

    def found() -> frozenset[tuple[Target, bool]]:
        named = (labels for labels in store.series if not is_probers(labels))
        targets = ((target_of(labels), reader.channel(dict(labels))) for labels in named)
        return frozenset(
            (target, reader.is_gateways(channel))
            for target, channel in targets
            if channel is not None and (reader.is_gateways(channel) or channel.arm == "candidate")
        )

    return found() if store.blocks is None else store.blocks.names.fact_of("counting", reader.key, found)


def _is_lost(seen: TargetScrapes, interval: float, end: float) -> bool:
    gap = (seen.gap or 0.0) / 1000
    return seen.last / 1000 < end - MISSING_TICKS * max(interval, gap)
