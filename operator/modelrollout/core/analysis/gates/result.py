"""A gate's tests become one result: FAIL if either fails, PASS if all pass, and the words that go with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from modelrollout.api.gates import Gate
from modelrollout.api.status import Verdict
from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.checks.exclusion import excluded, outweighed
from modelrollout.core.analysis.gates.checks.standing import Standing
from modelrollout.core.analysis.gates.wording import in_words
from modelrollout.core.analysis.stats.parameters import BREACHING_LOOKS
from modelrollout.core.analysis.stats.traffic.rule_of_three import rare_bound
from modelrollout.core.evaluation import GateResult
from modelrollout.core.finding import Finding


@dataclass(frozen=True)
class Judged:
    """A result with what the other gates need to know of it."""

    result: GateResult
    evidence: tuple[tuple[float, float], ...] = ()
    """(log odds, share) of every count test under the promise."""
    missing: int = 0
    """Ticks in a row in which a scrape of the gate's series was missing."""
    missing_text: str = ""
    warnings: tuple[str, ...] = ()
    halt: Finding | None = None
    """Why the weight must be held though this gate has not failed."""
    rising: bool = False
    """Whether the next scrape may decide it: then it is not waited for the interval."""


@dataclass(frozen=True)
class Shown:
    """How one test reads: with units, in the gate's own terms."""

    observed: str
    stable: str | None
    limit: str
    clause: str
    """candidate ... vs stable ...; allowed ..."""
    good_limit: str = ""
    """What the evidence for it is judged by, where that is another limit."""
    bound: str = ""
    """What the share is at most, where a bound on it is known."""
    listed: bool = True
    """Whether the limit is always listed, or only where this test is the one that is shown."""


def no_data(gate: Gate, problem: Finding, *, verdict: Verdict = "NO_DATA", layer: str | None = None) -> Judged:
    """A gate that cannot be judged now, and why."""
    text = f"{problem.reason}: {problem.message}"
    return Judged(GateResult(gate.name, gate.type, verdict, text, required=gate.decides, layer=layer))


def not_unseen(judged: Judged) -> Judged:
    """No PASS at a tick without a sample of the candidate: what it does now is not known."""
    if judged.result.verdict != "PASS" or not judged.missing:
        return judged
    text = f"{judged.result.message}. But no sample of the candidate in {say.last_ticks(judged.missing)}"
    return replace(judged, result=replace(judged.result, verdict="CONTINUE", message=text))


def worst(standings: Sequence[Standing]) -> int:
    """Index of the test that people should read: the failing one, the one furthest from passing, or the first."""

    def rank(index: int) -> tuple[int, float]:
        one = standings[index]
        order = {"FAIL": 0, "NO_DATA": 1, "NOT_COMPARABLE": 1, "CONTINUE": 2, "PASS": 3}[one.verdict]
        weight = {"FAIL": one.odds or 0.0, "PASS": 0.0}.get(one.verdict, one.left or 0.0)
        return order, -weight

    return min(range(len(standings)), key=rank)


def verdict_of(standings: Sequence[Standing]) -> Verdict:
    """FAIL if any fails, PASS if all pass, NO_DATA if any has none, else CONTINUE."""
    verdicts = {one.verdict for one in standings}
    if "FAIL" in verdicts:
        return "FAIL"
    if "NO_DATA" in verdicts:
        return "NO_DATA"
    return "PASS" if verdicts == {"PASS"} else "CONTINUE"


def build(
    gate: Gate,
    standings: Sequence[Standing],
    show: Callable[[], Sequence[Shown]],
    *,
    noun: str,
    per_second: float,
    least: int,
) -> GateResult:
    """The result of a gate of counts from its tests; `per_second` of the candidate's requests.

    `show` puts each test into words: if that raises, the verdict stands with a short sentence.
    """
    found = GateResult(
        name=gate.name,
        type=gate.type,
        verdict=verdict_of(standings),
        message="",
        required=gate.decides,
        leaning_bad=any(each.leaning_bad for each in standings),
        outweighed=any(outweighed(each) for each in standings),
        frozen=all(each.frozen for each in standings if each.verdict == "FAIL") and verdict_of(standings) == "FAIL",
    )
    at = worst(standings)
    one = standings[at]
    found = replace(found, against=one.odds, needed=one.needed, in_favour=one.good)
    return in_words(found, lambda: _told(found, gate, standings, show(), at, (noun, per_second, least)))


