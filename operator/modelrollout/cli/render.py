"""What `status` shows: a pure function of the object, the route's weight and the time."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from modelrollout.api.problems import parse_spec
from modelrollout.api.spec import Spec
from modelrollout.api.status import GateStatus, Status
from modelrollout.cli.advice import advice
from modelrollout.cli.words import ago, clean, plain, span, until

_PHASES = {
    "Serving": ("✔", "green"),
    "Adopting": ("◌", "cyan"),
    "Waiting": ("◌", "cyan"),
    "Stepping": ("●", "cyan"),
    "Baking": ("●", "cyan"),
    "AwaitingApproval": ("✋", "yellow"),
    "Inconclusive": ("?", "yellow"),
    "RolledBack": ("✖", "red"),
    "Rejected": ("✖", "red"),
}
_VERDICTS = {
    "PASS": ("✔", "green"),
    "FAIL": ("✖", "red"),
    "CONTINUE": ("…", "cyan"),
    "NO_DATA": ("∅", "yellow"),
    "NOT_COMPARABLE": ("≠", "yellow"),
}
_RECENT = 5


def render(obj: dict[str, Any], live: int | None, now: float) -> RenderableType:
    """`live` is the candidate's percent on the route, None where it could not be read; `now` in epoch seconds."""
    status = status_of(obj)
    if status is None:
        return _unreadable(obj)
    spec, _ = parse_spec(obj.get("spec"))
    parts: list[RenderableType] = [_header(obj, spec, status, live, now)]
    if spec is not None and status.candidate:
        parts += [Text(), _steps(spec, status)]
    if status.gates:
        parts += [Text(), _gates(status.gates), *_gate_notes(status.gates)]
    if status.history:
        parts += [Text(), _history(status, now)]
    return Group(*parts, Text(), _next(obj, spec, status))


def status_of(obj: dict[str, Any]) -> Status | None:
    """The status, or None where this version of the plugin cannot read it."""
    try:
        return Status.model_validate(obj.get("status") or {})
    except ValidationError:
        return None


def line(obj: dict[str, Any], live: int | None) -> str:
    """The state in one line, for logs and pipes; it changes when something happened."""
    status = status_of(obj)
    if status is None:
        return "the status cannot be read by this version of the plugin"
    versions = f"{status.stable or '-'} -> {status.candidate}" if status.candidate else f"{status.stable or '-'}"
    gates = " ".join(f"{g.name}={g.verdict}" for g in status.gates if g.required)
    text = f"{status.phase} ({status.reason or '-'}) {versions} weight {_weight(status, live)}; {status.message}"
    return clean(f"{text} [{gates}]" if gates else text)


def _weight(status: Status, live: int | None) -> str:
    on_route = live if live is not None else status.weight.observed
    where = "on the route" if live is not None else "on the route when last read"
    if on_route is None:
        return f"{status.weight.desired} % desired, the route is unknown"
    return f"{status.weight.desired} % desired, {on_route} % {where}"


def _header(obj: dict[str, Any], spec: Spec | None, status: Status, live: int | None, now: float) -> Table:
    meta = obj.get("metadata") or {}
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    icon, style = _PHASES.get(status.phase, ("?", ""))
    grid.add_row("Name", plain(f"{meta.get('name')} (namespace {meta.get('namespace')})"))
    grid.add_row("Phase", plain(f"{icon} {status.phase}" + (f", {status.reason}" if status.reason else ""), style))
    if status.message:
        grid.add_row("Message", plain(status.message))
    if spec is not None:
        grid.add_row("Model", plain(f"{spec.model.name}, version {spec.model.version} wanted"))
    grid.add_row("Stable", plain(status.stable or "none yet"))
    if status.candidate:
        grid.add_row("Candidate", plain(status.candidate))
        grid.add_row("Step", plain(_step(spec, status, now)))
        drifted = live is not None and live != status.weight.desired
        grid.add_row("Weight", plain(_weight(status, live), "yellow" if drifted else ""))
    if status.next_evaluation:
        grid.add_row("Evaluation", plain(until(status.next_evaluation, now)))
    if status.last_command:
        last = status.last_command
        grid.add_row("Command", plain(f"{last.verb} by {last.by or 'unknown'} {ago(last.at, now)}: {last.result}"))
    return grid


def _step(spec: Spec | None, status: Status, now: float) -> str:
    step, rollout = status.step, status.rollout
    if status.phase == "Baking" and spec and rollout and rollout.bake_started_at:
        return f"bake, {span(rollout.bake_started_at + spec.bake - now)} left"
    if step is None:
        return "before the first step"
    total = f"/{len(spec.steps)}" if spec else ""
    left = step.earliest_advance - now if step.earliest_advance else 0.0
    return f"{step.number}{total} at {step.weight} %" + (f", {span(left)} left" if left > 0 else ", hold over")


def _steps(spec: Spec, status: Status) -> Text:
    """The way to 100 %: what is behind in green, where it stands in bold."""
    at = len(spec.steps) if status.phase == "Baking" else (status.step.index if status.step else -1)
    names = [f"{step.weight} %" + (" ✋" if step.approval else "") for step in spec.steps]
    text = Text("Steps  ", style="bold")
    for index, name in enumerate([*names, f"bake {span(spec.bake)}", "stable"]):
        style = "green" if index < at else "bold cyan reverse" if index == at else "dim"
        text.append(" → " if index else "", style="dim").append(f" {name} ", style=style)
    return text


def _gates(gates: list[GateStatus]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for title in ("Gate", "Layer", "Verdict", "Observed", "Stable", "Limit", "Samples", "Evidence", "ETA"):
        table.add_column(title, overflow="fold")
    for gate in gates:
        icon, style = _VERDICTS.get(gate.verdict, ("?", ""))
        name = gate.name if gate.required else f"{gate.name} (reported)"
        figures = (gate.observed, gate.stable, gate.limit, gate.samples, gate.evidence, gate.eta)
        cells = [plain(name), plain(gate.layer or ""), plain(f"{icon} {gate.verdict}", style)]
        table.add_row(*cells, *(plain(figure or "-") for figure in figures))
    return table


def _gate_notes(gates: list[GateStatus]) -> list[Text]:
    """The sentence of every gate that has not passed."""
    telling = [gate for gate in gates if gate.message and gate.verdict != "PASS"]
    return [plain(f"  {_VERDICTS[gate.verdict][0]} {gate.name}: {gate.message}", "dim") for gate in telling]


def _history(status: Status, now: float) -> Table:
    table = Table.grid(padding=(0, 2))
    for entry in reversed(status.history[-_RECENT:]):
        style = "green" if entry.result in ("Promoted", "Adopted") else "red"
        took = f"{ago(entry.ended_at, now)}, took {span(entry.ended_at - entry.started_at)}"
        what = f"{entry.stable} → {entry.candidate}"
        why = entry.message or entry.reason
        table.add_row(plain(what), plain(entry.result, style), plain(took, "dim"), plain(why))
    return table


def _next(obj: dict[str, Any], spec: Spec | None, status: Status) -> Text:
    meta = obj.get("metadata") or {}
    paused = bool(spec and spec.paused)
    text = advice(status, str(meta.get("namespace")), str(meta.get("name")), paused_in_spec=paused)
    return Text("Now    ", style="bold").append(clean(text), style="not bold")


def _unreadable(obj: dict[str, Any]) -> Text:
    raw = obj.get("status") or {}
    known = f"phase {raw.get('phase')}, {raw.get('reason')}: {raw.get('message')}"
    return plain(f"This version of the plugin cannot read the whole status; update it. It says {known}", "yellow")
