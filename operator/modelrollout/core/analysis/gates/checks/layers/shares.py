"""Shares of a layer's values against a band: one layer outside it is enough to fail, and the worst one is named."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from modelrollout.api.gates import Gate
from modelrollout.api.status import Verdict
from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.wording import in_words
from modelrollout.core.analysis.stats.arrays import Array
from modelrollout.core.analysis.stats.parameters import BURN_IN, DEADBAND, EARLY_STABLE, LOOKS, STABLE_WINDOWS
from modelrollout.core.analysis.stats.threshold_evidence import threshold_evidence
from modelrollout.core.evaluation import GateResult


@dataclass(frozen=True)
class LayerShare:
    """One layer: shares (fractions), batches so far, and how the rule stands."""

    layer: str
    rate: float
    stable: float | None
    low: float
    high: float
    batches: float
    fails: bool = False
    passes: bool = False
    strength: float = 0.0
    stable_batches: float | None = None
    """Set where the rule needs EARLY_STABLE of them before it may fail, and the best view STABLE_WINDOWS."""
    collapsed: bool = False
    """The newest tick alone lies far outside: no PASS, whatever the batches before say."""
    beside: float | None = None
    """Stable's share since evidence began, where it has moved as far as the candidate's: no FAIL."""
    near: bool = False
    """Fails by evaluations that are back within the limit, but not clear of it."""


def absence(what: str, metric: str, gate_input: GateInput) -> tuple[int, str]:
    """(ticks in a row without a scrape of the candidate, the sentence)."""
    missing = gate_input.missing(gate_input.table.present(metric, "candidate"))
    return missing, f"{what}: no sample of the candidate's {metric} in {say.last_ticks(missing)}"


def by_looks(layer: str, values: Array, stable: float | None, band: tuple[float, float]) -> LayerShare:
    """Threshold: m of n evaluations outside the band fail."""
    observed = values[~np.isnan(values)]
    rate = float(observed[-LOOKS[1] :].mean()) if len(observed) else float("nan")
    if not len(observed) or not np.isfinite(band[0]):
        return LayerShare(layer, rate, stable, *band, float(len(observed)))
    found = threshold_evidence(values, *band)
    fails, latest = bool(found.failing[-1]), observed[-LOOKS[1] :]
    beyond = latest[(latest < band[0]) | (latest > band[1])]
    if fails and len(beyond):  # the mean may lie within: what is shown is the newest of those that are beyond
        rate = float(beyond[-1])
    return LayerShare(
        layer, rate, stable, *band, float(len(observed)), fails, bool(found.passing[-1]), near=fails and not len(beyond)
    )


def layers_result(gate: Gate, found: list[LayerShare], noun: str, sample: str) -> GateResult:
    """The gate's result, the worst layer named; `noun` is what the share is of, `sample` what each value is from."""
    found = [replace(each, passes=each.passes and not each.collapsed) for each in found]
    one = max(found, key=lambda each: (each.fails, not each.passes, each.strength))
    seen = all(each.batches for each in found)
    verdict: Verdict = "FAIL" if one.fails else "NO_DATA" if not seen else "CONTINUE" if not one.passes else "PASS"
    result = GateResult(gate.name, gate.type, verdict, "", required=gate.decides, layer=one.layer)
    return in_words(result, lambda: _told(result, gate, one, noun, sample))


def _told(result: GateResult, gate: Gate, one: LayerShare, noun: str, sample: str) -> GateResult:
    limited, low = np.isfinite(one.high), max(one.low, 0.0)
    high = say.beside(one.rate, one.high)[1]
    observed = say.beside(one.rate, low if one.rate < low else one.high)[0]
    limit = f"<= {high}" if low == 0 else f"{say.beside(one.rate, low)[1]} to {high}"
    versus = f" vs stable {say.percent(one.stable)}" if one.stable is not None else ""
    clause = f"layer {one.layer}: candidate {observed} {noun}{versus}"
    clause += f"; allowed {limit}" if limited else "; reported only, no limit is set"
    if result.verdict == "NO_DATA":
        clause = f"layer {one.layer}: no values of the candidate yet"
    why = {"FAIL": _beyond(one, low), "PASS": "within the limit"}.get(result.verdict) or _open(gate, one, sample)
    return replace(
        result,
        message=f"{clause}. {say.sentence(why)}" if why else clause,
        observed=f"{observed} {noun}" if one.batches else None,
        stable=None if one.stable is None else f"{say.percent(one.stable)} {noun}",
        limit=limit if limited else None,
        samples=say.counted(one.batches, sample),
    )


def _open(gate: Gate, one: LayerShare, sample: str) -> str:
    """Why nothing is decided yet; empty where no limit is set."""
    far = "far beyond the limit in the newest evaluation" if one.collapsed else ""
    if not np.isfinite(one.high):
        return far
    if one.beside is not None:
        return f"beyond the limit, but stable has {say.percent(one.beside)} in the same time"
    lacking = _lacking(gate, one, sample)
    return "; ".join(part for part in (far, lacking) if part) or "not proven yet"


def _lacking(gate: Gate, one: LayerShare, sample: str) -> str:
    """What it needs before it can fail; empty where nothing."""
    left = max(float(LOOKS[1] if gate.method == "Threshold" else BURN_IN) - one.batches, 0.0)
    if left:
        return f"needs about {say.counted(left, f'more {sample}')}"
    if one.stable_batches is None or one.stable_batches >= STABLE_WINDOWS:
        return ""
    if one.stable_batches < EARLY_STABLE:
        return f"can fail only once stable has {EARLY_STABLE} batches, it has {say.count(one.stable_batches)}"
    few = f"stable has {say.count(one.stable_batches)} batches"
    return f"{few}: with fewer than {STABLE_WINDOWS} only a share far beyond the limit can fail"


def _beyond(one: LayerShare, low: float) -> str:
    """Why a layer fails, where what is shown may lie within the limit."""
    if one.near:
        return f"was beyond the limit, and is not clear of it by {say.percent(DEADBAND)} yet"
    if low <= one.rate <= one.high:
        return "over twice the limit in two batches in a row, though their mean is within it"
    return "beyond the limit"
