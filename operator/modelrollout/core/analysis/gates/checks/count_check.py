"""Bad ones among all, against a limit and against stable: how a count gate's tests become its result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from modelrollout.api.gates import Gate, VersusStable
from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.checks.counts import Counts, absence
from modelrollout.core.analysis.gates.checks.exclusion import bounded
from modelrollout.core.analysis.gates.checks.limit_check import judge
from modelrollout.core.analysis.gates.checks.readable import as_read
from modelrollout.core.analysis.gates.checks.standing import CountTest, LimitTest, Standing
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.result import Judged, Shown, build, no_data
from modelrollout.core.analysis.stats import limits
from modelrollout.core.analysis.stats.limits import LimitLine
from modelrollout.core.finding import Finding


@dataclass(frozen=True)
class Beside:
    """One more test of a gate, on other counts and with its own share."""

    test: CountTest
    show: Callable[[Standing], Shown]


@dataclass(frozen=True)
class CountReading:
    """What a count gate reads and says, apart from its counts."""

    tests: tuple[LimitTest, ...]
    show: Callable[[Standing], Shown]
    adjust: Callable[[Standing], Standing] = lambda one: one
    """What must be corrected in a standing before its verdict is used."""
    blames: Callable[[Standing], bool] = lambda _: True
    """Whether a test's evidence may be combined with that of other gates."""
    beside: tuple[Beside, ...] = ()


def count_tests(limit: float | None, margin: VersusStable | None, default: LimitLine) -> tuple[LimitTest, ...]:
    """The absolute limit on the bad share and the margin over stable; `default` where neither is set."""
    found: list[LimitTest] = []
    if limit is not None:
        found.append(("limit", limits.absolute(limit)))
    if margin is not None:
        found.append(("stable", LimitLine(margin.ratio, margin.plus)))
    return tuple(found) or (("stable", default),)


def judge_counts(
    gate: Gate,
    counts: Counts,
    reading: CountReading,
    gate_input: GateInput,
    share: float,
    halt: Finding | None = None,
) -> Judged:
    """The gate's standing by what can be read; `share` is split over its tests, those `beside` have their own."""
    if counts.problem:
        return no_data(gate, counts.unread or counts.problem)
    return as_read(gate, _of_what_is_read(gate, counts, reading, gate_input, share, halt), counts.unread)


def _of_what_is_read(
    gate: Gate, counts: Counts, reading: CountReading, gate_input: GateInput, share: float, halt: Finding | None
) -> Judged:
    missing, text = absence(gate.type, counts, gate_input)
    part = share / len(reading.tests)
    own = [Beside(CountTest(kind, counts.ticks, line, part), reading.show) for kind, line in reading.tests]
    tests = (*own, *reading.beside)
    standings = [_judged(one.test, gate, reading, gate_input) for one in tests]
    if not counts.candidate_present.any() and gate_input.missing(counts.candidate_present):
        return Judged(no_data(gate, Finding("SeriesMissing", text)).result, (), missing, text)
    result = build(
        gate,
        standings,
        lambda: [one.show(standing) for one, standing in zip(tests, standings, strict=True)],
        noun=counts.noun,
        per_second=gate_input.per_second(counts.ticks.candidate_total),
        least=gate_input.request.spec.analysis.minimum_requests,
    )
    shares = [one.test.share for one in tests]
    return Judged(result, _blamed(standings, shares, reading), missing, text, halt=halt, rising=_rising(standings))


def _rising(standings: Sequence[Standing]) -> bool:
    return any(one.rising for one in standings)


def _judged(test: CountTest, gate: Gate, reading: CountReading, gate_input: GateInput) -> Standing:
    return bounded(reading.adjust(judge(test, gate.method, gate_input)), test.ticks, gate_input)


def _blamed(
    standings: Sequence[Standing], shares: Sequence[float], reading: CountReading
) -> tuple[tuple[float, float], ...]:
    found = ((one.attributable, share, one) for one, share in zip(standings, shares, strict=True))
    return tuple((odds, share) for odds, share, one in found if odds is not None and reading.blames(one))


def show_bad_share(one: Standing, what: str = "") -> Shown:
    """The bad share in the words of a gate; `what` says what is bad, where the gate's name does not."""
    observed, allowed = say.beside(one.rate, _possible(one.limit))
    limit = f"<= {allowed}"
    stable = None if one.stable_rate is None else say.percent(one.stable_rate)
    numbers = f"({say.count(one.bad)}/{say.count(one.total)})"
    versus = f" vs stable {stable}" if stable else ""
    clause = f"candidate {observed}{what} {numbers}{versus}; allowed {limit}{_by_the_past(one)}"
    bound = "" if one.at_most is None else f"at most {say.margin(one.at_most)}{what}"
    return Shown(observed, stable, limit, clause, _good_limit(one, "<=", lambda share: share), bound)


def _possible(limit: float) -> float:
    """More than everything is no limit: a multiple of a high share is shown as 100 %."""
    return min(limit, 1.0)


def show_refused(one: Standing) -> Shown:
    """The share of refused requests, named in each figure: the gate's own are those of errors."""
    shown = show_bad_share(one, " refused")
    stable = shown.stable and f"{shown.stable} refused"
    return replace(
        shown,
        observed=f"{shown.observed} refused",
        stable=stable,
        limit=f"{shown.limit} refused",
        clause=shown.clause.replace(shown.limit, f"{shown.limit} refused"),
        listed=False,
    )


def show_good_share(one: Standing) -> Shown:
    """The same standing as the share of good ones."""
    observed, allowed = say.beside(1 - one.rate, 1 - _possible(one.limit))
    limit = f">= {allowed}"
    stable = None if one.stable_rate is None else say.percent(1 - one.stable_rate)
    numbers = f"({say.count(one.total - one.bad)}/{say.count(one.total)})"
    versus = f" vs stable {stable}" if stable else ""
    clause = f"candidate {observed} {numbers}{versus}; allowed {limit}{_by_the_past(one)}"
    bound = "" if one.at_most is None else f"at least {say.margin(1 - one.at_most)} right"
    return Shown(observed, stable, limit, clause, _good_limit(one, ">=", lambda share: 1 - share), bound)


def _by_the_past(one: Standing) -> str:
    """Whose share the limit is a margin over, where it is not the one beside it."""
    return " by stable before the bake" if one.of_the_past else ""


def _good_limit(one: Standing, side: str, shown: Callable[[float], float]) -> str:
    """Twice the margin, as `shown` of a bad share."""
    if one.good_limit is None:
        return ""
    return f"{side} {say.beside(shown(one.rate), shown(_possible(one.good_limit)))[1]}"


def never_frozen(one: Standing) -> Standing:
    """A FAIL in the bake that is due to the version at any hour of the day."""
    return replace(one, frozen=False, paired=None)
