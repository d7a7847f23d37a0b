"""The two pictures in `status`: where the traffic goes, and what every gate has seen. Both read well without colour."""

from __future__ import annotations

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
_SHOWN_IN_TABLE = ("PASS", "CONTINUE")


def weight_words(status: Status, live: int | None) -> str:
    """`live` is the candidate's percent on the route, None where it could not be read."""
    on_route = live if live is not None else status.weight.observed
    where = "on the route" if live is not None else "on the route when last read"
    if on_route is None:
        return f"{status.weight.desired} % desired, the route is unknown"
    return f"{status.weight.desired} % desired, {on_route} % {where}"


def weight_bar(status: Status, live: int | None) -> Text:
    """Stable's part light, the candidate's solid; yellow where the route is not as desired."""
    if status.stable is None:
        return plain("no version serves yet")
    if not status.candidate:
        text = Text("░" * _CELLS, style="green").append_text(plain(f" stable {status.stable}"))
        return text.append(f", but {live} % of the route goes elsewhere" if live else ", all traffic")
    on_route = live if live is not None else status.weight.observed or 0
    part = min(_CELLS, max(round(on_route * _CELLS / 100), int(on_route > 0)))
    drifted = on_route != status.weight.desired
    text = plain(f"stable {status.stable} ")
    text.append("░" * (_CELLS - part), style="green").append("█" * part, style="yellow" if drifted else "cyan")
    text.append_text(plain(f" {status.candidate} candidate, "))
    return text.append_text(plain(weight_words(status, live), "yellow" if drifted else ""))


def gate_table(gates: list[GateStatus]) -> Table:
    """One row per gate, in the order of the spec, so that nothing jumps about while it is watched."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for title in ("Gate", "Verdict", "Observed", "Stable", "Limit", "Samples", "Evidence", "Still needs"):
        table.add_column(title, overflow="fold", no_wrap=title == "Verdict")
    for gate in gates:
        icon, style = VERDICTS.get(gate.verdict, ("?", ""))
        name = plain(gate.name).append_text(plain(f" {gate.layer}" if gate.layer else "", "dim"))
        name.append(" (left out)" if gate.left_out else "" if gate.required else " (reported)", style="dim")
        needs = (gate.eta or "").removeprefix("needs ").replace("about ", "~")
        figures = (gate.observed, gate.stable, gate.limit, gate.samples, gate.evidence, needs)
        table.add_row(name, plain(f"{icon} {gate.verdict}", style), *(plain(figure or "-") for figure in figures))
    return table


def warning_lines(warnings: list[str]) -> list[Text]:
    """What people should know about the evidence, under the gates that it is about."""
    return [plain(f"  ! {text}", "yellow") for text in warnings]


def gate_sentences(gates: list[GateStatus]) -> list[Text]:
    """The sentence of every gate whose row does not say it all: what failed, and what cannot be judged."""
    telling = [g for g in gates if g.message and not (g.verdict in _SHOWN_IN_TABLE and g.observed)]
    return [plain(f"  {VERDICTS[g.verdict][0]} {g.name}: {g.message}", VERDICTS[g.verdict][1]) for g in telling]
