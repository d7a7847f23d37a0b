"""A version number can be reloaded with other weights: what is promoted is what was analysed, digest and all."""

from __future__ import annotations

import numpy as np

from modelrollout.core import reasons
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.series_reader import Channel
from modelrollout.core.analysis.metrics.tick_table import TickTable
from modelrollout.core.finding import Finding

SHOWN = 5
"""Digests that a sentence names."""


def serving(table: TickTable) -> frozenset[str]:
    """Digests of the candidate's weights in the newest tick that has any; several while its addresses differ."""
    found = {channel.detail: ticks for channel, ticks in table.marks.items() if _is_candidates(channel)}
    newest = max((int(np.flatnonzero(ticks)[-1]) for ticks in found.values() if ticks.any()), default=-1)
    return frozenset(digest for digest, ticks in found.items() if newest >= 0 and ticks[newest])


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
