"""What one rollout needs to be judged: which series, how far back, and when a tick is closed; no I/O."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from modelrollout.api.config import PrometheusServer
from modelrollout.api.gates import Gate
from modelrollout.core.analysis.gates import registry
from modelrollout.core.analysis.gates.evaluate import evaluate
from modelrollout.core.analysis.gates.gate_input import Answer, GateInput
from modelrollout.core.analysis.gates.plan import words
from modelrollout.core.analysis.gates.plan.history import plan_before
from modelrollout.core.analysis.metrics.coverage import uncovered
from modelrollout.core.analysis.metrics.grid import Grid, make_grid
from modelrollout.core.analysis.metrics.lookalikes import lookalikes
from modelrollout.core.analysis.metrics.model_series import Selection, gateway_selection, model_selection
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.scraped_twice import counted_once
from modelrollout.core.analysis.metrics.scrapes import Scrapes, TargetScrapes
from modelrollout.core.analysis.metrics.series import Target
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.core.analysis.metrics.tick_table import make_tick_table
from modelrollout.core.analysis.stats.parameters import HISTORY
from modelrollout.core.evaluation import Evaluation, EvaluationRequest

log = logging.getLogger(__name__)
MAX_TICKS = 6000
"""Evidence reaches back so far (a day at 15 s), or less where there are too many series for that."""
SHORTER = tuple(int(MAX_TICKS * 0.8**cut) for cut in range(14))
"""How many ticks are kept at least, after so many cuts; the last is 329, and with more series nothing is judged.

What is older is dropped in pieces of a sixth, so at most 7/6 are kept: less than before the cut."""


def history_of(request: EvaluationRequest) -> int:
    """The tick with which stable's history before the rollout begins."""
    history = -math.ceil(HISTORY / request.interval)
    if request.dialect is not None and request.dialect.by_place and request.placed_at is not None:
        since = math.floor((request.started_at - request.placed_at) / request.interval)
        history = -min(-history, max(since, 0))  # what its place counted before was another version's
    return history


def first_tick(request: EvaluationRequest, last: int, cuts: int = 0) -> int:
    """The first tick that counts when `last` is judged: stable's history before the rollout, as far as it is kept."""
    kept, history = SHORTER[cuts], history_of(request)
    piece = kept // 6
    return history + (max(last - kept - history, 0) // piece) * piece


def oldest(request: EvaluationRequest, server: PrometheusServer, now: float, cuts: int = 0) -> float:
    """The history, and a little more so that its first tick has a scrape to be counted from."""
    first = first_tick(request, request.last_ended(now), cuts)
    return request.started_at + first * request.interval - 3 * server.scrape_interval


def table_bytes(request: EvaluationRequest, series: int, now: float, cuts: int) -> int:
    """At most so large is the table of all ticks that are kept: a number for each tick and series."""
    last = request.last_ended(now)
    return 8 * series * (last - first_tick(request, last, cuts) + 1)


def grid_of(request: EvaluationRequest, tick: int, cuts: int = 0) -> Grid:
    """The ticks that count up to `tick`."""
    return make_grid(request.started_at, request.interval, first_tick(request, tick, cuts), tick)


def cut_off(request: EvaluationRequest, stores: Iterable[SampleStore], tick: int, cuts: int) -> tuple[str, ...]:
    """A sentence where what was before no longer counts."""
    if first_tick(request, tick, cuts) == history_of(request):
        return ()
    back = f"evidence reaches back {SHORTER[cuts]} ticks, and what was before is forgotten"
    if not cuts:
        return (f"{back}: a longer analysis.interval reaches further",)
    series = sum(len(store.series) for store in stores)
    return (f"{back}: that is what one rollout may hold of {series} series; export fewer, or narrow the matchers",)


def selections(request: EvaluationRequest, server: PrometheusServer) -> list[Selection]:
    """One query for the gateway's series, where there is a dialect, and one for the model's."""
    wanted = registry.series_wanted(_wanted(request))
    gateway = gateway_selection(request, server, wanted)
    return [one for one in (gateway, model_selection(request, server, wanted)) if one is not None]


def _wanted(request: EvaluationRequest) -> tuple[Gate, ...]:
    names = request.default_gates or registry.every_default()
    return registry.gates_in_force(request.spec.gates, names)


def scrapes_of(request: EvaluationRequest, stores: Iterable[SampleStore], server: PrometheusServer) -> Scrapes:
    """When the targets behind these samples are scraped."""
    observed: dict[Target, TargetScrapes] = {}
    for store in stores:
        observed.update(store.targets)
    return Scrapes(observed, request.interval, server.scrape_interval)


def closed_tick(
    request: EvaluationRequest, stores: Sequence[SampleStore], server: PrometheusServer, evaluated: int, now: float
) -> int | None:
    """The newest tick that is complete and was not judged yet."""
    scrapes = scrapes_of(request, stores, server)
    for tick in range(request.last_ended(now), evaluated, -1):
        if scrapes.complete(request.tick_end(tick), now):
            return tick
    return None


def judge(
    request: EvaluationRequest,
    stores: Sequence[SampleStore],
    server: PrometheusServer,
    tick: int,
    answers: Mapping[str, Answer],
    now: float,
    cuts: int = 0,
) -> Evaluation:
    """All gates at `tick`: a function of its arguments, whichever process calls it."""
    counted = [counted_once(store) for store in stores]
    once, reader = [store for store, _ in counted], SeriesReader(request)
    table = make_tick_table(once, reader, grid_of(request, tick, cuts), server.scrape_interval)
    partial = uncovered(once, reader, request, request.tick_end(tick))
    twice = dict.fromkeys(text for _, said in counted for text in said)
    warnings = (*twice, *lookalikes(once, reader, request), *cut_off(request, stores, tick, cuts))
    gate_input = GateInput(request, table, answers, warnings, partial)
    names = None
    if not request.spec.gates:
        names = request.default_gates or registry.default_gates(table, gate_input.position(request.started_at) + 1)
    found = evaluate(registry.gates_in_force(request.spec.gates, names or ()), gate_input, now, names)
    return replace(found, plan=_planned(request, once, server)) if request.unplanned else found


def _planned(request: EvaluationRequest, once: Sequence[SampleStore], server: PrometheusServer) -> str:
    """What stable's traffic can prove; whatever is wrong with it, the verdicts stand."""
    try:
        return words.line(plan_before(request, once, server.scrape_interval, whole=False))
    except Exception:  # any defect of a forecast
        log.exception("%s/%s: no plan could be made", request.namespace, request.name)
        return "no plan could be made"
