"""Prometheus's part: every rollout has the same two versions, scraped at the same moments, under names of its own."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

from modelrollout.core.analysis.metrics.series import Series
from tests.bench.cost.evaluation.world import World, answer_of

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL, NAMESPACE = "digits", "vision"
"""As the samples that are made once call them."""
_NAMED = re.compile(r"m-[0-9]{4}")
_WHERE = re.compile(r"team-[0-9]{2}")
_QUERY = re.compile(r"(\{.*\})\[(\d+)ms\]", re.DOTALL)
BAD = 0.5
"""Share of the candidate's requests that fail where it is bad."""
Cached = tuple[str, str, int, int, float]


@dataclass
class Samples:
    """Answers `/api/v1/query` for selectors of samples; `answered` has the moments by rollout."""

    seconds: float
    layers: int
    counts: Counter[str] = field(default_factory=Counter)
    answered: dict[str, list[float]] = field(default_factory=dict)
    bad: dict[str, float] = field(default_factory=dict)
    """Since when (epoch seconds) a rollout's candidate has been bad."""
    _made: dict[Cached, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._world = World(self.seconds, layers=self.layers, start=15.0 * (time.time() // 15))

    def routes(self) -> list[web.RouteDef]:
        return [web.route("*", "/api/v1/query", self._query)]

    async def _query(self, request: web.Request) -> web.Response:
        asked = {**request.query, **(await request.post() if request.method == "POST" else {})}
        found = _QUERY.fullmatch(str(asked["query"]))
        assert found is not None, asked["query"]
        text, end = found[1], float(str(asked["time"]))
        self.counts["queries"] += 1
        name, where = _NAMED.search(text), _WHERE.search(text)
        body = self._answer(text, end - int(found[2]) / 1000, end, name[0] if name else "")
        if name and where:
            body = body.replace(MODEL.encode(), name[0].encode()).replace(NAMESPACE.encode(), where[0].encode())
            self.answered.setdefault(name[0], []).append(time.time())
        return web.Response(body=body, content_type="application/json")

    def _answer(self, text: str, start: float, end: float, name: str) -> bytes:
        """The body under the names of the samples made once: rollouts that ask in the same scrape have the same."""
        origin, metrics = "gateway" if "traefik" in text else "model", text.partition('"')[2].partition('"')[0]
        first, last = (int((at - 2) // self._world.scrape) for at in (start, end))
        since = self.bad.get(name, 0.0)
        key = origin, metrics, first, last, since
        if key not in self._made or end - 15.0 * last < 6:  # within a scrape not all have their sample
            series = self._world.between(origin, round(start * 1000), round(end * 1000), metrics)
            self._made[key] = answer_of(tuple(_spoiled(series, since)))
            while len(self._made) > 64:
                del self._made[next(iter(self._made))]
        return self._made[key]


def _spoiled(series: Iterator[Series], since: float) -> Iterator[Series]:
    """With failures of the candidate from `since` on, instead of what went well; as it is where that is 0."""
    for one in series:
        labels = dict(one.labels)
        its = since and labels["__name__"].endswith("_requests_total") and f"-{MODEL}-v2-" in labels.get("service", "")
        if not its:
            yield one
            continue
        late = (one.times > since * 1000).cumsum() * 120.0 * BAD
        yield Series(one.labels, one.times, one.values + (late if labels["code"] == "500" else -late.clip(0)))
