"""What a scrape adds to the labels of a series: without it, two series that count the same thing are alike."""

from __future__ import annotations

from collections.abc import Collection

from modelrollout.core.analysis.metrics.series import Labels

SCRAPE_LABELS = frozenset(
    {
        "job",
        "exported_job",
        "endpoint",
        "container",
        "prometheus",
        "prometheus_replica",
        "replica",
        "monitor",
        "receive",
    }
)
"""What a scrape adds: two series of one instance that differ in nothing else are one."""
OF_A_SERVICE = "service"
"""The same for a model's series; of a gateway's it may name the backend."""
_MODELS = ("model_", "nv_")


def is_scraped_once(every: Collection[Labels]) -> bool:
    """Whether no two of these series can be one that was scraped twice."""
    return len({counter_of(labels) for labels in every}) == len(every)


def counter_of(labels: Labels) -> Labels:
    """What counts, whoever scraped it; the labels themselves where no instance says whose it is."""
    found = dict(labels)
    instance = found.pop("exported_instance", "") or found.get("instance", "")
    if not instance:
        return labels
    dropped = SCRAPE_LABELS | ({OF_A_SERVICE} if found.get("__name__", "").startswith(_MODELS) else set())
    kept = {name: value for name, value in found.items() if name not in dropped}
    return tuple(sorted((kept | {"instance": instance}).items()))
