"""The page's section on the CPU of one evaluation."""

from __future__ import annotations

from tests.bench.cost.evaluation.measure import AGES, LOOKS, READS, Cost, cost_of
from tests.bench.cost.evaluation.world import FIVE, LAYERS

TITLE = "## CPU of one evaluation (interval and scrape 15 s)\n"
TEXT = """
`from scratch`: all gates judged by a process that keeps nothing, as after a restart. `goes on`: the samples of an
answer merged and all gates judged by one that has judged the tick before, the mean of {looks} ticks. `answers`: the
bytes of Prometheus's answers (what is new, and 300 s again) turned into samples by one that has read the answers before
them, the mean of {reads}. `kept`: what going on holds in memory beside the samples. CPU of the whole process, without
the network."""


def section() -> tuple[list[str], list[list[str]], str]:
    """Title and columns, rows, and the text below."""
    rows = [
        [what, _age(one.after), str(one.series), *_milliseconds(one), f"{one.kept:.1f} MiB"]
        for what, gates, layers in ((f"5 gates, {LAYERS} layers", FIVE, LAYERS), ("1 gate (ErrorRate)", FIVE[:1], 0))
        for one in (cost_of(seconds, gates, layers) for seconds in AGES)
    ]
    titles = ["Rollout", "After", "Series", "From scratch", "Goes on", "Answers", "Kept"]
    return titles, rows, TEXT.format(looks=LOOKS, reads=READS)


def _milliseconds(one: Cost) -> list[str]:
    return [f"{each:.0f} ms" if each >= 20 else f"{each:.1f} ms" for each in (one.scratch, one.goes_on, one.read)]


def _age(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.0f} h"
