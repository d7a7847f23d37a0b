"""How the findings look: one line each, with the fix below; it reads well without colour and in 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from modelrollout.api.status import Status
from modelrollout.cli.doctor.finding import SECTIONS, Finding, Level
from modelrollout.cli.words import plain

_WORDS: dict[Level, tuple[str, str]] = {
    "OK": ("OK", "green"),
    "Warning": ("WARN", "yellow"),
    "Problem": ("PROBLEM", "bold red"),
}
_WIDEST = 20
"""Columns of a subject; a longer one goes on below."""


def title_of(namespace: str, name: str, status: Status | None) -> str:
    """What is looked at, in one line."""
    where = f"{name} (namespace {namespace})"
    if status is None or status.stable is None:
        return f"{where}: no version serves yet"
    tried = f", {status.candidate} is tried at {status.weight.desired} %" if status.candidate else ""
    return f"{where}: {status.phase}, version {status.stable} serves{tried}"


def picture(title: str, found: Sequence[Finding]) -> RenderableType:
    """The sections in their order, each finding with its fix below it, and how many there are of each."""
    parts: list[RenderableType] = [plain(title, "bold")]
    for section in SECTIONS:
        here = [one for one in found if one.section == section]
        if here:
            parts += [Text(), plain(section.capitalize(), "bold"), _table(here)]
    return Group(*parts, Text(), _sum(found))


def _table(found: Sequence[Finding]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, min_width=7)
    table.add_column(max_width=_WIDEST, overflow="fold")
    table.add_column(overflow="fold")
    for one in found:
        word, style = _WORDS[one.level]
        text = plain(one.message, "" if one.level == "OK" else style)
        table.add_row(plain(word, style), plain(one.subject), text)
        if one.fix:
            table.add_row("", "", plain(f"fix: {one.fix}"))
    return table


def _sum(found: Sequence[Finding]) -> Text:
    problems, warnings = (sum(one.level == level for one in found) for level in ("Problem", "Warning"))
    if not problems and not warnings:
        return plain(f"All {len(found)} checks are OK.", "green")
    text = f"{_counted(problems, 'problem')}, {_counted(warnings, 'warning')}, {len(found)} checks"
    return plain(text, "bold red" if problems else "yellow")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
