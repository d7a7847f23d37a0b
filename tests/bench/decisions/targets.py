"""The numbers the engine has to reach, each with what was measured and whether it holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modelrollout.core.analysis.stats.parameters import LOSS, LOSS_WINDOWS
from tests.bench.decisions.outcome import Outcome
from tests.bench.decisions.retrains.learned import Learned
from tests.bench.decisions.retrains.measure import Retrains
from tests.bench.decisions.retrains.recorded import ARCHITECTURES
from tests.bench.decisions.study import OURS, Study

LIMIT = 0.0135
"""1.25 x 1 % + 0.1 pp."""
ACCUSED = 1.0
"""Percent of equally good retrains."""
FOUND = 97.0
"""Percent of the losses of 20 points in one layer, in time, of every group; chance delays the others."""
KAYENTA = "Kayenta, each minute, all of stable"


@dataclass(frozen=True)
class Target:
    """One line of the table."""

    what: str
    wanted: str
    measured: str
    met: bool


def targets(study: Study) -> Iterator[Target]:
    """In the order of the issue that set them."""
    case = {one.name: one.results["ours"] for one in study.stress}
    latency = study.latency["ours, P90 and P99, one bucket"]
    at_most = _at_most
    assert study.healthy is not None, "carry_out fills it"
    assert study.retrains is not None, "carry_out fills it"
    yield at_most("false rollback, a healthy hour, all required gates", study.healthy, 2)
    yield at_most("rollback by an incident of both versions", case["6 % errors in both versions for 10 min"], 0.5)
    yield _within("1 to 5 % errors, with history", study.errors[OURS][0.05], 2)
    yield _within("1 to 5 % errors, from a cold start", case["5 % errors, cold start (no history)"], 3)
    yield _within("1 to 5 % errors, from minute 30 on", case["5 % errors from minute 30 on"], 3.5)
    yield _within("latency +100 %", latency[2.0], 1)
    yield _within("latency +30 %", latency[1.3], 4)
    yield _within("an equal candidate passes (errors)", study.passing[0.01], 20)
    yield at_most("a candidate on the good line (1.7 %) passes", study.passing[0.017], 5)
    worst = max(study.slow_passing.values(), key=lambda one: one.false)
    percent = 100 * worst.false / worst.runs
    yield Target(
        "a PASS of latency whose claim is false", "at most 5 %",
        f"{percent:.1f} % ({worst.false}/{worst.runs})", percent <= 5,
    )  # fmt: skip
    yield at_most("rollback by bursts in both versions, phi = 2", case["bursts in both versions, phi = 2"], 2)
    yield from claims(study.retrains)
    sooner = {
        rate: study.busy[KAYENTA][rate].median / study.busy[OURS][rate].median
        for rate in study.busy[OURS]
        if rate >= 2 * LIMIT
    }
    least = min(sooner.values())
    yield Target(
        "20x the traffic, at least twice the limit, sooner than Kayenta's rule", "at least 5x",
        ", ".join(f"{100 * rate:g} %: {times:.0f}x" for rate, times in sooner.items()), least >= 5,
    )  # fmt: skip


def claims(retrains: Retrains) -> Iterator[Target]:
    """Of every architecture, in the worst of its data sets and windows."""
    for architecture in ARCHITECTURES:
        cases = [one for one in retrains.cases if one.group.architecture == architecture]
        worst = max(cases, key=lambda one: one.percent)
        where = f", {worst.group.data} in windows of {worst.group.window}" if worst.accused else ""
        yield Target(
            f"equally good retrains accused, {architecture.name}", f"at most {ACCUSED:g} %",
            f"{worst.percent:.1f} % ({worst.accused}/{worst.pairs}{where})", worst.percent <= ACCUSED,
        )  # fmt: skip
    yield from _of_learned(retrains.learned)


def _of_learned(found: Sequence[Learned]) -> Iterator[Target]:
    """Of margins learned from promoted versions, in the worst group and number of versions."""
    worst = max(found, key=lambda one: one.percent)
    yield Target(
        "equally good retrains accused, learned margin", f"at most {ACCUSED:g} %",
        f"{worst.percent:.1f} % ({worst.accused}/{worst.pairs}, {worst.group.architecture.name} on {worst.group.data} "
        f"in windows of {worst.group.window}, {worst.known} versions)", worst.percent <= ACCUSED,
    )  # fmt: skip
    least = min((one.loss for one in found), key=lambda one: one.found / one.runs)
    percent = 100 * least.found / least.runs
    yield Target(
        f"a loss of {100 * LOSS:.0f} points in one layer found within {LOSS_WINDOWS} windows, learned margin",
        f"at least {FOUND:g} %", f"{percent:.1f} % ({least.found}/{least.runs} in the worst group)", percent >= FOUND,
    )  # fmt: skip


def _at_most(what: str, found: Outcome, percent: float) -> Target:
    low, high = found.interval
    text = f"{found.percent:.1f} % ({found.hits}/{found.runs}; {low:.1f} to {high:.1f})"
    return Target(what, f"at most {percent:g} %", text, found.percent <= percent)


def _within(what: str, found: Outcome, minutes: float) -> Target:
    text = f"median {found.median:.2g} min, P90 {found.p90:.2g}, {found.percent:.0f} % of {found.runs}"
    return Target(what, f"median at most {minutes:g} min", text, found.percent > 50 and found.median <= minutes)
