"""The gates of one rollout judged again at several moments, by the engine that judged it; pure: samples in, values out.

At whole intervals alone: what the operator finds at scrapes between them is left to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from modelrollout.cli.report.facts import Judgement, Layers
from modelrollout.core.analysis.gates import registry
from modelrollout.core.analysis.gates.evaluate import judge_all
from modelrollout.core.analysis.gates.gate_input import GateInput
from modelrollout.core.analysis.metrics.gateway.placed import history_ticks, in_their_places
from modelrollout.core.analysis.metrics.grid import make_grid
from modelrollout.core.analysis.metrics.model_series import ARMS
from modelrollout.core.analysis.metrics.postmortem import summarize
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.scraped_twice import counted_once
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.core.analysis.metrics.tick_table import make_tick_table
from modelrollout.core.evaluation import EvaluationRequest

NOT_ASKED = frozenset({"Query", "Webhook"})
"""Gates whose expressions users wrote, and those that other systems answer: they are not asked again."""
MOMENTS = 40
"""At most so many are judged, evenly over the rollout: more cannot be told apart on a phone."""


def moments(request: EvaluationRequest, until: float) -> list[int]:
    """The ticks that are judged: the last is the newest that had ended."""
    last = request.last_ended(until)
    count = min(MOMENTS, last + 1)
    return sorted({round(last * k / max(count - 1, 1)) for k in range(count)}) if count > 0 else []


def replayed(
    request: EvaluationRequest,
    stores: Sequence[SampleStore],
    scrape: float,
    until: float,
    stopped: Callable[[], bool] = lambda: False,
) -> tuple[Judgement, ...]:
    """Every gate at each moment up to `until`, epoch seconds; no further ones once nobody waits for it (`stopped`)."""
    once = [counted_once(store)[0] for store in stores]
    return tuple(_judged(request, once, scrape, tick) for tick in moments(request, until) if not stopped())


def _judged(request: EvaluationRequest, once: Sequence[SampleStore], scrape: float, tick: int) -> Judgement:
    at = request.tick_end(tick)
    request = _as_of(request, at)
    grid = make_grid(request.started_at, request.interval, -history_ticks(request), tick)
    table = in_their_places(make_tick_table(once, SeriesReader(request), grid, scrape), request)
    gate_input = GateInput(request, table, scrape_interval=scrape)
    names = () if request.spec.gates else registry.defaults_in_force(gate_input, request.default_gates or ())
    gates = registry.gates_in_force(request.spec.gates, names)
    found = (one.result for one in judge_all(gates, gate_input))
    return Judgement(at, tuple(one for one in found if one.type not in NOT_ASKED))


def _as_of(request: EvaluationRequest, at: float) -> EvaluationRequest:
    """Without the steps that were still to come."""
    bake = request.bake_started_at
    steps = tuple(step for step in request.steps if step[1] <= at)
    return replace(request, steps=steps, bake_started_at=bake if bake is not None and bake <= at else None)


def distributions(request: EvaluationRequest, store: SampleStore, scrape: float, span: tuple[float, float]) -> Layers:
    """What each layer counted in (span[0], span[1]], as the operator keeps it at the end of a rollout."""
    began, until = span
    grid = make_grid(began, until - began, 0, 0)
    found = summarize(make_tick_table([store], SeriesReader(request), grid, scrape))
    return Layers(began, until, {arm: found[arm] for arm in ARMS})


def course(
    request: EvaluationRequest, store: SampleStore, scrape: float, span: tuple[float, float]
) -> tuple[Layers, ...]:
    """The same, slice by slice: at most MOMENTS, none shorter than the interval or two scrapes; without empty ones."""
    began, until = span
    count = max(1, min(MOMENTS, math.floor((until - began) / max(request.interval, 2 * scrape))))
    width = (until - began) / count
    table = make_tick_table([store], SeriesReader(request), make_grid(began, width, 0, count - 1), scrape)
    found = ((index, summarize(table, index)) for index in range(count))
    slices = (
        Layers(began + index * width, began + (index + 1) * width, {arm: each[arm] for arm in ARMS})
        for index, each in found
    )
    return tuple(one for one in slices if any(layer["elements"] for of in one.of.values() for layer in of.values()))
