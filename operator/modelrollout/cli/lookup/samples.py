"""Samples of one query over a time, asked for in pieces that an answer can hold."""

from __future__ import annotations

from modelrollout.api.config import PrometheusServer
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.ports import Ledger, LedgerFailure

CHUNK = 900.0
"""Seconds of samples per query."""
SMALLEST = 30.0


async def samples(
    ledger: Ledger, server: PrometheusServer, text: str, start: float, end: float
) -> SampleStore | LedgerFailure:
    """All of (start, end], epoch seconds; in smaller pieces where an answer is too large."""
    store, at, chunk = SampleStore(), start, CHUNK
    while at < end:
        until = min(at + chunk, end)
        answer = await ledger.range(server, text, at, until)
        if isinstance(answer, LedgerFailure):
            if answer.reason != "AnswerTooLarge" or until - at <= SMALLEST:
                return answer
            chunk = max((until - at) / 2, SMALLEST)
            continue
        store, at = store.replaced(answer, at, until), until
    return store
