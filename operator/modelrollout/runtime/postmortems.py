"""At the end of a rollout its distributions go to a ConfigMap: best effort, bounded in time and size."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelrollout.api.timestamps import format_timestamp
from modelrollout.core.analysis.metrics.grid import make_grid
from modelrollout.core.analysis.metrics.model_series import series_of
from modelrollout.core.analysis.metrics.postmortem import SERIES, summarize
from modelrollout.core.analysis.metrics.promql import fill_matchers
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series_reader import SeriesReader
from modelrollout.core.analysis.metrics.tick_table import make_tick_table
from modelrollout.ports import Conflict, Ledger, LedgerFailure, PostmortemStore, Unreachable

if TYPE_CHECKING:
    from modelrollout.api.config import OperatorConfig
    from modelrollout.core.evaluation import EvaluationRequest

log = logging.getLogger(__name__)
LONGEST_SPAN = 900.0
PATIENCE = 3.0
MAX_BYTES = 200_000


@dataclass
class Postmortems:
    """Reads the last 15 minutes of a rollout again, with the histograms that gates do not need."""

    ledger: Ledger
    store: PostmortemStore
    config: OperatorConfig

    async def keep(self, obj: dict[str, Any], name: str, request: EvaluationRequest, now: float) -> bool:
        """Write the ConfigMap `name`; whether that worked. Never raises, never takes longer than PATIENCE."""
        try:
            async with asyncio.timeout(PATIENCE):
                text = await self._text(request, now)
                if text is None:
                    return False
                await self.store.save(obj, name, {"snapshot.json": text})
        except (TimeoutError, Conflict, Unreachable) as error:
            log.warning(
                "%s/%s: no snapshot was kept: %s", request.namespace, request.name, str(error) or "it took too long"
            )
            return False
        return True

    async def _text(self, request: EvaluationRequest, now: float) -> str | None:
        server = self.config.server(request.spec.analysis.prometheus)
        if server is None:
            return None
        start = max(request.started_at, now - LONGEST_SPAN)
        selector = series_of(request, SERIES, fill_matchers(server.matchers, request.namespace))
        answer = await self.ledger.range(server, selector, start, now)
        if isinstance(answer, LedgerFailure):
            log.warning("%s/%s: no snapshot: %s", request.namespace, request.name, answer.message)
            return None
        grid = make_grid(start, now - start, 0, 0)
        layers = summarize(
            make_tick_table([SampleStore().merged(answer)], SeriesReader(request), grid, server.scrape_interval)
        )
        about = {"model": request.spec.model.name, "stable": request.stable, "candidate": request.candidate}
        span = {"from": format_timestamp(start), "to": format_timestamp(now)}
        text = json.dumps(about | span | {"layers": layers}, separators=(",", ":"))
        return text if len(text) <= MAX_BYTES and any(layers.values()) else None
