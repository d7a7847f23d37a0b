"""What one rollout needs to be judged: which series, how far back, and when a tick is closed; no I/O."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from modelrollout.api.config import PrometheusServer
from modelrollout.api.gates import Gate
from modelrollout.core import reasons
from modelrollout.core.analysis.gates import registry
from modelrollout.core.analysis.gates.evaluate import evaluate
from modelrollout.core.analysis.gates.gate_input import Answer, GateInput, Told
from modelrollout.core.analysis.gates.plan import words
from modelrollout.core.analysis.gates.plan.history import plan_before
from modelrollout.core.analysis.gates.sources.golden import in_preflight
from modelrollout.core.analysis.gates.wording import worded
from modelrollout.core.analysis.metrics import model_digest
from modelrollout.core.analysis.metrics.blocks.running import Running
from modelrollout.core.analysis.metrics.coverage import uncovered
from modelrollout.core.analysis.metrics.gateway.lookalikes import ambiguous, lookalikes
from modelrollout.core.analysis.metrics.gateway.placed import history_ticks, in_their_places
from modelrollout.core.analysis.metrics.gateway.unnamed import unnamed
from modelrollout.core.analysis.metrics.golden.series import golden_selection
from modelrollout.core.analysis.metrics.grid import Grid, make_grid
from modelrollout.core.analysis.metrics.model_series import Selection, gateway_selection, model_selection
from modelrollout.core.analysis.metrics.promql import fill_matchers
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.scraped_twice import counted_once
from modelrollout.core.analysis.metrics.scrapes import Scrapes, TargetScrapes, scrapes_since
from modelrollout.core.analysis.metrics.series import Target
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.core.analysis.metrics.tick_table import make_tick_table
from modelrollout.core.evaluation import Evaluation, EvaluationRequest
from modelrollout.core.finding import Finding

log = logging.getLogger(__name__)
MAX_TICKS = 6000
"""Evidence reaches back so far (a day at 15 s), or less where there are too many series for that."""
SHORTER = tuple(int(MAX_TICKS * 0.8**cut) for cut in range(14))
"""How many ticks are kept at least, after so many cuts; the last is 329, and with more series nothing is judged.

What is older is dropped in pieces of a sixth, so at most 7/6 are kept: less than before the cut."""


_UNTOLD = Finding(reasons.INTERNAL_ERROR, "a defect: whether every target is scraped cannot be told")
_ALIKE_UNTOLD = Finding(
    reasons.INTERNAL_ERROR, "a defect: whether another route's requests are counted here too cannot be told"
)
_UNSAID = ("a defect: a warning about the samples cannot be put into words",)
SHORTEST_LOOK = 5.0
"""Seconds: nobody's odds are looked at more often, however often the targets are scraped."""


@dataclass(frozen=True)
class Looks:
    """The moments at which evidence may be judged: every tick in `parts` of a scrape interval or more each.

    Where they lie follows from the rollout's start, the interval and the configured scrape interval alone, so that
    every process comes to the same counts for each, whichever of them it looks at.
    """

    request: EvaluationRequest
    parts: int

    @property
    def length(self) -> float:
        """Seconds."""
        return self.request.interval / self.parts

    def end(self, look: int) -> float:
        """Epoch seconds, to the millisecond."""
        return round(self.request.started_at + (look + 1) * self.length, 3)

    def last_ended(self, now: float) -> int:
        """The newest look that has ended at `now`; -1 when none has."""
        return max(-1, math.floor((now - self.request.started_at) / self.length + 1e-9) - 1)

    def tick(self, look: int) -> int:
        """The newest whole tick at a look."""
        return (look + 1) // self.parts - 1

    def at(self, tick: int) -> int:
        """The look at the end of a tick."""
        return (tick + 1) * self.parts - 1

    def grid(self, look: int, cuts: int = 0) -> Grid:
        """The fine ticks that count up to `look`."""
        first = first_tick(self.request, self.tick(look), cuts) * self.parts
        return make_grid(self.request.started_at, self.length, first, look)


def looks_of(request: EvaluationRequest, server: PrometheusServer) -> Looks:
    """As many looks in a tick as it has scrapes, each a whole number of milliseconds."""
    whole = round(request.interval * 1000)
    most = max(1, int(request.interval / max(server.scrape_interval, SHORTEST_LOOK) + 1e-9))
    return Looks(request, next(parts for parts in range(most, 0, -1) if whole % parts == 0))


def history_of(request: EvaluationRequest) -> int:
    """The tick with which stable's history before the rollout begins."""
    return -history_ticks(request)


