"""What the model's telemetry says of itself: window sizes, and observations and answers that it lost."""

from __future__ import annotations

from collections.abc import Iterator

from modelrollout.cli.doctor.checks.view import View
from modelrollout.cli.doctor.finding import Finding, Reporter
from modelrollout.core.analysis.gates.formatting import count, percent
from modelrollout.core.analysis.metrics import model_series as s

_LOST = ((s.DROPPED, s.OBSERVATIONS, "observations"), (s.EVALS_LOST, s.EVALS, "answers"))
"""(what was lost, what was kept or taken, the noun)."""
_GUIDE = "docs/instrument-your-model.md says what each reason means"


def telemetry(view: View) -> Iterator[Finding]:
    """For each version that exports it."""
    for arm, version in view.subject.versions:
        side: s.Arm = "stable" if arm == "stable" else "candidate"
        say = Reporter("gates", f"telemetry v{version}")
        yield from _windows(view, side, say)
        for lost, kept, noun in _LOST:
            yield from _losses(view, side, (lost, kept, noun), say)


def _windows(view: View, arm: s.Arm, say: Reporter) -> Iterator[Finding]:
    table = view.gate_input.table
    layers = table.layers(s.WINDOWS, arm)
    if not layers:
        return
    sizes = sorted({size for layer in layers for size in table.gauge(s.WINDOW_SIZE, arm, layer)})
    rows = " and ".join(f"{size:,.0f}" for size in sizes) or "unknown numbers of"
    completed, measured = (float(table.total(metric, arm).sum()) for metric in (s.WINDOWS, s.SAMPLES))
    if not completed and measured:
        text = f"no window of {rows} rows was completed in {view.minutes}, at {count(measured)} rows"
        fix = "DeadNeurons is judged by whole windows: choose smaller ones for both versions, or send more traffic"
        yield say.warning("windows", text, fix)
        return
    noun = "layer" if len(layers) == 1 else "layers"
    yield say.ok("windows", f"{len(layers)} {noun}, windows of {rows} rows, {count(completed)} completed")


def _losses(view: View, arm: s.Arm, what: tuple[str, str, str], say: Reporter) -> Iterator[Finding]:
    (lost, kept, noun), table = what, view.gate_input.table
    if not table.has(lost, arm) and not table.has(kept, arm):
        return
    gone, whole = float(table.total(lost, arm).sum()), float(table.total(kept, arm).sum())
    if not gone:
        return
    by = {reason: float(table.total(lost, arm, details=[reason]).sum()) for reason in table.details(lost, arm)}
    worst = ", ".join(f"{reason} {count(number)}" for reason, number in sorted(by.items()) if number)
    share = percent(gone / (gone + whole))
    yield say.warning("lost", f"{count(gone)} {noun} lost in {view.minutes} ({share}: {worst})", _GUIDE)
