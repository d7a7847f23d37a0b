"""The model's own past: what a version's layers had for dead units, and what earlier versions' say of the next one.

Shares are kept with how they were measured, and only those that were measured alike are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from modelrollout.api.status import LONGEST_LAYER, MOST_LAYERS, DeadShare
from modelrollout.core.analysis.gates import formatting as say
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.gates.wording import worded
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.stats.margins.retrain import DefaultMargin, LearnedMargin, learn, usable
from modelrollout.core.analysis.stats.parameters import PASS_WINDOWS, PAST_VERSIONS

_DIGITS = 4
_MOST = 10**9
"""Units or rows; more is no measurement."""


@dataclass(frozen=True)
class RetrainMargin:
    """The margin of a layer where the spec sets none, and what people read about it."""

    margin: DefaultMargin | LearnedMargin
    source: str


def margin_of(gate_input: GateInput, layer: str, units: float) -> RetrainMargin:
    """Learned where PAST_VERSIONS promoted versions were measured as this layer is, else the default."""
    if not gate_input.request.promoted:
        return _by_default(units)
    measure = _measures(gate_input, "candidate").get(layer) or _measures(gate_input, "stable").get(layer)
    past = {
        version.version: one.dead
        for version in gate_input.request.promoted
        for one in version.layers
        if (one.layer, one.units, one.window_size, one.dead_if) == (layer, *(measure or ()))
    }
    shares = list(past.values())
    found = learn(shares, units)
    if found is not None:
        return RetrainMargin(found, worded(lambda: _source(found), "learned from promoted versions"))
    known = f"; {len(usable(shares, units))} of {PAST_VERSIONS} comparable promoted versions known" if shares else ""
    return RetrainMargin(DefaultMargin(units), f"default margin{known}")


@lru_cache(maxsize=2 * MOST_LAYERS)
def _by_default(units: float) -> RetrainMargin:
    return RetrainMargin(DefaultMargin(units), "default margin")


def _source(found: LearnedMargin) -> str:
    low, high = say.percent(found.lowest), say.percent(found.highest)
    between = low if low == high else f"{low} to {high}"
    return f"learned from {found.versions} promoted versions, {between} dead"


def measured(gate_input: GateInput) -> tuple[DeadShare, ...]:
    """Of the candidate's layers with enough windows to be a verdict, by name; bounded in number and length."""
    found = []
    since = {
        metric: gate_input.table.sum_by_layer(metric, "candidate", gate_input.start)
        for metric in (s.WINDOWS, s.WINDOW_NEURONS, s.WINDOW_DEAD)
    }
    for layer, measure in sorted(_measures(gate_input, "candidate").items()):
        count, units, dead = (each.get(layer, 0.0) for each in since.values())
        if count < PASS_WINDOWS or not 0 <= dead <= units or not _kept(layer):
            continue
        share = round(dead / units, _DIGITS)
        found.append(_dead_share(layer, share, *measure))
    return tuple(found[:MOST_LAYERS])


@lru_cache(maxsize=2 * MOST_LAYERS)
def _dead_share(layer: str, dead: float, units: int, window_size: int, dead_if: str) -> DeadShare:
    """Made once while nothing of it changes, since a model checks each of its fields."""
    return DeadShare(layer=layer, dead=dead, units=units, window_size=window_size, dead_if=dead_if)


def _measures(gate_input: GateInput, arm: s.Arm) -> dict[str, tuple[int, int, str]]:
    """(units, rows per window, rule) of each layer of which they are known and do not contradict each other."""
    table, found = gate_input.table, dict[str, tuple[int, int, str]]()
    if (_measures, arm) in table.facts:
        known: dict[str, tuple[int, int, str]] = table.facts[_measures, arm]
        return known
    neurons = table.sum_by_layer(s.WINDOW_NEURONS, arm)
    for layer, count in table.sum_by_layer(s.WINDOWS, arm).items():
        sizes, rules = table.gauge(s.WINDOW_SIZE, arm, layer), table.marked(s.LAYER_INFO, arm, layer)
        rule = next(iter(rules), "")
        if count <= 0 or len(sizes) != 1 or len(rules) > 1 or not _kept(rule):
            continue
        units, (size,) = neurons.get(layer, 0.0) / count, sizes
        if 1 <= units <= _MOST and 1 <= size <= _MOST:
            found[layer] = round(units), round(size), rule
    table.facts[_measures, arm] = found
    return found


def _kept(text: str) -> bool:
    """Whether a text from telemetry can stand in a status that holds hundreds of them."""
    return len(text) <= LONGEST_LAYER and text.isprintable()
