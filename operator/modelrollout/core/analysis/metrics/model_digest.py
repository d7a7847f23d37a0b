"""A version number can be reloaded with other weights: what is promoted is what was analysed, digest and all."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from modelrollout.core import reasons
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series import Target
from modelrollout.core.analysis.metrics.series_reader import Channel, SeriesReader
from modelrollout.core.analysis.metrics.tick_table import TickTable
from modelrollout.core.analysis.stats.parameters import MISSING_TICKS
from modelrollout.core.evaluation import EvaluationRequest
from modelrollout.core.finding import Finding

SHOWN = 5
"""Digests that a sentence names."""


def serving(table: TickTable) -> frozenset[str]:
    """Digests of the candidate's weights in the newest tick that has any; several while its addresses differ."""
    found = {channel.detail: ticks for channel, ticks in table.marks.items() if _is_candidates(channel)}
    newest = max((int(np.flatnonzero(ticks)[-1]) for ticks in found.values() if ticks.any()), default=-1)
    return frozenset(digest for digest, ticks in found.items() if newest >= 0 and ticks[newest])


def lately(
    stores: Iterable[SampleStore], reader: SeriesReader, request: EvaluationRequest, end: float
) -> frozenset[str]:
    """The newest digest of each of the candidate's addresses, up to `end` (epoch seconds) and since evidence began.

    Of those that can still be there, as long as it takes to call them lost: a scrape that is missed is no agreement.
    """
    since = max(end - MISSING_TICKS * request.interval, request.evidence_from) * 1000
    newest: dict[Target, tuple[int, frozenset[str]]] = {}
    for one in (one for store in stores for one in store.named(s.INFO)):
        channel, last = reader.channel(dict(one.labels)), int(one.times.searchsorted(end * 1000, side="right")) - 1
        if channel is None or not _is_candidates(channel) or last < 0 or one.times[last] <= since:
            continue
        at, known = newest.get(one.target, (0, frozenset()))
        here = int(one.times[last])
        if here >= at:
            newest[one.target] = here, (known if here == at else frozenset()) | {channel.detail}
    return frozenset(digest for _, digests in newest.values() for digest in digests)


def one_of(digests: frozenset[str]) -> str | None:
    """The digest, where there is exactly one."""
    return next(iter(digests)) if len(digests) == 1 else None


def mixed(digests: frozenset[str], version: str) -> Finding | None:
    """Why the weight must be held: some addresses serve weights that others do not."""
    if len(digests) <= 1:
        return None
    shown = ", ".join(sorted(digests)[:SHOWN]) + (" ..." if len(digests) > SHOWN else "")
    text = f"addresses of version {version} serve different weights ({shown}); held until they agree"
    return Finding(reasons.WEIGHTS_DIFFER, text)


def _is_candidates(channel: Channel) -> bool:
    return channel.metric == s.INFO and channel.arm == "candidate" and channel.detail != ""