def _told(
    found: GateResult,
    gate: Gate,
    standings: Sequence[Standing],
    shown: Sequence[Shown],
    at: int,
    counted: tuple[str, float, int],
) -> GateResult:
    one, words, verdict = standings[at], shown[at], found.verdict
    noun, per_second, least = counted
    eta = None
    if verdict in {"CONTINUE", "NO_DATA"} and one.left is not None:
        eta = say.eta(one.left, per_second, noun)
    odds = _odds(one, words, noun, decides=gate.decides)
    return replace(
        found,
        message=_sentence(one, words, (verdict, eta), noun, least, odds),
        observed=words.observed if one.total else None,
        stable=words.stable,
        limit="; ".join(dict.fromkeys(each.limit for each in shown if each.listed or each is words)),
        samples=f"{say.count(one.total)} vs {say.count(one.stable_total)} {noun}",
        evidence=odds,
        eta=eta,
        excluded=excluded(gate.name, standings, [(each.bound, each.limit) for each in shown]),
    )


def _odds(one: Standing, words: Shown, noun: str, *, decides: bool) -> str | None:
    """The evidence in words; None for a plain comparison, which weighs none."""
    if one.odds is None or one.needed is None or one.good is None:
        return None
    if one.verdict == "PASS" and one.rare:
        bound = float(rare_bound(np.asarray(one.total)))
        slower = f" slower than {one.good_at}" if one.good_at else ""
        return f"none in {say.count(one.total)} {noun}{slower}: at most {say.margin(bound)} with 95 % confidence"
    if one.verdict == "FAIL":
        return say.evidence(one.odds, one.needed, 0.0, decides=decides)
    if one.verdict == "PASS":
        return say.evidence(0.0, one.needed, one.good, of=_judged_at(one, words))
    text = say.evidence(one.odds, one.needed, one.good, decides=decides, of=_judged_at(one, words))
    return f"{text}: {one.excused}" if one.excused else text


def _judged_at(one: Standing, words: Shown) -> str:
    """The limit of the good side, where it is not the one that is named before."""
    if one.good_at:
        return f" at {one.good_claim}" if one.good_claim else ""
    above = one.verdict == "PASS" and one.rate > one.limit
    return f" at twice the margin, {words.good_limit}" if above and words.good_limit else ""


def _sentence(
    one: Standing, words: Shown, decision: tuple[Verdict, str | None], noun: str, least: int, odds: str | None
) -> str:
    verdict, eta = decision
    if not one.total:
        return f"no {noun} of the candidate yet, at least {say.count(least)} needed; allowed {words.limit}"
    if verdict == "NO_DATA":
        return f"{words.clause}. Stable has no {noun} to compare with"
    if one.newest:
        plain = "within the limit until then" if odds is None else odds
        return f"{words.clause}. {say.sentence(f'{plain}, {one.newest}')}"
    why = _why_plain(one, verdict, eta) if odds is None else _why(one, verdict, eta, odds)
    return f"{words.clause}. {say.sentence(why)}"


def _why_plain(one: Standing, verdict: Verdict, eta: str | None) -> str:
    if verdict == "FAIL":
        return f"beyond the limit in {one.looks} evaluations in a row"
    if verdict == "PASS":
        return "within the limit"
    if one.looks:
        return f"beyond the limit in {say.counted(one.looks, 'evaluation')}, fails at {BREACHING_LOOKS} in a row"
    return eta or "not decided yet"


def _why(one: Standing, verdict: Verdict, eta: str | None, odds: str) -> str:
    if verdict == "FAIL" and one.began is not None:
        if one.until is not None:
            return f"{odds}, between about {say.clock(one.began)} and {say.clock(one.until)} UTC"
        return f"{odds}, since about {say.clock(one.began)} UTC"
    return f"{odds}; {eta}" if eta else odds
