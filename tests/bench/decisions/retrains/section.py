"""The page's section on equally good retrains: what is claimed of each architecture, and what is not."""

from __future__ import annotations

from modelrollout.core.analysis.stats.parameters import LOSS, LOSS_WINDOWS, UNLEARNED_SIGMAS
from tests.bench.decisions.retrains.judged import Loss
from tests.bench.decisions.retrains.learned import DRAWS, KNOWN
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
10 pp, and in small layers at least {sigmas:g} standard deviations of chance). A unit is dead that is 0 on every row of
a window; where the activation has no zeros (LeakyReLU, GELU), one whose mean magnitude is at most 0.025 of its layer's.
What was trained is on record with the script that trains it (`make records`). The worst stable: how many of the 19
others it would have accused.
{table}

{limits}

The margin that is learned from the model's own promoted versions: each network in turn is stable and the newest of
them, the older ones are drawn from the others ({draws} times), and all that were not drawn come as candidates. With a
loss, a candidate's dead share in one layer is {loss:.0f} points above stable's or the promoted versions' mean,
whichever is more; at the default margin, above stable's. It is found when the gate fails within {windows} windows.
Windows of 100 and of 200 together.
{learned}

{past}"""


def retrains_section(found: Retrains) -> str:
    """The Markdown."""
    return _TEXT.format(
        sigmas=UNLEARNED_SIGMAS, table=_rows(found), limits=_limits(found), draws=DRAWS, loss=100 * LOSS,
        windows=LOSS_WINDOWS, learned=_learned(found), past=_past(found),
    )  # fmt: skip


def _learned(found: Retrains) -> str:
    rows = []
    for small, large in zip(found.cases[::2], found.cases[1::2], strict=True):
        both = (small.group, large.group)
        cells = [_found([small.loss, large.loss])]
        for known in KNOWN:
            here = [one for one in found.learned if one.group in both and one.known == known and not one.drifted]
            accused, pairs = sum(one.accused for one in here), sum(one.pairs for one in here)
            cells.append(f"{100 * accused / pairs:.1f} % ({accused}/{pairs:,}); {_found([one.loss for one in here])}")
        rows.append([small.group.data, small.group.architecture.name, *cells])
    heads = [f"{known} versions: accused; losses found" for known in KNOWN]
    return table(["data", "architecture", "losses found at the default", *heads], rows)


def _found(losses: list[Loss]) -> str:
    return f"{100 * sum(one.found for one in losses) / sum(one.runs for one in losses):.1f} %"


def _past(found: Retrains) -> str:
    clean = [one for one in found.learned if not one.drifted]
    worst = max(clean, key=lambda one: one.percent)
    least = min(100 * one.loss.found / one.loss.runs for one in clean)
    ever, runs = sum(one.loss.ever for one in clean), sum(one.loss.runs for one in clean)
    drifted = [one for one in found.learned if one.drifted]
    accused, pairs = sum(one.accused for one in drifted), sum(one.pairs for one in drifted)
    return (
        f"The worst group accuses {worst.percent:.1f} % ({worst.group.architecture.name} on {worst.group.data}, "
        f"windows of {worst.group.window}, {worst.known} versions). At least {least:.1f} % of the losses are found in "
        f"{LOSS_WINDOWS} windows, {100 * ever / runs:.2f} % within the hour: a candidate whose windows vary more than "
        "stable's takes some more. A margin from stable alone cannot do both: among equally good LeakyReLU networks "
        f"some differ by more than {100 * LOSS:.0f} points. With the network with dead layers among the promoted "
        f"versions (MLP 128, 64 on digits) {100 * accused / pairs:.1f} % are accused ({accused}/{pairs:,}) and "
        f"{_found([one.loss for one in drifted])} of the losses found: it is left out, for it differs from the "
        "others' median by more than a loss."
    )


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
        f"happens to have few dead units accuses up to {worst} of its 19 retrains, each time, until a margin can be "
        "learned or is set, or the version is replaced. A margin of 1.25x + 0.5 pp would accuse up to "
        f"{max(tight):.0f} % of the pairs. The network with dead layers, as accurate as the others, is found {caught}: "
        "it hits the ceiling, twice the limit in two windows in a row."
    )
