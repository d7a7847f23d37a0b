"""One rollout as a page: what it is doing and why, what to do now, and everything that led there."""

from __future__ import annotations

from collections.abc import Iterator

from modelrollout.cli.advice import advice
from modelrollout.cli.picture import weight_words
from modelrollout.cli.report.facts import Facts
from modelrollout.cli.report.page.document import document
from modelrollout.cli.report.page.elements import Child, Element, el, moment, prose, section, table
from modelrollout.cli.report.page.gates import gates, judged_note
from modelrollout.cli.report.page.layers import layers
from modelrollout.cli.report.page.plots import Line, figure, time_plot
from modelrollout.cli.runbooks import sections, spoken
from modelrollout.cli.words import span


def page(facts: Facts, version: str) -> str:
    """The report as one HTML file; `version` of this plugin."""
    footer = (
        f"Made by kubectl modelrollout {version}. Nothing on this page is loaded from anywhere, and it runs no script."
    )
    return document(title_of(facts), heading(facts), list(chapters(facts)), footer)


def live_page(facts: Facts, header: list[Element], footer: str) -> str:
    """The same as a page of `dashboard`."""
    return document(title_of(facts), header, list(chapters(facts)), footer, live=True)


def heading(facts: Facts) -> list[Element]:
    """The first heading and the facts in short."""
    return [el("h1", title_of(facts)), _summary(facts)]


def title_of(facts: Facts) -> str:
    """Which rollout this is about."""
    subject = facts.subject
    what = "no rollout yet" if subject is None else f"version {subject.stable} → {subject.candidate}"
    return f"{facts.name}: {what}"


def chapters(facts: Facts) -> Iterator[Element]:
    """Every section of the page, in the order of somebody on call."""
    yield section("now", "What to do now", *_now(facts))
    if facts.missing:
        yield section("missing", "What could not be read", _list(facts.missing, "missing"))
    if facts.subject is not None:
        yield section("weights", "Weights over time", _weights(facts))
        yield section("gates", "Gates", judged_note(facts), *(list(gates(facts)) or [el("p", "No gate was judged.")]))
    if facts.layers is not None:
        yield section("layers", "Distributions by layer", *layers(facts.layers))
    yield section("happened", "What happened, and who did it", *_happened(facts))
    if facts.status.history:
        yield section("history", "Rollouts before", _history(facts))


def _summary(facts: Facts) -> Element:
    status, subject = facts.status, facts.subject
    rows: list[tuple[str, Child]] = [("Namespace", facts.namespace)]
    if facts.spec is not None:
        rows.append(("Model", facts.spec.model.name))
    if subject is not None and subject.entry is not None:
        entry = subject.entry
        rows += [("Ended as", f"{entry.result}, {entry.reason}"), ("Why", entry.message or "-")]
        rows += [("Started", moment(entry.started_at)), ("Ended", moment(entry.ended_at))]
        rows.append(("Took", span(entry.ended_at - entry.started_at)))
    else:
        rows += [("Phase", f"{status.phase}, {status.reason or '-'}"), ("Why", status.message or "-")]
        if subject is not None:
            rows += [("Started", moment(subject.started_at)), ("Weight", weight_words(status, facts.live))]
    rows.append(("As of", moment(facts.now)))
    return el("dl", *(part for title, value in rows for part in (el("dt", title), el("dd", value))))


def _now(facts: Facts) -> Iterator[Element]:
    status, subject = facts.status, facts.subject
    if subject is None or subject.newest:
        paused = bool(facts.spec is not None and facts.spec.paused)
        yield prose("p", advice(status, facts.namespace, facts.name, paused_in_spec=paused), class_="now")
    else:
        yield el("p", "Nothing about this rollout: it is over, and others came after it.", class_="now")
    reason = status.reason if subject is None or subject.entry is None else subject.entry.reason
    if reason in sections():
        command = f"kubectl modelrollout explain {reason}"
        text = el("pre", "")
        text.text = "\n".join(spoken(reason))  # our own page: its lines stay
        yield el("details", el("summary", f"What {reason} means"), text, el("p", "The same: ", el("code", command)))
    if status.warnings and (subject is None or subject.newest):
        yield _list(status.warnings, "warnings")


def _list(texts: tuple[str, ...] | list[str], kind: str) -> Element:
    return el("ul", *(prose("li", text) for text in texts), class_=kind)


def _weights(facts: Facts) -> Element:
    if not facts.weights:
        return el("p", "Nothing is known of its weights.")
    points = [(at, float(weight)) for at, weight in facts.weights]
    ended = facts.subject is not None and facts.subject.entry is not None
    last = points[-1][1]
    if facts.until > points[-1][0]:
        points.append((facts.until, last))
    title = "The candidate's weight in percent of requests"
    told = "; ".join(f"{weight} % from {moment(at).text}" for at, weight in facts.weights[-12:])
    plot = time_plot("weights", f"{title}: {told}", [Line("candidate", tuple(points), steps=True)], unit="%")
    rows = [(moment(at), f"{weight} %") for at, weight in facts.weights]
    rows.append((moment(facts.until), "ended" if ended else "now"))
    return figure("weights-plot", title, plot, table(title, ("Since", "Weight"), rows))


def _happened(facts: Facts) -> Iterator[Element]:
    last = facts.status.last_command
    began = 0.0 if facts.subject is None else facts.subject.started_at
    if last is not None and began <= last.at <= facts.until + 1:
        row = (moment(last.at), last.verb, last.by or "unknown", last.why or "-", last.result or "-")
        titles = ("When", "Command", "By", "Why", "Answer")
        yield table("The last command of a person", titles, [row])
    else:
        yield el("p", "No command of a person is known of it; status keeps the last one alone.")
    rows = [
        (moment(one.at), one.reason, one.message, "warning" if one.warning else "normal") for one in facts.happenings
    ]
    if rows:
        yield table("Events, oldest first", ("When", "Reason", "In words", "Kind"), rows)
    else:
        yield el(
            "p", "The cluster has no Events of it any more: it keeps them for an hour, if nobody asked for longer."
        )


def _history(facts: Facts) -> Element:
    rows = [
        (moment(one.ended_at), f"{one.stable} → {one.candidate}", one.result, one.reason, one.message or "-")
        for one in reversed(facts.status.history)
    ]
    return table("Newest first", ("Ended", "Versions", "Result", "Reason", "In words"), rows)
