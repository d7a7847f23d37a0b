"""What a gate can do without where it stays bad: a counter whose absence cannot accuse the candidate.

A share of bad ones among all is lower without some of the candidate's bad ones, and what is allowed is higher without
some of stable's good ones. So a FAIL of the rest stands, and nothing else does (readable.py). The other way round the
rest would accuse: then that address waits, and the other addresses are judged.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.counters.withheld import Spared, Spares
from modelrollout.core.analysis.metrics.edges import INFINITE
from modelrollout.core.analysis.metrics.model_series import Arm
from modelrollout.core.analysis.metrics.series_reader import NO_ERROR, Channel
from modelrollout.core.analysis.metrics.tick_table import TickTable


@dataclass(frozen=True)
class Answers:
    """A gateway's answers, and which of stable's are left out since the candidate's cannot be read."""

    table: TickTable
    left_out: Sequence[str]


def answers_spared(gate_input: GateInput, bad: Collection[str], *, stable: bool) -> Answers:
    """For the share of a gateway's answers with one of the details `bad`.

    Other ones than good answers may be missing of the candidate where they are left out of stable's as well: among the
    rest a candidate has a higher share only if it has more bad ones, or more of those that are missing. `stable`:
    whether stable's share may be read too high.
    """
    table = gate_input.table
    missing = [one for one in table.withheld if one.arm == "candidate" and one.missing is None]
    unread = [{detail for metric, detail in one.unread if metric == s.GATEWAY_REQUESTS} for one in missing]
    without = sorted(set().union(*(one for one in unread if NO_ERROR not in one)) - set(bad))
    own = sparing(
        gate_input,
        Spares(lambda _, detail: detail != NO_ERROR, counts_as=lambda _, detail: detail not in bad),
        Spares(lambda _, detail: stable and detail not in bad, counts_as=lambda _, detail: detail in bad),
    )
    return Answers(own.table, without)


def as_share(gate_input: GateInput, bad: Spared) -> GateInput:
    """For a share whose bad ones are the counters `bad` and whose total has all others of their family too."""
    return sparing(gate_input, Spares(bad), Spares(lambda *kind: not bad(*kind)))


def needing(gate_input: GateInput, needed: Spared) -> GateInput:
    """For a gate that reads only the counters `needed` of a family: any other may be bad, in both versions."""
    others = Spares(lambda *kind: not needed(*kind))
    return sparing(gate_input, others, others)


def without_total(gate_input: GateInput, metric: str, edges: Iterable[str]) -> GateInput:
    """For a share of slow requests: where the candidate's total stays bad, its requests up to the highest edge count.

    Those beyond are missing, and they are slow ones: the share can only be read too low. Of stable's it would accuse.
    """
    table = gate_input.table
    needed = {Channel(metric, "candidate", "", edge) for edge in edges}
    whole = [one for one in table.withheld if needed <= set(one.growth)]
    if not whole:
        return gate_input
    found = replace(gate_input, table=replace(table, withheld=whole))
    return sparing(found, Spares(lambda *kind: kind == (metric, INFINITE)), Spares(lambda *_: False))


def sparing(gate_input: GateInput, candidate: Spares, stable: Spares) -> GateInput:
    """Where only counters stay bad that each version's can do without, the rest of that address counts."""
    if not gate_input.table.withheld:
        return gate_input
    spares: dict[Arm, Spares] = {"candidate": candidate, "stable": stable, "both": Spares(lambda *_: False)}
    return replace(gate_input, table=gate_input.table.sparing(spares))
