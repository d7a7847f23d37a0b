"""What telemetry itself refused is data: no gate passes on the rest of a sample most of which was lost.

A version that loses as much as stable is judged all the same: what is left of both was chosen alike. A FAIL stands,
since rows that were measured are bad whatever was not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from modelrollout.api.gates import Gate
from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.result import Judged, no_data
from modelrollout.core.analysis.gates.wording import worded
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.stats.parameters import MOST_LOST, SOME_LOST
from modelrollout.core.finding import Finding
from modelrollout.core.reasons import GateReason

G = TypeVar("G", bound=Gate)


@dataclass(frozen=True)
class Loss:
    """What one version lost of one layer (or of its judged answers) since a position on the grid."""

    arm: s.Arm = "candidate"
    layer: str = ""
    lost: float = 0.0
    kept: float = 0.0
    reasons: Mapping[str, float] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Of everything that was shown; 0 where nothing was."""
        return self.lost / (self.lost + self.kept) if self.lost > 0 else 0.0


@dataclass(frozen=True)
class Losses:
    """How a kind of gate finds out what was lost, and what it says about it."""

    reason: GateReason
    of: Callable[[GateInput, s.Arm, int], list[Loss]]
    what: str
    fixes: Mapping[str, str]


def heeding(
    judge: Callable[[G, GateInput, float], Judged],
    losses: Callable[[G], Losses],
    relative: Callable[[G], bool] = lambda _: True,
) -> Callable[[G, GateInput, float], Judged]:
    """`judge`, whose PASS does not stand where most was lost; `relative`: whether stable's losses matter too."""

    def judged(gate: G, gate_input: GateInput, share: float) -> Judged:
        return _heeded(gate, judge(gate, gate_input, share), gate_input, losses(gate), relative=relative(gate))

    return judged


def _heeded(gate: Gate, found: Judged, gate_input: GateInput, losses: Losses, *, relative: bool) -> Judged:
    """Since evidence began, and since the step: what begins late must not hide behind what was good before."""
    begins = sorted({gate_input.start, gate_input.step})
    pairs = [_worst(gate_input, losses, first) for first in begins]
    candidate, stable = max(pairs, key=lambda pair: pair[0].share)
    unlike = abs(candidate.share - stable.share) > SOME_LOST
    blamed = stable if relative and stable.share > candidate.share else candidate
    if blamed.share > MOST_LOST and unlike and found.result.verdict in {"PASS", "CONTINUE", "NO_DATA"}:
        text = worded(lambda: _sentence(blamed, gate_input, losses), f"most {losses.what} were lost")
        problem = Finding(losses.reason, text)
        return replace(found, result=no_data(gate, problem, layer=blamed.layer or None).result)
    if max(candidate.share, blamed.share) <= SOME_LOST:
        return found
    text = worded(lambda: _sentence(blamed, gate_input, losses), f"some {losses.what} were lost")
    return replace(found, warnings=(*found.warnings, f"{gate.name}: {text}"))


def _worst(gate_input: GateInput, losses: Losses, first: int) -> tuple[Loss, Loss]:
    """The candidate's worst layer, and the same one of stable's; stable's own worst where that lost more."""
    candidate, stable = losses.of(gate_input, "candidate", first), losses.of(gate_input, "stable", first)
    one = max(candidate, key=lambda each: each.share, default=Loss())
    other = max(stable, key=lambda each: each.share, default=Loss("stable"))
    same = next((each for each in stable if each.layer == one.layer), other)
    return one, other if other.share > one.share else same


def _sentence(loss: Loss, gate_input: GateInput, losses: Losses) -> str:
    request = gate_input.request
    version = request.stable if loss.arm == "stable" else request.candidate
    where = f"layer {loss.layer} of version {version}" if loss.layer else f"version {version}"
    shown = sorted(((count, why) for why, count in loss.reasons.items() if count > 0), reverse=True)
    counted = ", ".join(f"{why} {say.count(count)}" for count, why in shown)
    fixes = "; ".join(f"{why}: {losses.fixes[why]}" for _, why in shown if why in losses.fixes)
    lost, total = say.count(loss.lost), say.count(loss.lost + loss.kept)
    text = f"{where} lost {say.percent(loss.share)} of its {losses.what} ({lost}/{total}; {counted})"
    return f"{text}. Fix {fixes}" if fixes else text


