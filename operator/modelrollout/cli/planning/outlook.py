"""What a manifest can never prove, whatever stable's traffic: said by `lint` where it knows the configuration."""

from __future__ import annotations

from collections.abc import Iterator

from modelrollout.api.problems import Problem
from modelrollout.api.quantities import format_duration
from modelrollout.api.spec import Spec
from modelrollout.core.analysis.gates.plan.answers import GateAnswer
from modelrollout.core.analysis.gates.plan.assumed import assumed_plan
from modelrollout.core.analysis.gates.plan.words import per_second

RATES = (1.0, 10.0, 100.0)
"""Requests per second of all versions together."""


def outlook(spec: Spec) -> Iterator[Problem]:
    """One for each required gate that an ordinary stable version cannot prove at some of the rates."""
    found: dict[str, list[tuple[float, GateAnswer]]] = {}
    for rate in RATES:
        for one in assumed_plan(spec, rate).unprovable:
            found.setdefault(one.plan.name, []).append((rate, one))
    for name, at in found.items():
        index = next((i for i, gate in enumerate(spec.gates) if gate.name == name), None)
        loc: tuple[str | int, ...] = ("spec", "steps") if index is None else ("spec", "gates", index)
        yield Problem("", f"gate {name} cannot be proven {_why(spec, at)}", _could(at), loc)


def _why(spec: Spec, at: list[tuple[float, GateAnswer]]) -> str:
    rates = [per_second(rate) for rate, _ in at]
    several = f"{', '.join(rates[:-1])} and {rates[-1]}" if len(rates) > 1 else rates[0]
    like = "though the candidate be just like an ordinary stable version"
    return f"within {format_duration(spec.analysis.deadline)} over these steps at {several}, {like}"


def _could(at: list[tuple[float, GateAnswer]]) -> str:
    rate, one = at[-1]
    could = " or ".join(one.remedies)
    return f"at {per_second(rate)} {could} could" if could else "watch it with required: false, or ask less of it"
