"""One run over counters recorded from real components, since a simulator shares its author's assumptions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.bench.decisions import rules
from tests.bench.decisions.traces import INTERVAL, Trace

DATA = Path(__file__).parent / "data" / "recorded.json"


@dataclass(frozen=True)
class Recording:
    """One phase of the recording: what was sent, and the raw counters per scrape of both versions."""

    name: str
    wanted: bool
    requests: int
    minutes: float
    decided: dict[str, float | None]
    """Minutes until the rollback by rule, None for none."""


def recordings(path: Path = DATA) -> list[Recording]:
    """All phases of the file; none where nothing was recorded yet."""
    if not path.exists():
        return []
    return [_judge(phase) for phase in json.loads(path.read_text(encoding="utf-8"))["phases"]]


def _judge(phase: dict) -> Recording:
    """`candidate` and `stable` hold [bad, total] per tick; `past` those of stable before the rollout."""
    arms = {
        name: np.array(phase[name], dtype=float).reshape(-1, 2).T[:, None, :]
        for name in ("candidate", "stable", "past")
    }
    trace = Trace(*arms["candidate"], *arms["stable"], *arms["past"])
    found = {
        "ours": rules.ours(trace),
        "Flagger": rules.flagger(trace),
        "Argo": rules.argo(trace),
        "Kayenta": rules.kayenta(trace),
    }
    decided = {rule: None if stop[0] < 0 else float((stop[0] + 1) * INTERVAL / 60) for rule, stop in found.items()}
    total = int(arms["candidate"][1].sum() + arms["stable"][1].sum())
    return Recording(phase["name"], bool(phase["wanted"]), total, arms["candidate"].shape[-1] * INTERVAL / 60, decided)
