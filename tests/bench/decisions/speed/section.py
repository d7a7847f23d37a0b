"""The part of the page that says how soon a change is found."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tests.bench.decisions.speed.measure import Found
from tests.bench.decisions.table import table

_TEXT = """\
The candidate has 20 % of the requests; the first column is how many that are a second. Scrapes come every 5 s, stable
has 30 minutes of history, and errors need odds of 125:1, latency 100:1 (four gates). Times are seconds from the change,
median / 95th percentile, without the scrape's own lag. *At every scrape*: what the evidence allows. *As the operator
looks*: every 15 s, and at the next scrape while the odds rise.

The least possible with the same promise is computed beside it. *Knows all*: somebody who knows both shares and the
moment of the change bets their likelihood ratio from that moment, and looks every second. That is the floor at minute
0, where everything may be staked on the start. *Not when*: the same without knowing the moment, with an equal stake on
every second of an hour; at the other moments that is the floor, for nobody can stake everything on each of them: a rule
that is wrong in at most alpha of all rollouts and finds a change at any moment of an hour within d seconds needs about
ln(1/alpha) + ln(hour/d) of evidence, however much it knows. *Of scrapes*: the floor of that moment for somebody who
knows as much and sees what the operator sees, scrape by scrape, of which one alone never decides, since it may be
broken. The aim is a median of at most {factor} times the floor, one scrape and a second.
{rows}

{met} of {cells} medians at every scrape are within the aim{worst}. {beyond} While nothing has changed the operator
looks {looked} times an interval in the mean, and at most {most} times in a cell.
"""


def speed_section(found: Sequence[Found], factor: float) -> str:
    """The table, and how many of its cells meet the aim."""
    rows = [_row(one) for one in found]
    met = [one for one in found if one.every_scrape[0] <= one.aim]
    missed = sorted((one for one in found if one not in met), key=lambda one: one.every_scrape[0] / one.aim)
    worst, beyond = "", ""
    if missed:
        one = missed[-1]
        worst = f"; the furthest from it takes {one.every_scrape[0]:.0f} s where {one.aim:.0f} s are wanted"
        never = [one for one in missed if one.scraped[0] > one.aim]
        beyond = (
            f"In {len(never)} of the {len(missed)} others nobody who sees scrapes could be: the floor of scrapes alone"
            f" is beyond the aim. {_rest([one for one in missed if one not in never])}"
        )
    looked = [one.looked for one in found if one.cell.onset]
    return _TEXT.format(
        factor=factor,
        rows=table(
            [
                "a second",
                "change",
                "minute",
                "knows all",
                "not when",
                "of scrapes",
                "aim",
                "at every scrape",
                "as the operator looks",
            ],
            rows,
        ),
        met=len(met),
        cells=len(found),
        worst=worst,
        beyond=beyond,
        looked=f"{sum(looked) / len(looked):.2f}",
        most=f"{max(looked):.2f}",
    )


def _row(one: Found) -> list[str]:
    cell = one.cell
    late = one.every_scrape[0] > one.aim
    ours = _both(one.every_scrape)
    return [
        f"{cell.rate}", cell.name, f"{cell.onset}", _both(one.knowing), _both(one.waiting), _both(one.scraped),
        f"{one.aim:.0f}", f"**{ours}**" if late else ours, _both(one.as_looked),
    ]  # fmt: skip


def _rest(missed: Sequence[Found]) -> str:
    """How far the others are from the aim."""
    if not missed:
        return ""
    named = ", ".join(
        f"{one.cell.name} at {one.cell.rate} a second, minute {one.cell.onset}: {one.every_scrape[0]:.0f} s for"
        f" {one.aim:.0f} s"
        for one in missed
    )
    return (
        f"The rest ({named}) pay for what the others gain: half of the stake waits for changes that come later (0.7 of"
        " the 4.8 that ln(125) is), and it is spread over four sizes of a change (0.8 to 2.3)."
    )


def _both(pair: tuple[float, float]) -> str:
    return " / ".join(f"{seconds:.0f}" if math.isfinite(seconds) else "later" for seconds in pair)