def first_tick(request: EvaluationRequest, last: int, cuts: int = 0) -> int:
    """The first tick that counts when `last` is judged: stable's history before the rollout, as far as it is kept."""
    kept, history = SHORTER[cuts], history_of(request)
    piece = kept // 6
    return history + (max(last - kept - history, 0) // piece) * piece


def oldest(request: EvaluationRequest, server: PrometheusServer, now: float, cuts: int = 0) -> float:
    """The history, and a little more so that its first tick has a scrape to be counted from."""
    first = first_tick(request, request.last_ended(now), cuts)
    return request.started_at + first * request.interval - 3 * server.scrape_interval


def table_bytes(looks: Looks, series: int, now: float, cuts: int) -> int:
    """At most so large are the tables of all ticks that are kept: a number for each series and look, and each tick."""
    last = looks.request.last_ended(now)
    numbers = looks.parts + 1 if looks.parts > 1 else 1
    return 8 * series * numbers * (last - first_tick(looks.request, last, cuts) + 1)


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
    key = "selections", server.name, server.matchers, server.gateway_matchers
    return list(request.fact(key, lambda: _selections(request, server)))


def _selections(request: EvaluationRequest, server: PrometheusServer) -> list[Selection]:
    wanted = registry.series_wanted(_wanted(request))
    gateway = gateway_selection(request, server, wanted)
    found = [one for one in (gateway, model_selection(request, server, wanted)) if one is not None]
    if not request.preflight:
        return found
    speaks = ",".join(one.strip(" ,") for one in (server.matchers, server.preflight_matchers) if one.strip(" ,"))
    return [*found, golden_selection(request, fill_matchers(speaks, request.namespace))]


def _wanted(request: EvaluationRequest) -> tuple[Gate, ...]:
    return registry.gates_in_force(request.spec.gates, registry.every_default())  # what is left out may come back


def scrapes_of(request: EvaluationRequest, stores: Iterable[SampleStore], server: PrometheusServer) -> Scrapes:
    """When the targets behind these samples are scraped."""
    observed: dict[Target, TargetScrapes] = {}
    for store in stores:
        observed.update(store.targets)
    return Scrapes(observed, request.interval, server.scrape_interval)


def closed_look(
    looks: Looks, stores: Sequence[SampleStore], server: PrometheusServer, after: int, now: float, *, every: bool
) -> int | None:
    """The newest look that is complete and later than `after`: at the end of a tick, or with `every` at any scrape.

    With `every` also one within a tick that has not ended, where every target was scraped in it for the last time.
    """
    scrapes, ended = scrapes_of(looks.request, stores, server), looks.last_ended(now)
    newest = ended + 1 if every else looks.at(looks.tick(ended))
    for look in range(newest, after, -1 if every else -looks.parts):
        within = look != looks.at(looks.tick(look))
        if (look <= ended or within) and scrapes.complete(looks.end(look), now):
            return look
    return None


def judge(
    request: EvaluationRequest,
    stores: Sequence[SampleStore],
    server: PrometheusServer,
    look: int,
    answers: Mapping[str, Answer | Told],
    now: float,
    cuts: int = 0,
    running: Running | None = None,
) -> Evaluation:
    """All gates at `look`: a function of its arguments but `running`, whichever process calls it.

    `running` is what was read for the evaluation before: it saves work, and changes nothing.
    """
    looks = looks_of(request, server)
    counted = [counted_once(store) for store in stores]
    once, reader = [store for store, _ in counted], SeriesReader(request)
    fine = in_their_places(
        make_tick_table(once, reader, looks.grid(look, cuts), server.scrape_interval, running), request
    )
    table = fine.whole(looks.parts) if looks.parts > 1 else fine
    alike: tuple[str, ...] | None = worded(lambda: lookalikes(once, reader, request), None)
    partial: Finding | None = worded(lambda: _partial(once, reader, request, looks.end(look)), _UNTOLD)
    partial = partial or (_ALIKE_UNTOLD if alike is None else ambiguous(alike))
    twice = dict.fromkeys(text for _, said in counted for text in said)
    misread: tuple[str, ...] = worded(lambda: (*unnamed(request), *(alike or ()), *reader.pods.warnings()), _UNSAID)
    warnings = (*twice, *misread, *cut_off(request, stores, looks.tick(look), cuts))
    gate_input = GateInput(
        request,
        table,
        answers,
        warnings,
        partial,
        scrapes_since(once, request.started_at, looks.end(look)),
        server.scrape_interval,
        None if running is None else running.memo,
        fine if looks.parts > 1 else None,
    )
    names = () if request.spec.gates else registry.defaults_in_force(gate_input, request.default_gates or ())
    gates = in_preflight(registry.gates_in_force(request.spec.gates, names), request)
    found = evaluate(gates, gate_input, now)
    if running is not None:
        running.memo.forget_unused()
    return replace(found, plan=_planned(request, once, server)) if request.unplanned else found


def _partial(
    once: Sequence[SampleStore], reader: SeriesReader, request: EvaluationRequest, end: float
) -> Finding | None:
    """Why what was scraped up to `end` is not all that serves, or not all the same."""
    found = uncovered(once, reader, request, end)
    return found or model_digest.mixed(model_digest.lately(once, reader, request, end), request.candidate)


def _planned(request: EvaluationRequest, once: Sequence[SampleStore], server: PrometheusServer) -> str:
    """What stable's traffic can prove; whatever is wrong with it, the verdicts stand."""
    try:
        return words.line(plan_before(request, once, server.scrape_interval, whole=False))
    except Exception:  # any defect of a forecast
        log.exception("%s/%s: no plan could be made", request.namespace, request.name)
        return "no plan could be made"
