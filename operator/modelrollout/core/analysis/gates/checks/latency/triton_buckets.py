"""What to paste into config.pbtxt where Triton's histogram is too coarse: its own edges are 100, 500, 2000, 5000 ms."""

from __future__ import annotations

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
