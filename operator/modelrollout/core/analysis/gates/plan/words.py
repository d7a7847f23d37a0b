"""A plan in words: a table of 80 columns, its sentences, one line for a status, and JSON."""

from __future__ import annotations

import textwrap
from typing import Any

from modelrollout.api.quantities import format_duration
from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.plan.answers import MULTIPLES, GateAnswer, Plan

WIDTH = 80
_COLUMNS = (13, 13, 12, 7, 8, 8, 8)
"""Characters of each column but the last."""
CANNOT = "cannot be proven at this traffic"


def lines(plan: Plan) -> list[str]:
    """Everything, in lines of at most WIDTH characters."""
    if plan.per_second <= 0:
        return _wrapped(say.sentence(line(plan)))
    steps = ", ".join(step.title for step in plan.spec.steps)
    deadline = format_duration(plan.spec.analysis.deadline)
    found = [*_wrapped(f"Stable: {per_second(plan.per_second)}. Steps {steps}; deadline {deadline}."), ""]
    heads = ("GATE", "STABLE", "ALLOWED", "PASS", "FAIL 2x", "5x", "10x", "SHOWS")
    found += [_row(heads), *(_row(_cells(one)) for one in plan.answers), ""]
    for text in sentences(plan):
        found += _wrapped(text)
    return found


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_on_hyphens=False)


def _row(cells: tuple[str, ...]) -> str:
    texts = [_fitting(cell, width - 1).ljust(width) for cell, width in zip(cells, _COLUMNS, strict=False)]
    return "".join((*texts, cells[-1])).rstrip()[:WIDTH]


def _fitting(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _cells(one: GateAnswer) -> tuple[str, ...]:
    plan = one.plan
    fails = (_fails(one, each) for each in MULTIPLES)
    shows = "-" if one.smallest is None else plan.share_words(one.smallest)
    return (plan.name, plan.stable_words, plan.allowed_words, _when(one.passes_after), *fails, shows)


def _fails(one: GateAnswer, multiple: float) -> str:
    if multiple in one.fails_after:
        return _when(one.fails_after[multiple])
    return "allowed" if one.plan.allows(multiple) else "-"


def _when(seconds: float | None) -> str:
    return "no" if seconds is None else say.lasting(seconds)


def sentences(plan: Plan) -> list[str]:
    """What the table means, and what cannot be proven, with what could."""
    deadline = format_duration(plan.spec.analysis.deadline)
    legend = "PASS: the candidate is as stable is. FAIL: it has so many times stable's share from its first request on."
    found = [f"{legend} SHOWS: the least that fails. no: not within {deadline}. Medians, from the first traffic on."]
    if plan.proven_after is not None:
        found.append(f"A candidate as good as stable is proven after about {say.lasting(plan.proven_after)}.")
    elif not plan.unprovable:
        found.append(f"A candidate as good as stable does not come to the end of its steps within {deadline}.")
    found += [_unprovable(one, deadline) for one in plan.unprovable]
    found += _preflight(plan)
    found += [f"{name}: nothing is known ({found.reason}: {found.message})." for name, found in plan.unknown]
    return found


def _preflight(plan: Plan) -> list[str]:
    asked = plan.spec.preflight
    if asked is None:
        return []
    known = asked.sending
    rows = "all rows of the set" if known is None else f"{asked.rows} {'row' if asked.rows == 1 else 'rows'}"
    takes = "" if known is None else f", {say.lasting(known)},"
    beside = f"after an interval of {format_duration(plan.spec.analysis.interval)} and between two scrapes"
    return [f"Before any traffic the pre-flight sends {rows} at {asked.rate} a second{takes} {beside}."]


def _unprovable(one: GateAnswer, deadline: str) -> str:
    could = f": {' or '.join(one.remedies)} could" if one.remedies else ": no wider limit or heavier step could"
    return f"{one.plan.name} {CANNOT} within {deadline}{could}."


def line(plan: Plan) -> str:
    """The plan in one line, for a status: what each required gate needs, and what cannot be proven."""
    if plan.per_second <= 0:
        return "stable had no requests in the last 30 min: nothing can be said of what its traffic proves"
    parts = [_short(one) for one in plan.answers if one.plan.required and one.passes_after is not None]
    worse = f"to FAIL at {MULTIPLES[1]:g} times its share"
    passes = f"median time to PASS if as good as stable ({worse}): {', '.join(parts)}"
    cannot = ", ".join(one.plan.name for one in plan.unprovable)
    never = f"{cannot} {CANNOT} within {format_duration(plan.spec.analysis.deadline)}"
    found = [*([passes] if parts else []), *([never] if cannot else [])]
    return f"at stable's {per_second(plan.per_second)}, {'; '.join(found) or 'no gate can be forecast'}"


def _short(one: GateAnswer) -> str:
    seconds = one.fails_after.get(MULTIPLES[1])
    bad = "" if seconds is None else f" ({say.lasting(seconds)})"
    return f"{one.plan.name} {say.lasting(one.passes_after or 0.0)}{bad}"


def per_second(rate: float) -> str:
    if rate < 1000:  # noqa: PLR2004 - three figures
        return "1 request/s" if rate == 1 else f"{rate:.3g} requests/s"
    return f"{round(rate):,} requests/s"


def as_json(plan: Plan) -> dict[str, Any]:
    """The same as numbers: seconds from the first traffic, null for what is not before the deadline."""
    return {
        "requestsPerSecond": float(f"{plan.per_second:.6g}"),
        "deadlineSeconds": plan.spec.analysis.deadline,
        "stepsBeginAfterSeconds": list(plan.steps_begin),
        "preflightSendsForSeconds": plan.spec.preflight.sending if plan.spec.preflight is not None else 0.0,
        "provenAfterSeconds": plan.proven_after,
        "provable": not plan.unprovable,
        "gates": [_gate(one) for one in plan.answers],
        "unknown": [{"name": name, "reason": why.reason, "message": why.message} for name, why in plan.unknown],
        "sentences": sentences(plan)[1:],
    }


def _gate(one: GateAnswer) -> dict[str, Any]:
    return {
        "name": one.plan.name,
        "required": one.plan.required,
        "stable": one.plan.stable_words,
        "allowed": one.plan.allowed_words,
        "passesAfterSeconds": one.passes_after,
        "failsAfterSeconds": {f"{multiple:g}x": seconds for multiple, seconds in one.fails_after.items()},
        "allowedMultiples": [f"{each:g}x" for each in MULTIPLES if one.plan.allows(each)],
        "smallestMultiple": None if one.smallest is None else float(f"{one.smallest:.3g}"),
        "smallestShare": None if one.smallest is None else one.plan.share_words(one.smallest),
        "couldBeProvenWith": list(one.remedies),
    }
