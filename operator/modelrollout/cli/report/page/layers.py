"""Distributions per layer of both versions: a histogram of magnitudes, and the shares that gates look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from modelrollout.cli.report.facts import Layers
from modelrollout.cli.report.page.elements import Child, Element, el, moment, table
from modelrollout.cli.report.page.numbers import number
from modelrollout.cli.report.page.plots import bar_plot, figure
from modelrollout.core.analysis.metrics.model_series import ARMS, Arm
from modelrollout.core.analysis.metrics.postmortem import LayerSummary

_SHARES = (("Zero", "zeros", "elements"), ("Negative", "negatives", "elements"), ("NaN", "nan", "elements"))
_MORE = (("Inf", "inf", "elements"), ("Dead in a window", "windowDeadNeurons", "windowNeurons"))


def layers(found: Layers) -> Iterator[Element]:
    """One block for each layer of either version."""
    note = ("Counted from ", moment(found.began), " to ", moment(found.until), ".")
    yield el("p", *note)
    names = dict.fromkeys(name for arm in ARMS for name in found.of.get(arm, {}))
    for index, name in enumerate(names):
        of = {arm: found.of[arm][name] for arm in ARMS if name in found.of.get(arm, {})}
        yield _layer(f"layer-{index}", name, of)


def _layer(place: str, name: str, of: Mapping[Arm, LayerSummary]) -> Element:
    edges, shares = _histogram(of)
    title = f"{name}: magnitudes of activations"
    rows: list[tuple[Child, ...]] = [
        (f"below {edge}" if edge != "+Inf" else "the rest", *(f"{values[at]:.3g} %" for _, values in shares))
        for at, edge in enumerate(edges)
    ]
    drawn = None
    if edges:
        behind = table(title, ("Magnitude", *(role for role, _ in shares)), rows)
        alt = f"{title}, in percent of values by bucket. {_peaks(edges, shares)}"
        drawn = figure(
            f"{place}-plot", title, bar_plot(place, alt, edges, shares), behind, [role for role, _ in shares]
        )
    return el("article", el("h3", name, id=f"{place}-title"), _table(name, of), drawn, aria_labelledby=f"{place}-title")


def _table(name: str, of: Mapping[Arm, LayerSummary]) -> Element:
    rows: list[tuple[Child, ...]] = [("Rows", *(f"{_count(one, 'rows'):,}" for one in of.values()))]
    rows += [(title, *(_share(one, part, whole) for one in of.values())) for title, part, whole in (*_SHARES, *_MORE)]
    return table(f"{name}: shares", ("Share of", *of), rows)


def _share(one: LayerSummary, part: str, whole: str) -> str:
    total = _count(one, whole)
    return f"{100 * _count(one, part) / total:.3g} %" if total > 0 else "-"


def _count(one: LayerSummary, key: str) -> int:
    value = one.get(key)
    return value if isinstance(value, int) else 0


def _histogram(of: Mapping[Arm, LayerSummary]) -> tuple[list[str], list[tuple[Arm, list[float]]]]:
    """Edges that all have, and each version's percent between them; empty where there are none."""
    counts = {role: one["histogram"] for role, one in of.items() if isinstance(one.get("histogram"), dict)}
    usable = {role: each for role, each in counts.items() if isinstance(each, dict) and any(each.values())}
    if not usable:
        return [], []
    shared = set.intersection(*(set(each) for each in usable.values()))
    edges = [edge for edge in next(iter(usable.values())) if edge in shared]
    shares = [(role, _between([each[edge] for edge in edges])) for role, each in usable.items()]
    return [_short(edge) for edge in edges], shares


def _short(edge: str) -> str:
    """An edge with three figures: powers of two below 1 have many."""
    found = number(edge)
    return edge if found is None else f"{found[0]:g}" if found[0] >= 1 else f"{found[0]:.3g}"


def _between(cumulative: list[int]) -> list[float]:
    total = max(cumulative[-1], 1) if cumulative else 1
    before = [0, *cumulative[:-1]]
    return [100 * max(count - last, 0) / total for count, last in zip(cumulative, before, strict=True)]


def _peaks(edges: list[str], shares: list[tuple[Arm, list[float]]]) -> str:
    told = []
    for role, values in shares:
        at = max(range(len(values)), key=values.__getitem__)
        told.append(f"{role}: most, {values[at]:.3g} %, below {edges[at]}")
    return "; ".join(told)
