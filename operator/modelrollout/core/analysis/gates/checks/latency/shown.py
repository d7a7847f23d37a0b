"""What a latency's sentence shows: the quantile, edges and ticks at which the counts say what the verdict says."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.checks.latency.histograms import Histograms
from modelrollout.core.analysis.gates.checks.standing import Standing
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.wording import worded
from modelrollout.core.analysis.stats.arrays import Array
from modelrollout.core.analysis.stats.latency_evidence import LatencyEvidence, Part
from modelrollout.core.analysis.stats.parameters import GOOD_EXCEEDANCE, ROUNDING

_EXCUSED = "stable's edge has moved since, and at none is it too slow: not held against it"


@dataclass(frozen=True)
class Decided:
    """A standing with what people must know of it: the quantile and edges it is about, and the ticks that show it.

    `tail` is the share that may be slower than the allowed edge, `quantile` the name of what leaves that much above.
    """

    standing: Standing
    quantile: str
    tail: float
    known: int
    allowed: int
    ticks: slice
    of_the_past: bool = False
    """Whether `known` is stable's edge from before the bake."""


def named(tail: float, floor: float, share: float) -> tuple[str, float]:
    """As formatting.quantile; a tail that has no name is `the quantile`."""
    return worded(lambda: say.quantile(tail, floor, share), ("the quantile", tail))


def decide(
    standing: Standing,
    evidence: LatencyEvidence,
    found: Histograms,
    gate_input: GateInput,
    start: int,
    known: int | None,
) -> Decided:
    """A verdict by evidence with the counts that show it; without any, it is not the verdict.

    `known`: stable's edge from before the bake, where the limit rests on that.
    """
    candidate = np.where(gate_input.warming[:, None], 0.0, found.candidate)
    part = _leading(standing, evidence)
    edge, ticks = len(part.edge) - 1, slice(start, None)
    if standing.verdict == "FAIL":
        standing, ticks, edge = _failed(standing, part, start, candidate)
    elif standing.verdict == "PASS":
        found_in = _where_it_is_within(part, start, candidate, anywhere=not standing.rare)
        if found_in is None:
            standing = replace(standing, verdict="CONTINUE", good=min(standing.good or 0.0, 0.0), rare=False)
        ticks = found_in or ticks
    return _counted(standing, part, found, candidate, (ticks, edge), known)


def _leading(standing: Standing, evidence: LatencyEvidence) -> Part:
    """The gate's own quantile; of a FAIL that it does not carry alone the one with most of the evidence."""
    own = evidence.parts[-1]
    if standing.verdict != "FAIL":
        return own
    alone = float(own.evidence.log_bad[-1]) + float(np.log(own.stake)) >= (standing.needed or 0.0)
    return own if alone else max(evidence.parts, key=lambda one: float(one.evidence.log_bad[-1]))


def _failed(standing: Standing, part: Part, start: int, candidate: Array) -> tuple[Standing, slice, int]:
    """(standing, ticks on the grid, tick whose edges are named) of a FAIL, which is excused where no counts show it."""
    shown, seconds = _while_it_was_built(part, start, candidate), part.evidence.ticks.seconds
    if shown is None:
        excused = replace(standing, verdict="CONTINUE", leaning_bad=True, excused=_EXCUSED)
        return excused, slice(start, None), len(part.edge) - 1
    ticks, edge = shown
    until = None if ticks.stop is None else float(seconds[ticks.stop - 1 - start])
    return replace(standing, began=float(seconds[ticks.start - start]), until=until), ticks, edge


def _counted(
    standing: Standing, part: Part, found: Histograms, candidate: Array, where: tuple[slice, int], known: int | None
) -> Decided:
    ticks, edge = where
    allowed, limit = int(part.allowed[edge]), float(part.evidence.limit[edge])
    slow, total = float(candidate[ticks, allowed + 1 :].sum()), float(candidate[ticks].sum())
    rate = slow / total if total else float("nan")
    stable, own = found.stable[ticks], int(part.edge[edge])
    slower = float(stable[:, own + 1 :].sum() / stable.sum()) if stable.sum() and known is None else None
    standing = replace(
        standing,
        bad=slow,
        total=total,
        rate=rate,
        limit=limit,
        stable_rate=slower if standing.kind == "stable" else None,
    )
    name, tail = named(limit, part.floor, rate)
    return Decided(standing, name, tail, own if known is None else known, allowed, ticks, known is not None)


def _while_it_was_built(part: Part, start: int, candidate: Array) -> tuple[slice, int] | None:
    """(ticks on the grid, the tick whose edges are named) that show why `part` failed; None where none do.

    As a rule all since its evidence began, at today's edge. Where that hides it (it is over, or stable's edge has moved
    since), the ticks until it was strongest, or another edge that it was counted at.
    """
    last = len(part.edge) - 1
    first = int(part.evidence.began(np.asarray(last)))
    peak = first + int(np.argmax(part.evidence.log_bad[first:]))
    before = int(part.evidence.began(np.asarray(peak)))
    for begin, end in ((first, last), (before, peak)):
        ticks = slice(start + begin, None if end == last else start + end + 1)
        counts = candidate[ticks].sum(axis=0)
        for edge in range(end, begin - 1, -1):
            if counts[part.allowed[edge] + 1 :].sum() > part.evidence.limit[edge] * counts.sum():
                return ticks, edge
    return None


def _where_it_is_within(part: Part, start: int, candidate: Array, *, anywhere: bool) -> slice | None:
    """Ticks that show why `part` may pass: all, or those since its evidence began, or since stable's edge last moved.

    None where the candidate is beyond what a PASS excludes in all of them: stable may have excused that at the time.
    """
    last = len(part.edge) - 1
    firsts = [0]
    if anywhere:
        moved = np.flatnonzero(np.diff(part.edge))
        firsts += [int(part.evidence.good_began(np.asarray(last))), int(moved[-1]) + 1 if len(moved) else 0]
    allowed, limit = int(part.allowed[last]), float(part.evidence.limit[last])
    for line in (limit, GOOD_EXCEEDANCE * limit):
        for first in firsts:
            counts = candidate[start + first :].sum(axis=0)
            if counts.sum() and counts[allowed + 1 :].sum() <= line * counts.sum() + ROUNDING:
                return slice(start + first, None)
    return None
