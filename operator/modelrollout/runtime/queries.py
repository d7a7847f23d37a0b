"""Every query to Prometheus is counted, whoever sends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelrollout.ports import Ledger, LedgerFailure

if TYPE_CHECKING:
    from modelrollout.api.config import PrometheusServer
    from modelrollout.core.analysis.metrics.series import Series
    from modelrollout.runtime.metrics import Metrics


class CountedLedger:
    """A Ledger that hands every call on to another."""

    def __init__(self, ledger: Ledger, metrics: Metrics) -> None:
        self._ledger = ledger
        self._queries = metrics.counter(
            "modelrollout_operator_queries_total", "Queries to Prometheus, by answer or reason of failure", "outcome"
        )

    async def range(
        self, server: PrometheusServer, selector: str, start: float, end: float
    ) -> tuple[Series, ...] | LedgerFailure:
        """As Ledger.range."""
        return self._counted(await self._ledger.range(server, selector, start, end))

    async def steps(
        self, server: PrometheusServer, query: str, start: float, end: float, step: float
    ) -> tuple[Series, ...] | LedgerFailure:
        """As Ledger.steps."""
        return self._counted(await self._ledger.steps(server, query, start, end, step))

    def _counted(self, answer: tuple[Series, ...] | LedgerFailure) -> tuple[Series, ...] | LedgerFailure:
        self._queries.add(answer.reason if isinstance(answer, LedgerFailure) else "answered")
        return answer
