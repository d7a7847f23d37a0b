"""The metric reference in docs/metrics.md is printed from the catalogue: `python -m activation_health.reference`."""

from __future__ import annotations

import sys

from activation_health.catalog import CATALOG
from activation_health.evals import LOST, SOURCES
from activation_health.measure.histogram import LE_LABELS
from activation_health.requests import DURATION_LABELS, GROWTH
from activation_health.spec import REASONS

PREAMBLE = """\
# Metric reference

Generated from the code by `python -m activation_health.reference > docs/metrics.md`; a test fails when it drifts.

Every series of a declared layer exists from the start, at 0. Counters sum over pods, workers and loads. A sink
may add labels: Triton's adds `load`, unique per loaded instance, since reloading a version in place under the
same labels ends the server; sum it away (`sum without (load) (...)`). No metric has a label per unit.

| metric | kind | labels | unit | meaning |
|---|---|---|---|---|
"""

CLOSING = """
## Label values

- `le` of `model_activation_abs_bucket`: {abs_le}. A value of exactly `le` is counted above it, since buckets are
  read from exponent bits; that is the one difference from a Prometheus histogram.
- `le` of `model_request_duration_seconds_bucket`: {count} edges from {first} to {last} s, each {growth} times the
  one before, and +Inf.
- `source` of `model_eval_*`: {sources}.
- `reason` of `model_eval_lost_total`: {lost}.
- `reason` of `model_activation_dropped_observations_total`: {reasons}.

## Series per version

28 a layer (14 of them magnitude buckets) and 69 a model (45 of them duration buckets): two layers make 125 series.
"""


def reference() -> str:
    """The reference as Markdown."""
    rows = [f"| `{one.name}` | {one.kind} | {', '.join(one.labels)} | {one.unit} | {one.help} |" for one in CATALOG]
    closing = CLOSING.format(
        abs_le=", ".join(LE_LABELS),
        count=len(DURATION_LABELS) - 1,
        first=DURATION_LABELS[0],
        last=DURATION_LABELS[-2],
        growth=GROWTH,
        sources=", ".join(SOURCES),
        lost=", ".join(LOST),
        reasons=", ".join(REASONS),
    )
    return PREAMBLE + "\n".join(rows) + "\n" + closing


if __name__ == "__main__":
    sys.stdout.write(reference())
