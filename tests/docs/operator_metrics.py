"""docs/on-call/operator-metrics.md: every metric of a whole operator, put together as the process does it.

``python -m tests.docs.operator_metrics`` writes the page; a test fails while it is stale.
"""

from __future__ import annotations

from typing import Any, cast

from modelrollout.adapters.kubernetes.client import Api
from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.runtime.exposition.rollouts import FAMILIES, IDENTITY
from modelrollout.runtime.lease import Lease
from modelrollout.runtime.metrics import Family
from modelrollout.runtime.run import build, process_metrics
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "on-call" / "operator-metrics.md"
_HEAD = """\
# Metrics of the operator

Generated from the code by `python -m tests.docs.operator_metrics`; a test fails when it drifts. What model servers
export of activations is in [metrics.md](../metrics.md).

The chart opens port 8081 for them (`metrics.enabled`) and makes a PodMonitor or a ServiceMonitor (`metrics.monitor`)
where the cluster has that kind. Without the Prometheus Operator scrape `/metrics` of the Pods with `honor_labels:
true`, or the label `namespace` is that of the operator. A process that stands by answers too, with
`modelrollout_operator_leading` 0 and no rollouts. `process_*` are those of every Prometheus client.

Labels are bounded. Reasons, results, phases and outcomes come from closed sets, what an operator does not know is
`other`. The series of a rollout go with its ModelRollout, at the next scrape; of a state only the one that it is in has
a series. A scrape of a thousand rollouts in progress with three gates each has 29,000 lines, 3.8 MB, of which 0.17 MB
are sent to who takes gzip, as Prometheus does; it is written in 0.2 s where all have changed since the last one and in
0.02 s where none has, beside the event loop, one scrape at a time, and no pass waits for it. A pass makes the series of
its rollout in 0.05 ms, unless there is no port.
"""
_ROLLOUTS = """
## Of each rollout

Labels `namespace`, `rollout` (its name) and `model`, and those of the table. Times are epoch seconds: `time() - ...` is
how long ago. Percent are of requests, as in `status`.
"""
_PROCESS = """
## Of the process

Counters begin at 0 with each process.
"""


def page() -> str:
    """The whole page."""
    parts = [_HEAD, _ROLLOUTS, _table(FAMILIES, len(IDENTITY)), _PROCESS, _table(operators(), 0)]
    return "\n".join(part.rstrip("\n") for part in parts) + "\n"


def operators() -> list[Family]:
    """What a leading operator defines, with one that was woken for a rollout."""
    api, lease = Api(cast("Any", None)), Lease(cast("Any", None), "ns", "lease", "identity")
    metrics = process_metrics((api,), lease)
    service = build(OperatorConfig(prometheus=[PrometheusServer(url="http://p")]), api, lease, metrics)
    service.new_watch("ns", "name")
    return [family for family, _ in metrics.families()]


def _table(families: tuple[Family, ...] | list[Family], skipped: int) -> str:
    rows = ["", "| metric | kind | labels | meaning |", "|---|---|---|---|"]
    for one in families:
        labels = ", ".join(one.labels[skipped:])
        rows.append(f"| `{one.name}` | {one.kind} | {labels} | {one.meaning}. |")
    return "\n".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page())
