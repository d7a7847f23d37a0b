"""All rollouts at a glance: one row each, those that need somebody first; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from modelrollout.api.borders.cleaning import LONGEST_NAME, clean, mapping
from modelrollout.api.status import Status
from modelrollout.cli.render import status_of
from modelrollout.cli.report.page.document import document
from modelrollout.cli.report.page.elements import Child, Element, el, moment, section, table
from modelrollout.cli.words import span
from modelrollout.core.rollout.phases import refused, running, waits_for_person

TITLE = "Model rollouts"
FOOTER = "Served by kubectl modelrollout dashboard to this machine alone; it changes nothing. All times are UTC."


@dataclass(frozen=True)
class Row:
    """One ModelRollout; `status` None where this version of the plugin cannot read it."""

    namespace: str
    name: str
    status: Status | None

    @property
    def urgency(self) -> int:
        """0 for what waits for a person, 1 for what moves, 2 for the rest."""
        if self.status is None or waits_for_person(self.status.phase) or refused(self.status.phase):
            return 0
        return 1 if running(self.status.phase) else 2


def row_of(obj: dict[str, Any]) -> Row:
    """A row from the object as stored."""
    meta = mapping(obj.get("metadata"))
    namespace, name = (clean(meta.get(key), 2 * LONGEST_NAME) for key in ("namespace", "name"))
    return Row(namespace, name, status_of(obj))


def overview(rows: Sequence[Row], now: float, said: Sequence[str] = ()) -> str:
    """The page; `said` is what could not be read."""
    ordered = sorted(rows, key=lambda row: (row.urgency, row.namespace, row.name))
    waiting = sum(row.urgency == 0 for row in rows)
    moving = sum(row.urgency == 1 for row in rows)
    summary = el("p", f"{len(rows)} in all, {moving} under way, {waiting} to be looked at. As of ", moment(now))
    parts: list[Child] = [el("ul", *(el("li", text) for text in said), class_="missing") if said else None]
    titles = ("Rollout", "Namespace", "Phase", "Versions", "Weight", "For", "Decides", "Why")
    parts.append(table("Those that wait for somebody first", titles, [_cells(row, now) for row in ordered]))
    if not rows:
        parts = [*parts[:1], el("p", "There are no ModelRollouts here.")]
    header = [el("h1", TITLE), summary, connection()]
    return document(TITLE, header, [section("all", "All rollouts", *parts)], FOOTER, live=True)


def connection() -> Element:
    """Where the page's script says that nobody answers any more."""
    return el("p", "", id="connection", role="status", class_="bad")


def _cells(row: Row, now: float) -> list[Child]:
    where = f"rollouts/{_path(row.namespace)}/{_path(row.name)}"
    link = el("a", row.name, href=where)
    status = row.status
    if status is None:
        return [link, row.namespace, "unreadable", "-", "-", "-", "-", "update the plugin"]
    kind = {0: "open", 1: "", 2: "good"}[row.urgency]
    kind = "bad" if refused(status.phase) else kind
    versions = f"{status.stable or '-'} → {status.candidate}" if status.candidate else status.stable or "-"
    weight = f"{status.weight.observed if status.weight.observed is not None else status.weight.desired} %"
    began = status.rollout.started_at if status.rollout else None
    took = span(now - began) if began is not None else "-"
    shown = weight if status.candidate else "-"
    phase, why = el("span", status.phase, class_=kind), status.message or status.reason or "-"
    return [link, row.namespace, phase, versions, shown, took, status.deciding or "-", why]


def _path(name: str) -> str:
    """A name as one part of an address."""
    return quote(name, safe="", errors="replace")