DROP_FIXES = {
    "reused": "watch fewer layers, or raise uses where they are attached",
    "width": "declare a layer of its own for each width",
    "rank": "give (batch, units), or set the layer's channel_axis",
    "dtype": "give float16, float32 or float64",
    "empty": "do not observe empty batches",
    "unknown_layer": "declare the layer, or correct its name",
    "tracing": "trace, export or vmap a copy that is not watched",
    "internal": "read the monitor's last_refusal in the model server's log",
}
ANSWER_FIXES = {
    "expired": "raise ttl of the label joiner, or bring labels sooner",
    "evicted": "raise its capacity",
    "unmatched": "send labels with the id of the request, to where its answer was",
    "mismatched": "give labels the shape of the answers",
    "unanswered": "make the version answer the whole set",
}


def _dropped(gate_input: GateInput, arm: s.Arm, first: int) -> list[Loss]:
    """Drops by layer. They are counted for the whole model: a layer that took fewer than the others lost them.

    One layer stands for all where nothing was dropped.
    """
    reasons = _by_reason(gate_input, s.DROPPED, arm, first)
    lost, kept = sum(reasons.values()), _taken(gate_input, arm, first)
    if not kept:
        return [Loss(arm, "", lost, 0.0, reasons)] if lost else []
    if not lost:  # as a rule: then all layers are alike
        return [Loss(arm, min(kept), 0.0, kept[min(kept)], reasons)]
    missing = {layer: max(kept.values()) - took for layer, took in kept.items()}
    known = min(lost, sum(missing.values()))
    scale, rest = known / max(sum(missing.values()), 1.0), (lost - known) / len(kept)
    return [Loss(arm, layer, missing[layer] * scale + rest, took, reasons) for layer, took in sorted(kept.items())]


def _taken(gate_input: GateInput, arm: s.Arm, first: int) -> dict[str, float]:
    """Observations that each layer took; where telemetry is too old to count them, the rows that it was shown."""
    table = gate_input.table
    for metric in (s.OBSERVATIONS, s.OFFERED, s.SAMPLES):
        if table.layers(metric, arm):
            return dict(table.sum_by_layer(metric, arm, first))
    return {}


def _by_reason(gate_input: GateInput, metric: str, arm: s.Arm, first: int) -> dict[str, float]:
    """Growth of the counter by each reason that it has."""
    table = gate_input.table
    return {why: float(table.total(metric, arm, details=[why])[first:].sum()) for why in table.details(metric, arm)}


DROPPED_OBSERVATIONS = Losses("ObservationsDropped", _dropped, "observations", DROP_FIXES)
COUNTED_WITH_DROPS = (s.DROPPED, s.OBSERVATIONS, s.OFFERED, s.SAMPLES)
"""Metrics that a gate on activations reads for this."""


def lost_answers(labels: str) -> Losses:
    """Of the source of labels that a gate names: which reasons are its own."""
    own = ("unanswered", "mismatched") if labels != "labels" else ("expired", "evicted", "unmatched", "mismatched")
    fixes = {why: ANSWER_FIXES[why] for why in own}

    def of(gate_input: GateInput, arm: s.Arm, first: int) -> list[Loss]:
        found = _by_reason(gate_input, s.EVALS_LOST, arm, first)
        reasons = {why: count for why, count in found.items() if why in own}
        kept = float(gate_input.table.total(s.EVALS, arm, details=[labels])[first:].sum())
        return [Loss(arm, "", sum(reasons.values()), kept, reasons)]

    return Losses("AnswersLost", of, "answers", fixes)
