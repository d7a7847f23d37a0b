"""The two pictures in `status`: where the traffic goes, and what every gate has seen. Both read well without colour."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from modelrollout.api.status import GateStatus, Status
from modelrollout.cli.words import plain

VERDICTS = {
    "PASS": ("✔", "green"),
    "FAIL": ("✖", "red"),
    "CONTINUE": ("…", "cyan"),
    "NO_DATA": ("∅", "yellow"),
    "NOT_COMPARABLE": ("≠", "yellow"),
}
_CELLS = 40
_WIDE, _LABEL = 120, 9
"""Columns from which the wide pictures fit, and those that stand before the weight."""
_SHOWN_IN_TABLE = ("PASS", "CONTINUE")


def weight_words(status: Status, live: int | None) -> str:
    """`live` is the candidate's percent on the route, None where it could not be read."""
    on_route = live if live is not None else status.weight.observed
    where = "on the route" if live is not None else "on the route when last read"
    if on_route is None:
        return f"{status.weight.desired} % desired, the route is unknown"
    return f"{status.weight.desired} % desired, {on_route} % {where}"


@dataclass(frozen=True)
class WeightBar:
    """Stable's part light, the candidate's solid; yellow where the route is not as desired; half as long in 80 columns.

    `live` is the candidate's percent on the route, None where it could not be read.
    """

    status: Status
    live: int | None

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.text(_CELLS if options.max_width >= _WIDE - _LABEL else _CELLS // 4)

    def __rich_measure__(self, _console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(_CELLS // 4, options.max_width)

    def text(self, cells: int) -> Text:
        """The bar with so many cells, and the words after it."""
        status, live = self.status, self.live
        if status.stable is None:
            return plain("no version serves yet")
        if not status.candidate:
            text = Text("░" * cells, style="green").append_text(plain(f" stable {status.stable}"))
            return text.append(f", but {live} % of the route goes elsewhere" if live else ", all traffic")
        on_route = live if live is not None else status.weight.observed or 0
        part = min(cells, max(round(on_route * cells / 100), int(on_route > 0)))
        drifted = on_route != status.weight.desired
        text = plain(f"stable {status.stable} ")
        text.append("░" * (cells - part), style="green").append("█" * part, style="yellow" if drifted else "cyan")
        text.append_text(plain(f" {status.candidate} candidate, "))
        return text.append_text(plain(weight_words(status, live), "yellow" if drifted else ""))


@dataclass(frozen=True)
class GateTable:
    """One row per gate, in the order of the spec, so that nothing jumps about while it is watched.

    Where eight columns would be slivers, each gate has its figures in one row and the rest under it.
    """

    gates: list[GateStatus]

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._wide() if options.max_width >= _WIDE else self._narrow()

    def _wide(self) -> Table:
        table = _table("Gate", "Verdict", "Observed", "Stable", "Limit", "Samples", "Evidence", "Still needs")
        for gate in self.gates:
            figures = (gate.observed, gate.stable, gate.limit, gate.samples, gate.evidence, _needs(gate))
            table.add_row(_name(gate), _verdict(gate), *(plain(figure or "-") for figure in figures))
        return table

    def _narrow(self) -> Group:
        table = _table("Gate", "Verdict", "Observed", "Stable", "Limit")
        for gate in self.gates:
            figures = (gate.observed, gate.stable, gate.limit)
            table.add_row(_name(gate), _verdict(gate), *(plain(figure or "-") for figure in figures))
        rest = [
            (gate.name, "; ".join(part for part in (gate.samples, gate.evidence, gate.eta) if part))
            for gate in self.gates
        ]
        return Group(table, *(plain(f"  {name}: {text}", "dim") for name, text in rest if text))


def _table(*titles: str) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for title in titles:
        table.add_column(title, overflow="fold", no_wrap=title == "Verdict")
    return table


def _name(gate: GateStatus) -> Text:
    name = plain(gate.name).append_text(plain(f" {gate.layer}" if gate.layer else "", "dim"))
    return name.append(" (left out)" if gate.left_out else "" if gate.required else " (reported)", style="dim")


def _verdict(gate: GateStatus) -> Text:
    icon, style = VERDICTS.get(gate.verdict, ("?", ""))
    return plain(f"{icon} {gate.verdict}", style)


def _needs(gate: GateStatus) -> str:
    return (gate.eta or "").removeprefix("needs ").replace("about ", "~")


def warning_lines(warnings: list[str]) -> list[Text]:
    """What people should know about the evidence, under the gates that it is about."""
    return [plain(f"  ! {text}", "yellow") for text in warnings]


def gate_sentences(gates: list[GateStatus]) -> list[Text]:
    """The sentence of every gate whose row does not say it all: what failed, and what cannot be judged."""
    telling = [g for g in gates if g.message and not (g.verdict in _SHOWN_IN_TABLE and g.observed)]
    return [plain(f"  {VERDICTS[g.verdict][0]} {g.name}: {g.message}", VERDICTS[g.verdict][1]) for g in telling]
