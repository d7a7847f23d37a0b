"""Buckets that are too far apart to see a regression, or end too soon: said, and for Triton's what to write instead.

Triton's own edges are 100, 500, 2000 and 5000 ms.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from modelrollout.api.gates import LatencyGate
from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.checks.latency.histograms import Histograms, edges_of, margin_of, stable_beyond
from modelrollout.core.analysis.gates.checks.standing import Kind
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.stats.parameters import ROUNDING, TOO_COARSE

GROWTH = 1.25
"""From edge to edge: a limit of one bucket is then a quarter more."""
EDGES = 15
"""As many as fit into one warning beside the rest of the block; they span a factor of 23."""


def block_for(known: float, *, beyond: bool = False) -> str:
    """The block with edges up to just above `known` (seconds), or from below it on where stable is `beyond` it."""
    first = known / GROWTH**4 if beyond else known * GROWTH ** (2 - EDGES)
    edges = ", ".join(_milliseconds(first * GROWTH**step) for step in range(EDGES))
    family = 'metric_identifier: { family: "nv_inference_first_response_histogram_ms" }'
    return f"model_metrics {{ metric_control: [ {{ {family} histogram_options: {{ buckets: [ {edges} ] }} }} ] }}"


def _milliseconds(seconds: float) -> str:
    """In three digits and without an exponent."""
    number = float(f"{1000 * seconds:.3g}")
    return f"{number:.0f}" if number >= 100 else f"{number:g}"  # noqa: PLR2004 - three digits


def coarse_buckets(
    gate: LatencyGate, kinds: Sequence[Kind], found: Histograms, gate_input: GateInput
) -> tuple[str, ...]:
    """What people should know of the histogram that the gate is judged by."""
    if "stable" not in kinds or not found.stable.sum():
        return ()
    known, allowed = edges_of(gate, "stable", found, gate_input)
    growth = float(found.edges[allowed] / found.edges[known]) if found.edges[known] > 0 else np.inf
    before, after = (say.seconds(float(found.edges[edge])) for edge in (known, allowed))
    beyond = stable_beyond(found, gate_input, allowed) > 1 - gate.quantile + ROUNDING
    if beyond:
        text = (
            f"{gate.name}: stable's P{100 * gate.quantile:g} is beyond the last bucket edge, {after}: how much slower "
            "a candidate is cannot be seen there; use buckets that reach further"
        )
    elif growth > TOO_COARSE ** margin_of(gate) + 1e-9:
        text = (
            f"{gate.name}: the bucket above stable's {before} ends at {after} ({growth:.1f}x): the histogram is too "
            "coarse to see less; use buckets that grow by at most 1.25"
        )
    else:
        return ()
    if found.counts.source != "Triton":
        return (text,)
    block = block_for(float(found.edges[allowed if beyond else known]), beyond=beyond)
    return (f"{text}: see the next warning", f"for both versions' config.pbtxt: {block}")
