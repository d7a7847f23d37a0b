"""Where a count gate's numbers come from: bad and total per tick in both arms, of one and the same source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np

from modelrollout.api.gates import Source
from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.checks.readable import contradicted, lacking, unreadable
from modelrollout.core.analysis.gates.checks.spared import answers_spared, as_share
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.sources.order import REQUESTS, chosen
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.stats.arrays import Array, CountTicks, Flags
from modelrollout.core.finding import Finding

Origin = Literal["gateway", "model", "Triton"]
"""Whose counters were read, as sentences name it."""
ORIGINS: dict[Source, Origin] = {"Gateway": "gateway", "Model": "model", "Triton": "Triton"}


@dataclass(frozen=True)
class Counts:
    """Bad and total of both arms, shape of the grid; `problem` says why they cannot be used."""

    ticks: CountTicks
    source: Origin
    noun: str
    candidate_present: Flags
    stable_present: Flags
    problem: Finding | None = None
    unread: Finding | None = None
    """What is not in them, as it cannot be read: a FAIL of the rest stands, nothing else does."""
    refused: CountTicks | None = None
    """Requests that the versions refused, among the same totals; None where the source does not tell them apart."""
    sure: CountTicks | None = None
    """As `ticks`, without stable's where its share may be read too high; None where that is the same."""


def request_counts(gate_input: GateInput, wanted: Source | None, *, relative: bool = True) -> Counts:
    """Answers that the gateway calls errors, or failures that the model itself or its server reports.

    `relative`: whether errors are compared with stable's; refusals, which only a gateway tells apart, always are.
    """
    match chosen(gate_input, REQUESTS, wanted):
        case "Gateway":
            return _of_the_gateway(gate_input)
        case "Model":
            own = as_share(gate_input, lambda metric, _: metric == s.REQUEST_ERRORS).table
            return make_counts(
                gate_input,
                lambda arm: (own.total(s.REQUEST_ERRORS, arm), own.total(s.REQUESTS, arm)),
                "model",
                "requests",
                (s.REQUESTS, s.REQUEST_ERRORS),
                partial(lacking, gate_input, s.REQUESTS, [s.REQUEST_ERRORS]),
                partial(contradicted, gate_input, s.REQUEST_ERRORS),
                relative=relative,
            )
        case "Triton":
            read, lacks = _served(gate_input), partial(lacking, gate_input, s.SUCCESS, [s.FAILURE])
            return make_counts(gate_input, read, "Triton", "requests", (s.SUCCESS,), lacks, relative=relative)


def _served(gate_input: GateInput) -> Callable[[s.Arm], tuple[Array, Array]]:
    """Triton's count of one version: (failures but those of clients that went away, everything)."""
    triton = as_share(gate_input, lambda metric, reason: metric == s.FAILURE and reason != s.CANCELED).table

    def answered(arm: s.Arm) -> tuple[Array, Array]:
        failed = triton.total(s.FAILURE, arm)
        gone = triton.total(s.FAILURE, arm, details=[s.CANCELED])
        return failed - gone, failed + triton.total(s.SUCCESS, arm)

    return answered


def _of_the_gateway(gate_input: GateInput) -> Counts:
    errors, refusals = (one(s.GATEWAY_REQUESTS) for one in (gate_input.table.errors, gate_input.table.refusals))
    found = _answers(gate_input, errors)
    sure = _answers(gate_input, errors, stable=False).ticks if gate_input.table.withheld else None
    return replace(found, refused=_answers(gate_input, refusals).ticks, sure=sure)


def _answers(gate_input: GateInput, details: set[str], *, stable: bool = True) -> Counts:
    """The gateway's answers of both versions, those with one of the `details` being the bad ones.

    Where errors or refusals of the candidate stay bad, the other of the two is judged without them in both versions.
    """
    own = answers_spared(gate_input, details, stable=stable)

    def read(arm: s.Arm) -> tuple[Array, Array]:
        total, without = own.table.total, own.left_out if arm == "stable" else []
        every = total(s.GATEWAY_REQUESTS, arm) - total(s.GATEWAY_REQUESTS, arm, details=without)
        return total(s.GATEWAY_REQUESTS, arm, details=details), every

    return make_counts(gate_input, read, "gateway", "requests", (s.GATEWAY_REQUESTS,))


def request_totals(gate_input: GateInput) -> tuple[Array, Array]:
    """(candidate, stable) requests per tick, by the first source that counts them."""
    source = chosen(gate_input, REQUESTS, None)
    metrics = [s.SUCCESS, s.FAILURE] if source == "Triton" else [REQUESTS.whole[source]]
    total = gate_input.table.total
    candidate, stable = (np.sum([total(one, arm) for one in metrics], axis=0) for arm in ("candidate", "stable"))
    return np.asarray(candidate), np.asarray(stable)


def make_counts(
    gate_input: GateInput,
    read: Callable[[s.Arm], tuple[Array, Array]],
    source: Origin,
    noun: str,
    metrics: tuple[str, ...],
    lacks: Callable[[tuple[s.Arm, ...]], Finding | None] = lambda _: None,
    wrong: Callable[[tuple[s.Arm, ...]], Finding | None] = lambda _: None,
    *,
    relative: bool = True,
) -> Counts:
    """Counts from (bad, total) of each arm; `metrics` are those they are read from, the one always there first.

    `lacks`: which of them these versions do not export, so that nothing of theirs can be counted. Where stable's cannot
    be, or is `wrong`, it has no requests, and only a limit can fail. `relative`: whether anything is compared with
    stable.
    """
    arms: tuple[s.Arm, ...] = s.ARMS if relative else ("candidate",)
    unread = unreadable(gate_input, metrics, arms) or wrong(("candidate",))
    unknown = lacks(("stable",)) or wrong(("stable",))
    present = [scraped(gate_input, source, arm, metrics[0]) for arm in ("candidate", "stable")]
    nothing = np.zeros(gate_input.table.grid.count)
    known = (nothing, nothing) if unknown else read("stable")
    ticks = CountTicks(gate_input.ends, *read("candidate"), known[0], known[1], restart=gate_input.restarts)
    unread = unread or (unknown if relative else None)
    return Counts(ticks, source, noun, present[0], present[1], lacks(("candidate",)), unread)


def scraped(gate_input: GateInput, source: Origin, arm: s.Arm, metric: str) -> Flags:
    """Ticks in which the source's target answered: an arm without requests has no series at a gateway."""
    if source != "gateway":
        return gate_input.table.present(metric, arm)
    flags = np.zeros(gate_input.table.grid.count, dtype=bool)
    for (seen, _), when in gate_input.table.sampled.items():
        if seen in s.GATEWAY:
            flags = flags | when
    return flags


def absence(what: str, counts: Counts, gate_input: GateInput) -> tuple[int, str]:
    """(ticks in a row without a scrape of either arm's targets, the sentence); stable matters before the bake."""
    candidate = gate_input.missing(counts.candidate_present)
    stable = 0 if gate_input.bake is not None else gate_input.missing(counts.stable_present)
    arm = "candidate" if candidate >= stable else "stable"
    missing = max(candidate, stable)
    return missing, f"{what}: no sample of the {arm}'s series ({counts.source}) in {say.last_ticks(missing)}"
