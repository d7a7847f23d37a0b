"""docs/peers.md from the Records: tools side by side, then what each was told; pure."""

from __future__ import annotations

import os
import statistics
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.peers.outcomes import Outcome
from tests.bench.peers.results import Record
from tests.bench.peers.story import FULL, QUICK, RATE, SCENARIOS, WEIGHT

DASH = "-"


@dataclass(frozen=True)
class Column:
    """A tool with one setting, over all its rounds."""

    title: str
    records: Sequence[Record]

    def of(self, *scenarios: str) -> list[Outcome]:
        found = [outcome for record in self.records for outcome in record.outcomes()]
        return [each for each in found if not scenarios or each.scenario in scenarios]

    def rate(self, what: Callable[[Record], float]) -> float:
        """`what` a second."""
        return sum(what(record) for record in self.records) / sum(record.cost.seconds for record in self.records)


def columns(records: Sequence[Record]) -> list[Column]:
    """In the order of TOOLS, as the first record of each came."""
    titles = list(dict.fromkeys(record.title for record in records))
    return [Column(title, [each for each in records if each.title == title]) for title in sorted(titles, key=_order)]


def _order(title: str) -> tuple[bool, str]:
    return (not title.startswith("modelrollout"), title)


def page(records: Sequence[Record]) -> str:
    """The whole page; ValueError where nothing has been measured."""
    if not records:
        raise ValueError("nothing has been measured yet")
    found = columns(records)
    rows = [[label, *(cell(column) for column in found)] for label, cell in ROWS]
    table = table_of(["", *(column.title for column in found)], rows)
    return "\n\n".join([_head(records), table, _filled(NOTES), "## Settings", _settings(found)]) + "\n"


def _head(records: Sequence[Record]) -> str:
    rounds = len({record.seed for record in records})
    timeline = QUICK if records[0].quick else FULL
    versions = sorted({f"{record.tool} {record.version}" for record in records})
    busy = statistics.mean(record.busy for record in records)
    stories = "\n".join(f"- `{each.name}`, {each.canaries} a round: {each.what}." for each in SCENARIOS)
    values = {
        "versions": ", ".join(versions),
        "rounds": "One round" if rounds == 1 else f"{rounds} rounds",
        "weight": WEIGHT,
        "rate": f"{RATE:g}",
        "before": f"{timeline.before:.0f}",
        "after": f"{timeline.after:.0f}",
        "outage": f"{timeline.outage:.0f}",
        "busy": f"{busy:.1f}",
        "cores": os.cpu_count(),
    }
    return "\n\n".join(["# Side by side", _filled(HEAD.format(**values)), stories, _filled(LAB.format(**values))])


def _filled(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 120)


def _share(found: Sequence[Outcome], true: Callable[[Outcome], Any]) -> str:
    return f"{sum(bool(true(each)) for each in found)} of {len(found)}" if found else DASH


def _false(column: Column) -> str:
    return _share(column.of(), lambda each: each.false)


def _equal(column: Column) -> str:
    return _share(column.of("equal"), lambda each: each.false)


def _incident(column: Column) -> str:
    return _share([each for each in column.of("incident") if each.counts], lambda each: each.incident)


def _outage(column: Column) -> str:
    return _share([each for each in column.of() if each.outage is not None], lambda each: each.outage)


def _found(scenario: str) -> Callable[[Column], str]:
    def cell(column: Column) -> str:
        there = [each for each in column.of(scenario) if each.counts]
        seconds = sorted(each.found for each in there if each.found is not None)
        if not there:
            return DASH
        if not seconds:
            return f"0 of {len(there)}"
        return f"{len(seconds)} of {len(there)}: {', '.join(f'{each:.0f}' for each in seconds)} s"

    return cell


def _errors(scenario: str) -> Callable[[Column], str]:
    def cell(column: Column) -> str:
        there = [each.errors for each in column.of(scenario) if each.counts]
        return f"{statistics.mean(there):.0f}" if there else DASH

    return cell


ROWS: tuple[tuple[str, Callable[[Column], str]], ...] = (
    ("rolled back though nothing was wrong", _false),
    ("of these, equally good to the end", _equal),
    ("rolled back in the shared incident", _incident),
    ("moved by Prometheus's outage", _outage),
    (f"given more than {WEIGHT} %", lambda column: _share(column.of(), lambda each: each.raised)),
    ("found: errors 0.5 to 5 %", _found("errors-5")),
    ("errors its users saw, each", _errors("errors-5")),
    ("found: errors 0.5 to 1.5 %", _found("errors-1.5")),
    ("errors its users saw, each", _errors("errors-1.5")),
    ("found: latency x 1.5", _found("latency")),
    ("found: NaN in 5 % of answers", _found("nan")),
    ("requests nobody answered", lambda column: str(sum(record.unanswered for record in column.records))),
    ("restarts of the controller", lambda column: str(sum(record.restarts for record in column.records))),
    ("CPU, % of a core", lambda column: f"{100 * column.rate(lambda record: record.cost.cpu):.2f}"),
    ("memory, MiB", lambda column: f"{max(each.cost.memory for each in column.records) / 2**20:.0f}"),
    ("API reads a second", lambda column: f"{column.rate(lambda record: record.cost.reads):.2f}"),
    ("API writes a second", lambda column: f"{column.rate(lambda record: record.cost.writes):.2f}"),
    ("Prometheus queries a second", lambda column: f"{column.rate(lambda record: record.cost.queries):.2f}"),
)


def table_of(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns line up in a terminal, too."""
    widths = [max(len(row[at]) for row in [titles, *rows]) for at in range(len(titles))]

    def line(row: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"

    return "\n".join([line(titles), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)])


def _settings(found: Sequence[Column]) -> str:
    lines = [f"- {column.title}: {column.records[-1].shown}" for column in found]
    return "\n".join(textwrap.fill(line, 120, subsequent_indent="  ") for line in lines)


HEAD = """\
Measured by `make bench-peers`: {versions}, each a real controller, the peers built from their own modules, on one lab
with a real API server, Traefik and Prometheus (scraping every 5 s). {rounds}; in each, every tool has canaries of its
own, ours at the same time as the quickest settings and then the documented ones: {weight} % of {rate} requests/s each
(Poisson), from the same seeds. After {before} s in which every candidate is as good as stable comes the onset;
{after} s later Prometheus is away for {outage} s. Nobody is let beyond {weight} %."""
LAB = """\
There is no kubelet: the lab says that Deployments and ReplicaSets are ready, and makes EndpointSlices lead to the
backends, within a second. The lab had priority, for the machine has {cores} cores and did other work as well: on
average {busy} processes wanted each core. CPU, and a few seconds more or less, say little then; counts do."""
NOTES = """\
Rolled back though nothing was wrong: before the onset, or at any time where both versions are equally good; a canary
that was rolled back before the onset is in no later row. Found: how many, and the seconds from the onset to the write
of the route that took the candidate's traffic; where a tool rolls good canaries back as well, some of its finds are
chance. Errors are those that the candidate answered from the onset on. Moved by
the outage: of the canaries that had traffic then and no fault of their own, those whose weight changed. Requests nobody
answered are the gateway's own refusals, from the first weight on: half a minute after its rollback Argo takes the Pods
of the candidate away, its canary Service leads nowhere until it selects stable's, and Traefik answers 404 for the whole
TraefikService; the second that the lab takes to publish is part of that. CPU, calls and queries are those of the time
before the onset, watches and Leases left out; memory is the largest."""
