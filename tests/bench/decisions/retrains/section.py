"""The page's section on equally good retrains: what is claimed of each architecture, and what is not."""

from __future__ import annotations

from tests.bench.decisions.retrains.measure import Case, Retrains
from tests.bench.decisions.retrains.recorded import ARCHITECTURES
from tests.bench.decisions.table import table
from tests.bench.decisions.targets import ACCUSED
from tests.lab.models import Architecture

HARDLY = 0.5
"""Percent of dead units below which a claim about them is an easy one."""

_TEXT = """\
Equally good retrains: twenty seeds of each architecture on two real data sets (digits, 8x8 pixels of ten classes;
breast cancer, 30 measures of two), every ordered pair as stable and candidate for an hour, at the default margin (2x +
10 pp, at least 3 units). A unit is dead that is 0 on every row of a window; where the activation has no zeros
(LeakyReLU, GELU), one whose mean magnitude is at most 0.025 of its layer's. What was trained is on record with the
script that trains it (`make records`). The worst stable: how many of the 19 others it would have accused.
{table}

{limits}"""


def retrains_section(found: Retrains) -> str:
    """The Markdown."""
    return _TEXT.format(table=_rows(found), limits=_limits(found))


def _rows(found: Retrains) -> str:
    rows = []
    for small, large in zip(found.cases[::2], found.cases[1::2], strict=True):
        group = small.group
        rows.append([
            group.data, group.architecture.name, f"{min(small.accuracies):.1f} to {max(small.accuracies):.1f} %",
            ", ".join(f"{share:.1f} %" for share in large.dead), _accused(small), _accused(large),
        ])  # fmt: skip
    windows = [f"accused in windows of {case.group.window}" for case in found.cases[:2]]
    return table(["data", "architecture", "accuracy", "dead units by layer", *windows], rows)


def _accused(case: Case) -> str:
    worst = f"; worst stable {case.worst}" if case.worst else ""
    return f"{case.percent:.1f} % ({case.accused}/{case.pairs}{worst})"


def _dead(found: Retrains, architecture: Architecture) -> list[float]:
    return [share for case in found.cases if case.group.architecture == architecture for share in case.dead]


def _limits(found: Retrains) -> str:
    """What the table does not promise, in its own numbers."""
    tight = [100 * case.accused_tight / case.pairs for case in found.cases]
    over = [case for case in found.cases if case.percent > ACCUSED]
    named = sorted({f"{case.group.architecture.name} on {case.group.data}" for case in over})
    beyond = f"Above the {ACCUSED:g} % that the others keep: {', '.join(named)}. " if named else ""
    alive = [one.name for one in ARCHITECTURES if max(_dead(found, one)) < HARDLY]
    easy = f"Easily kept, for hardly a unit is ever dead: {', '.join(alive)}. " if alive else ""
    worst = max(case.worst for case in found.cases)
    caught = "; ".join(
        f"in {one.found} of {one.runs} runs after {one.windows:g} windows of {one.window}" for one in found.broken
    )
    return (
        f"{beyond}{easy}In a layer of 16 units, one is 6 pp. The share is over all pairs: a stable version that "
        f"happens to have few dead units accuses up to {worst} of its 19 retrains, each time, until its margin is "
        f"widened or it is replaced. A margin of 1.25x + 0.5 pp would accuse up to {max(tight):.0f} % of the pairs. "
        f"The network with dead layers, as accurate as the others, is found {caught}: it hits the ceiling, twice the "
        "limit in two windows in a row."
    )
