"""The page's section: a row for each fleet, and what is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import ROOT
from tests.bench.cost.tables import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.scale.row import Figures

PAGE = ROOT / "docs" / "cost.md"
TITLE = "## One process for many rollouts (default settings)"
TITLES = ["Under way", "Of", "CPU", "Memory", "API reads", "API writes", "Queries", "Late", "Abort", "Breach", "Load"]
TEXT = """\
Measured by `make bench-scale` (`python -m tests.bench.scale --write`) on {machine}.

{table}

Those under way have five gates and a model of {layers} layers unless said, interval and scrape 15 s; all others are at
rest. CPU in percent of one core, of the operator's process alone; API calls a second, without watches and the Lease;
queries of Prometheus a second and rollout under way. `Late`: how much longer than the interval the longest gap between
two evaluations of one rollout was. `Abort` and `Breach`: from the command, or from the answer of Prometheus that showed
it, until the route's write. API server, gateway, Prometheus and model servers are one stand-in without TLS, so that
nothing but the operator is measured. `Load`: how many processes wanted a core meanwhile, other work included.

What is read of the API server hardly grows with the rollouts under way: every `resync` one list of names and versions
of the resources and one of the routes, each probed Service once a minute, and the resource and route of a pass that
raises or moves its rollout on. CPU does: with one gate each takes about a quarter of a percent of a core, by an
evaluation, two passes and a record an interval, and a probe every two seconds.

What its own metrics cost (`python -m tests.bench.scale.metrics`: two operators over equal fleets at the same time, one
of them scraped every 15 s): with 12 of 100 rollouts under way 7 % more CPU in each of two runs of a minute, on a
machine where twenty processes wanted its two cores; windows of 15 s lay between -10 and +36 %, so the figure is no
better than that. A scrape of that fleet by itself took 4 to 8 ms of CPU, and the series of a pass 0.04 ms: together 2 %
of what the fleet takes."""


def section(found: Sequence[Figures], machine: str) -> str:
    """As Markdown, from its title on."""
    layers = found[0].fleet.layers
    rows = table(TITLES, [_row(one) for one in found])
    return f"{TITLE}\n\n" + TEXT.format(machine=machine, table=rows, layers=layers)


def section_in(page: str) -> str:
    """The page's section of this title, without what follows; empty where there is none."""
    _, there, after = page.partition(TITLE)
    following = after.find("\n## ")
    return f"{there}{after if following < 0 else after[:following]}".rstrip()


def with_section(page: str, text: str) -> str:
    """The page with this section in place of the one of this title, or at its end."""
    known = section_in(page)
    return page.replace(known, text) if known else f"{page.rstrip()}\n\n{text}\n"


def _row(one: Figures) -> list[str]:
    fleet = one.fleet
    gates = "" if fleet.gates == 5 else f" ({fleet.gates} gate{'s' if fleet.gates > 1 else ''})"
    numbers = [f"{each:.2f}/s" for each in (one.reads, one.writes)]
    return [
        f"{fleet.active}{gates if fleet.active else ''}",
        f"{fleet.all:,}",
        f"{one.cpu:.1f} %",
        f"{one.memory:.0f} MiB",
        *numbers,
        f"{one.queries:.2f}/s" if fleet.active else "",
        *(("" if each is None else f"{each:.2f} s") for each in (one.late, one.abort, one.breach)),
        f"{one.load:.0f}",
    ]
