"""The gates of a report: each one's verdict now, what was observed beside its limit, and its odds, over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from modelrollout.api.status import GateStatus
from modelrollout.cli.report.facts import Facts, Judgement
from modelrollout.cli.report.page.elements import Child, Element, clock, el, moment, table
from modelrollout.cli.report.page.numbers import Value, limits, number, odds
from modelrollout.cli.report.page.plots import Line, figure, time_plot
from modelrollout.core.analysis.stats.parameters import PASS_ODDS
from modelrollout.core.evaluation import GateResult

_CLASSES = {"PASS": "good", "FAIL": "bad"}
Times = Sequence[tuple[float, GateResult]]


def gates(facts: Facts) -> Iterator[Element]:
    """One block for each gate, those of the status first."""
    shown = {gate.name: gate for gate in facts.status.gates} if facts.subject and facts.subject.newest else {}
    judged = _by_name(facts.judgements)
    for index, name in enumerate(dict.fromkeys((*shown, *judged))):
        yield _gate(f"gate-{index}", name, shown.get(name), judged.get(name, []))


def _by_name(judgements: Sequence[Judgement]) -> dict[str, list[tuple[float, GateResult]]]:
    found: dict[str, list[tuple[float, GateResult]]] = {}
    for one in judgements:
        for gate in one.gates:
            found.setdefault(gate.name, []).append((one.at, gate))
    return found


def _gate(place: str, name: str, said: GateStatus | None, times: Times) -> Element:
    last: GateStatus | GateResult | None = said or (times[-1][1] if times else None)
    assert last is not None  # a gate is named by one of the two
    parts: list[Child] = [el("h3", name, id=f"{place}-title"), _standing(last)]
    if times:
        behind = _figures(name, times)
        plots = [one for one in (_values(place, name, times), _odds(place, name, times)) if one is not None]
        parts.append(el("div", *plots, class_="plots") if plots else None)
        parts.append(el("details", el("summary", f"{name}: every figure over time"), behind))
    return el("article", *parts, aria_labelledby=f"{place}-title")


def _standing(gate: GateStatus | GateResult) -> Element:
    verdict = el("strong", gate.verdict, class_=_CLASSES.get(gate.verdict, "open"))
    role = "left out: it decides nothing" if gate.left_out else "" if gate.required else "reported, does not decide"
    kind = f" {gate.type}" + (f", layer {gate.layer}" if gate.layer else "") + (f" ({role})" if role else "")
    return el("p", verdict, f"{kind}. {gate.message}")


def _values(place: str, name: str, times: Times) -> Element | None:
    """What was observed in both versions, beside the limit."""
    unit = next((found[1] for _, gate in times if (found := number(gate.observed)) is not None), None)
    if unit is None:
        return None
    candidate = [(at, found[0]) for at, gate in times if (found := _in(unit, number(gate.observed)))]
    stable = [(at, found[0]) for at, gate in times if (found := _in(unit, number(gate.stable)))]
    lines = [Line("stable", tuple(stable)), Line("candidate", tuple(candidate)), *_limit_lines(unit, times)]
    title = f"{name}: observed, with its limit"
    alt = f"{title}. {_said(times)}"
    roles = [role for role in ("stable", "candidate", "limit") if any(one.role == role and one.points for one in lines)]
    rows = [(clock(at), gate.observed or "-", gate.stable or "-", gate.limit or "-") for at, gate in times]
    behind = table(title, ("Time (UTC)", "Candidate", "Stable", "Limit"), rows)
    return figure(f"{place}-values", title, time_plot(f"{place}-v", alt, lines, unit=unit), behind, roles)


def _limit_lines(unit: str, times: Times) -> list[Line]:
    ends: dict[int, list[tuple[float, float]]] = {}
    for at, gate in times:
        for index, value in enumerate(limits(gate.limit)):
            if value[1] == unit:
                ends.setdefault(index, []).append((at, value[0]))
    return [Line("limit", tuple(points)) for points in ends.values()]


def _in(unit: str, value: Value | None) -> Value | None:
    return value if value is not None and value[1] == unit else None


def _odds(place: str, name: str, times: Times) -> Element | None:
    """The odds against the candidate, with those at which the gate fails."""
    against = [(at, found) for at, gate in times if (found := odds(gate.against)) is not None]
    if not against:
        return None
    needed = [(at, found) for at, gate in times if (found := odds(gate.needed)) is not None]
    title = f"{name}: odds against the candidate, and where it fails"
    alt = f"{title}. At the end {against[-1][1]:,.3g}:1" + (f", it fails at {needed[-1][1]:,.3g}:1" if needed else "")
    lines = [Line("candidate", tuple(against)), Line("limit", tuple(needed))]
    rows = [
        (clock(at), _shown(gate.against), _shown(gate.needed), _shown(gate.in_favour), f"{PASS_ODDS:g}:1")
        for at, gate in times
    ]
    titles = ("Time (UTC)", "Odds against", "fails at", "Odds for", "passes at")
    plot = time_plot(f"{place}-o", alt, lines, log=True, unit="odds to 1")
    return figure(f"{place}-odds", title, plot, table(title, titles, rows), ["candidate", "limit"])


def _shown(log_odds: float | None) -> str:
    found = odds(log_odds)
    return "-" if found is None else f"{found:,.3g}:1"


def _figures(name: str, times: Times) -> Element:
    titles = ("Time (UTC)", "Verdict", "Layer", "Samples", "Evidence", "In words")
    rows: list[tuple[Child, ...]] = [
        (clock(at), gate.verdict, gate.layer or "-", gate.samples or "-", gate.evidence or "-", gate.message)
        for at, gate in times
    ]
    return table(f"{name} over time", titles, rows)


def _said(times: Times) -> str:
    """The first and the last figures in words, for whoever does not see the plot."""
    seen = [(at, gate) for at, gate in times if gate.observed]
    if not seen:
        return "nothing was observed"
    ends = [f"at {clock(at)} candidate {gate.observed}, stable {gate.stable or 'unknown'}" for at, gate in seen]
    told = dict.fromkeys((ends[0], ends[-1]))
    return f"{'; '.join(told)}; limit {seen[-1][1].limit or 'none'}"


def judged_note(facts: Facts) -> Element | None:
    """What the figures over time rest on."""
    if not facts.judgements:
        return None
    first, last = facts.judgements[0].at, facts.judgements[-1].at
    text = (
        f"Judged again for this page at {len(facts.judgements)} moments, by the operator's own engine at whole "
        "intervals, from the samples that Prometheus has now. The operator looks at every scrape, so its own odds may "
        "differ a little. From "
    )
    return el("p", text, moment(first), " to ", moment(last), ".")
