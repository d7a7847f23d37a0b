"""Numbers become the words on-call people read: one sentence plus figures, the same input always the same text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from modelrollout.core.analysis.stats.parameters import PASS_ODDS, ROUNDING
from modelrollout.core.evaluation import GateResult

_MOST = 1e6
_BEYOND = 1e21
"""No count of anything that can be read: more than a counter of 64 bits holds."""
_LEAST = math.log(1.05)
"""Log odds that are shown as odds; less would read as 1.0:1."""
_FIGURES = 12
"""So many more figures are tried until two numbers are in the right order."""
_EXPONENT = 700.0
_MINUTE = 60.0
_HOUR = 3600.0
_LONGEST = 48 * _HOUR
"""Seconds: what takes longer is not forecast."""
_LAST = 253_402_300_800.0
"""The year 10000, epoch seconds: no calendar goes further."""


def percent(share: float, more: int = 0) -> str:
    """4.9 %, 0.013 %, 97 %: two significant figures and `more`, which is needed where the share is near one."""
    value = 100 * share
    if not math.isfinite(value):
        return "unknown"
    if value == 0:
        return "0 %"
    digits = max(0, 1 - math.floor(math.log10(abs(value))))
    text = f"{value:.{min(max(digits, 1 if value < 99.95 else 0), 6) + more}f}"  # noqa: PLR2004 - 100 % has no decimals
    return f"{text} %"


def margin(share: float, more: int = 0) -> str:
    """A limit with one more figure than what is measured against it, and `more`: 1.35 %."""
    value = 100 * share
    if not math.isfinite(value):
        return "unknown"
    digits = 0 if value == 0 else max(2, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{min(digits, 8) + more}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"


def beside(share: float, limit: float) -> tuple[str, str]:
    """A share and its limit with as many figures as show which of the two is greater."""
    if abs(share - limit) <= ROUNDING:
        return margin(share), margin(limit)
    for more in range(_FIGURES):
        texts = percent(share, more), margin(limit, more)
        shown = [float(text.removesuffix(" %")) for text in texts if text != "unknown"]
        if len(shown) < len(texts) or _order(*shown) == _order(share, limit):
            return texts
    return texts


def _order(one: float, other: float) -> int:
    return (one > other) - (one < other)


def count(number: float) -> str:
    """17,100 or 1.3 million."""
    if not abs(number) < _BEYOND:
        return "unknown"
    return f"{number / _MOST:.1f} million" if number >= _MOST else f"{round(number):,}"


NO_EVIDENCE = "no evidence yet"


def odds(log_odds: float, more: int = 0) -> str:
    """Odds of at least one: 410:1, 3.2:1, over 1,000,000:1; `more` figures."""
    if math.isnan(log_odds):
        return "unknown"
    if log_odds > math.log(_MOST):
        return f"over {_MOST:,.0f}:1"
    value = math.exp(log_odds)
    whole = value >= 10 or value == round(value)  # noqa: PLR2004 - below ten one figure is not enough
    return f"{value:,.{more}f}:1" if whole else f"{value:.{1 + more}f}:1"


def quantile(tail: float, floor: float, share: float) -> tuple[str, float]:
    """P99, and the share that lies above it: `tail`, of which at least `floor` is meant.

    A tail above the floor is rounded up to two figures, or as many as leave `share` on the same side of it, so that
    "P91.3 > 94 ms" is said where and only where more than `tail` are slower. Nothing is above a P0: it is not said.
    """
    if not max(floor, 0.0) + ROUNDING < tail < 1 - ROUNDING:
        return f"P{100 * (1 - floor):g}", floor
    for figures in range(1, _FIGURES):
        scale = 10.0 ** (figures - math.floor(math.log10(tail)))
        shown = math.ceil(tail * scale * (1 - ROUNDING)) / scale
        if shown < 1 and (share > shown) == (share > tail + ROUNDING):
            break
    return f"P{100 * (1 - shown):.{_FIGURES}g}", shown


def evidence(against: float, needed: float, in_favour: float, *, decides: bool = True, of: str = "") -> str:
    """The stronger side's evidence, in natural logs of odds, and the odds at which it decides.

    For example: odds 145:1 against the candidate (rolls back at 100:1). `of` says at what the good side is judged.
    """
    if not max(against, in_favour) >= _LEAST:
        return NO_EVIDENCE
    if in_favour > against:
        shown, line = _odds_beside(in_favour, math.log(PASS_ODDS))
        return f"odds {shown} for it{of} (passes at {line})"
    decision = "rolls back" if decides else "fails"
    shown, line = _odds_beside(against, needed)
    return f"odds {shown} against the candidate ({decision} at {line})"


def _odds_beside(found: float, needed: float) -> tuple[str, str]:
    """Both with as many figures as show whether the odds are enough."""
    if needed > math.log(_MOST):  # "over 1,000,000:1" would say it of both
        return f"{math.exp(min(found, _EXPONENT)):.6g}:1", f"{math.exp(min(needed, _EXPONENT)):.6g}:1"
    for more in range(_FIGURES):
        texts = odds(found, more), odds(needed, more)
        if "unknown" in texts:
            break
        shown = [float(text.removeprefix("over ").removesuffix(":1").replace(",", "")) for text in texts]
        if (shown[0] >= shown[1]) == (found >= needed):
            return texts
    return texts


def sentence(text: str) -> str:
    """`text` with a capital letter, and without changing the rest of it."""
    return text[:1].upper() + text[1:]


def counted(number: float, noun: str) -> str:
    """1 batch, 3 batches, 1,200 windows."""
    plural = f"{noun}es" if noun.endswith("ch") else f"{noun}s"
    return f"{count(number)} {noun if math.isfinite(number) and round(number) == 1 else plural}"


def seconds(value: float) -> str:
    """120 ms, 1.5 s."""
    if not math.isfinite(value):
        return "beyond the last bucket"
    return f"{value * 1000:.4g} ms" if value < 1 else f"{value:.4g} s"


def lasting(value: float) -> str:
    """How long, roughly: 40 s, 9 min, 3 h."""
    if not math.isfinite(value):
        return "days"
    if value < 1.5 * _MINUTE:
        return f"{max(1, round(value))} s"
    if value < 1.5 * _HOUR:
        return f"{round(value / _MINUTE)} min"
    return f"{value / _HOUR:.1f} h" if value < 48 * _HOUR else "days"


def few(names: Sequence[str], most: int = 5) -> str:
    """All of a few names, the first of many and how many more there are: a, b, c, d, e and 59 more."""
    left = len(names) - most
    return ", ".join(names) if left <= 0 else f"{', '.join(names[:most])} and {left} more"


def last_ticks(number: int) -> str:
    """As in: the last tick, the last 3 ticks."""
    return "the last tick" if number == 1 else f"the last {number} ticks"


def clock(at: float) -> str:
    """03:06 UTC, with seconds."""
    if not 0 <= at < _LAST:
        return "an unknown time"
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")


def eta(requests: float, per_second: float, noun: str = "requests") -> str:
    """What is still needed and how long it takes at the present rate."""
    if not math.isfinite(requests):
        return "no decision in sight at these rates"
    long = requests > _LONGEST * per_second if per_second > 0 else requests >= _MOST
    if long:
        return "cannot be proven at this traffic"
    if requests >= _MOST:
        return f"needs about {lasting(requests / per_second)} more"
    needs = f"needs about {count(max(requests, 1))} more {noun}"
    return f"{needs}, about {lasting(requests / per_second)}" if per_second > 0 else needs


def summary(gates: Sequence[GateResult]) -> str:
    """All gates in one line: what failed in full, the others by verdict and what they still need."""
    failed = [gate for gate in gates if gate.verdict == "FAIL" and gate.required]
    others = [gate for gate in gates if gate not in failed]
    parts = [f"{gate.name}: {gate.message}" for gate in failed]
    shown = ", ".join(f"{gate.name} {gate.verdict}{f' ({gate.eta})' if gate.eta else ''}" for gate in others)
    if shown:
        parts.append(f"Other gates: {shown}." if failed else f"Gates: {shown}.")
    return " ".join(parts)
