"""A rolled-back rollout with everything that a report can show, and a page taken apart again."""

from __future__ import annotations

import math
from html.parser import HTMLParser
from typing import Any

from modelrollout.api.status import Status
from modelrollout.cli.report.facts import Facts, Happening, Judgement, Layers, Subject
from modelrollout.core.analysis.metrics.model_series import Arm
from modelrollout.core.analysis.metrics.postmortem import LayerSummary
from modelrollout.core.evaluation import GateResult
from tests.unit.cli.rollouts import NOW, at, gate

EDGES = ("0.001", "0.01", "0.1", "1", "10", "+Inf")
VOID = frozenset({"meta", "br", "img", "link", "input", "hr"})


def layer(peak: float) -> LayerSummary:
    """Magnitudes around bucket `peak`."""
    counted, histogram = 0, {}
    for index, edge in enumerate(EDGES):
        counted += round(1000 * math.exp(-((index - peak) ** 2)))
        histogram[edge] = counted
    dead = {"windows": 4, "windowNeurons": 512, "windowDeadNeurons": 40, "windowSize": 200}
    shares: dict[str, int] = {
        "rows": 100,
        "elements": counted,
        "zeros": counted // 3,
        "negatives": 0,
        "nan": 0,
        "inf": 0,
    }
    return {**shares, **dead, "histogram": histogram}


def judged(index: int, name: str = "errors", *, numbers: bool = True) -> GateResult:
    figures: dict[str, Any] = {"observed": f"{1 + index / 10:.1f} %", "stable": "0.9 %", "limit": "<= 1.2 %"}
    odds: dict[str, Any] = {"against": index / 3, "needed": math.log(100), "in_favour": 1.0}
    more = figures | odds if numbers else {}
    return GateResult(name, "ErrorRate", "CONTINUE", "candidate 1 % vs stable 0.9 %", samples="720 requests", **more)


def facts(*, text: str = "", plots: bool = True, **changes: Any) -> Facts:
    """`text` stands wherever somebody else decides what stands; without `plots` nothing has to be drawn."""
    last = {"verb": "approve", "nonce": "n", "by": f"jane{text}", "why": f"fine{text}", "result": "applied"}
    why = f"errors 3.1 % above 1 %{text}"
    ended = {"stable": f"1{text}", "candidate": f"3{text}", "result": "RolledBack", "reason": f"GateFailed{text}"}
    status = Status.model_validate(
        {
            "phase": "RolledBack",
            "reason": f"GateFailed{text}",
            "message": why,
            "stable": f"1{text}",
            "gates": [gate(f"errors{text}", f"ErrorRate{text}", "FAIL", message=why, layer=f"dense{text}")],
            "warnings": [f"coarse buckets{text}"],
            "history": [ended | {"message": why, "startedAt": at(-900), "endedAt": at(-100)}],
            "rejected": {"version": "3", "attempt": 1, "reason": "GateFailed", "message": why, "at": at(-100)},
            "lastCommand": last | {"outcome": "Applied", "at": at(-500)},
        }
    )
    entry = status.history[0]
    arms: dict[Arm, dict[str, LayerSummary]] = (
        {"stable": {f"dense{text}": layer(2)}, "candidate": {f"dense{text}": layer(4)}} if plots else {}
    )
    moments = range(-880, -100, 260)
    made: dict[str, Any] = {
        "weights": ((NOW - 900, 0), (NOW - 850, 5), (NOW - 400, 25), (NOW - 100, 0)) if plots else (),
        "judgements": tuple(
            Judgement(NOW + when, (judged(index, f"errors{text}", numbers=plots),))
            for index, when in enumerate(moments)
        ),
        "layers": Layers(NOW - 900, NOW - 100, arms),
        "happenings": (Happening(NOW - 890, f"RolloutStarted{text}", f"step 1{text}"),),
        "missing": (f"Prometheus did not answer{text}.",),
    }
    subject = Subject(entry.stable, entry.candidate, entry.started_at, entry)
    return Facts(f"vision{text}", f"digits{text}", status, NOW, subject, **{**made, **changes})


class Parsed(HTMLParser):
    """What a browser would make of a page, as far as that matters here."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.text[self._open[-1]] = self.text.get(self._open[-1], "") + data

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]
