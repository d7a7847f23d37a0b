"""What `status` shows: a pure function of the object, the route's weight and the time."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from modelrollout.api.problems import parse_spec
from modelrollout.api.spec import Spec
from modelrollout.api.status import Status
from modelrollout.cli.advice import advice
from modelrollout.cli.picture import GateTable, WeightBar, gate_sentences, warning_lines, weight_words
from modelrollout.cli.printing import clean
from modelrollout.cli.runbooks import sections
from modelrollout.cli.words import ago, plain, span, until
from modelrollout.core.rollout.phases import refused

_PHASES = {
    "Serving": ("✔", "green"),
    "Adopting": ("◌", "cyan"),
    "Waiting": ("◌", "cyan"),
    "Preflight": ("◌", "cyan"),
    "Stepping": ("●", "cyan"),
    "Baking": ("●", "cyan"),
    "AwaitingApproval": ("✋", "yellow"),
    "Inconclusive": ("?", "yellow"),
    "RolledBack": ("✖", "red"),
    "Rejected": ("✖", "red"),
}
_RECENT = 5


def render(obj: dict[str, Any], live: int | None, now: float) -> RenderableType:
    """`live` is the candidate's percent on the route, None where it could not be read; `now` in epoch seconds."""
    status = status_of(obj)
    if status is None:
        return _unreadable(obj)
    spec, _ = parse_spec(obj.get("spec"))
    parts: list[RenderableType] = [_header(obj, spec, status, live, now)]
    if status.gates:
        parts += [Text(), GateTable(status.gates), *gate_sentences(status.gates)]
    parts += warning_lines(status.warnings)
    if status.history:
        parts += [Text(), _history(status, now)]
    return Group(*parts)


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
    text = f"{status.phase} ({status.reason or '-'}) {versions} weight {weight_words(status, live)}; {status.message}"
    text += f" [{gates}]" if gates else ""
    return clean(f"{text} {_counted(len(status.warnings))}" if status.warnings else text)


def _counted(warnings: int) -> str:
    """Their sentences hold figures that change at every evaluation: a line for each would hide what happened."""
    return f"({warnings} warning{'' if warnings == 1 else 's'}, see status)"


def _header(obj: dict[str, Any], spec: Spec | None, status: Status, live: int | None, now: float) -> Table:
    """What it is doing, why, and what to do now: first, because a short terminal cuts off the end."""
    meta = obj.get("metadata") or {}
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    icon, style = _PHASES.get(status.phase, ("?", ""))
    wanted = f", model {spec.model.name}, version {spec.model.version} wanted" if spec is not None else ""
    grid.add_row("Name", plain(f"{meta.get('name')} (namespace {meta.get('namespace')}){wanted}"))
    grid.add_row("Phase", plain(f"{icon} {status.phase}" + (f", {status.reason}" if status.reason else ""), style))
    if status.message:
        grid.add_row("Why", plain(status.message))
    grid.add_row("Now", _advice(obj, spec, status))
    if status.reason in sections() and _in_the_way(status):
        grid.add_row("More", plain(f"`kubectl modelrollout explain {status.reason}`"))
    grid.add_row("Weight", WeightBar(status, live))
    if status.candidate:
        grid.add_row("Step", plain(_step(spec, status, now)))
        if spec is not None:
            grid.add_row("Way", _way(spec, status))
        if status.rollout and status.rollout.plan:
            grid.add_row("Plan", plain(status.rollout.plan))
    if status.last_command:
        last = status.last_command
        grid.add_row("Command", plain(f"{last.verb} by {last.by or 'unknown'} {ago(last.at, now)}: {last.result}"))
    return grid


def _in_the_way(status: Status) -> bool:
    """Whether a person has something to do or to look into."""
    stalled = any(one.type == "Stalled" and one.status == "True" for one in status.conditions)
    return stalled or refused(status.phase) or sections()[status.reason][0] != "progress"


def _step(spec: Spec | None, status: Status, now: float) -> str:
    step, rollout = status.step, status.rollout
    if status.phase == "Preflight" and status.preflight:
        text = f"before the first step: pre-flight, {status.preflight.rows} of {status.preflight.of or '?'} rows"
    elif status.phase == "Baking" and spec and rollout and rollout.bake_started_at:
        text = f"bake at 100 %, {span(rollout.bake_started_at + spec.bake - now)} left"
    elif step is None:
        text = "before the first step"
    else:
        total = f"/{len(spec.steps)}" if spec else ""
        share = f"copies of {step.mirror} %" if step.mirror and not step.weight else f"{step.weight} %"
        if status.phase == "Waiting":  # after a loss: the weight is 0 now
            return f"{step.number}{total} at {share} again, once the candidate is ready"
        left = step.earliest_advance - now if step.earliest_advance else 0.0
        text = f"{step.number}{total} at {share}" + (f", {span(left)} left" if left > 0 else ", hold over")
    if status.next_evaluation:
        text += f"; next evaluation {until(status.next_evaluation, now)}"
    return text + (f"; started {ago(rollout.started_at, now)}" if rollout else "")


def _way(spec: Spec, status: Status) -> Text:
    """The way to 100 %: what is behind in green, where it stands marked."""
    at = len(spec.steps) if status.phase == "Baking" else (status.step.index if status.step else -1)
    names = [step.title + (" ✋" if step.approval else "") for step in spec.steps]
    text = Text()
    for index, name in enumerate([*names, f"bake {span(spec.bake)}", "stable"]):
        style = "green" if index < at else "bold cyan" if index == at else "dim"
        text.append(" → " if index else "", style="dim").append(f"[{name}]" if index == at else name, style=style)
    return text


def _history(status: Status, now: float) -> Table:
    """The last rollouts, newest first: when, what became of them, why."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for title in ("Recent", "Result", "Ended", "Took", "Why"):
        table.add_column(title, no_wrap=title != "Why", overflow="fold")
    for entry in reversed(status.history[-_RECENT:]):
        style = "green" if entry.result in ("Promoted", "Adopted") else "red"
        adopted = entry.result == "Adopted"
        took = "" if adopted else span(entry.ended_at - entry.started_at)
        what = entry.candidate if adopted else f"{entry.stable} → {entry.candidate}"
        figures = (plain(ago(entry.ended_at, now), "dim"), plain(took, "dim"))
        table.add_row(plain(what), plain(entry.result, style), *figures, plain(entry.message or entry.reason))
    return table


def _advice(obj: dict[str, Any], spec: Spec | None, status: Status) -> Text:
    meta = obj.get("metadata") or {}
    paused = bool(spec and spec.paused)
    return plain(advice(status, str(meta.get("namespace")), str(meta.get("name")), paused_in_spec=paused), "bold")


def _unreadable(obj: dict[str, Any]) -> Text:
    raw = obj.get("status") or {}
    known = f"phase {raw.get('phase')}, {raw.get('reason')}: {raw.get('message')}"
    return plain(f"This version of the plugin cannot read the whole status; update it. It says {known}", "yellow")
