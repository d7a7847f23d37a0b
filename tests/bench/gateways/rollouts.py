"""The same rollouts behind each gateway, one after the other: what was decided, how soon, and how well P99 is known."""

from __future__ import annotations

import math
import re
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.e2e.support.live_rollout import LiveRollout, gates
from tests.e2e.support.rollouts import BRISK, Rollouts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab import Answer, Door, Lab

STORY = {2: "a better version", 3: "dead neurons", 7: "one answer in four fails"}
"""In the order in which they are tried; the last is the only one whose requests fail."""
GATES = ("errors", "latency", "accuracy", "dead-neurons", "non-finite")
ASKED, QUANTILE = 1500, 0.99
"""Requests whose latency is compared, and which quantile of it."""
MODEL = 'model_request_duration_seconds_bucket{{model="digits",version="1",namespace="{namespace}"}}'


@dataclass(frozen=True)
class Decision:
    """Of one version behind one gateway; seconds from the commit to the end."""

    gateway: str
    version: int
    result: str
    why: str
    seconds: float
    weights: tuple[int, ...]

    @property
    def row(self) -> str:
        weights = ", ".join(map(str, self.weights))
        told = (STORY[self.version], self.gateway, self.result, self.why, f"{self.seconds:.0f} s", weights)
        return f"| {' | '.join(told)} |"


@dataclass(frozen=True)
class Tail:
    """P99 of the same requests as a client, and as a histogram has it: the edges that it lies between, in seconds."""

    gateway: str
    client: float
    said: dict[str, tuple[float, float]]

    @property
    def rows(self) -> list[str]:
        return [
            f"| {whose} | {1000 * self.client:.1f} ms | {1000 * low:.1f} to {1000 * high:.1f} ms "
            f"| {100 * (high / self.client - 1):+.0f} % |"
            for whose, (low, high) in self.said.items()
        ]


def told(lab: Lab, doors: dict[str, Door | None]) -> tuple[list[Decision], list[Tail], list[str]]:
    """Every decision, every comparison of latency, and a sentence on what the clients saw."""
    decisions, tails, seen = list[Decision](), list[Tail](), list[str]()
    for name, door in doors.items():
        with ExitStack() as stack:
            live = Rollouts(lab.member, f"story-{len(seen)}", stack).start(1, *STORY, rate=BRISK, door=door)
            client = live.adopt(gates=gates(*GATES))
            client.wait_for(ASKED, 300)
            tails.append(tail(lab, live, name, client.answers))
            *well, failing = STORY
            decisions += [decision(live, name, version) for version in well]
            asked, lost = len(client.answers), len(client.failed)
            seen.append(f"{name}: {lost} of {asked} requests failed until then, in one promotion and one rollback")
            decisions.append(decision(live, name, failing))
            client.stop()
    return decisions, tails, seen


def decision(live: LiveRollout, gateway: str, version: int) -> Decision:
    began = time.monotonic()
    live.version(version)
    last = live.ended()["history"][-1]
    seconds, why = time.monotonic() - began, last["message"].partition(":")[0]
    return Decision(gateway, version, last["result"], why, seconds, tuple(live.weights(version)))


def tail(lab: Lab, live: LiveRollout, gateway: str, answers: Sequence[Answer]) -> Tail:
    """By the requests that version 1 has answered so far."""
    time.sleep(6)  # Envoy brings its histograms up to date every 5 s
    taken = [one.seconds for one in answers if one.status]
    of_model = MODEL.format(namespace=live.scenario.namespace)
    asked = {"the model's histogram": (of_model, 1.0), f"{gateway}'s histogram": of_gateway(live, gateway)}
    said = {whose: between(lab.prometheus.query(query), unit) for whose, (query, unit) in asked.items()}
    return Tail(gateway, float(np.quantile(taken, QUANTILE)), said)


def of_gateway(live: LiveRollout, gateway: str) -> tuple[str, float]:
    namespace, name = live.scenario.namespace, live.name
    if gateway == "Traefik":
        return (
            f'traefik_service_request_duration_seconds_bucket{{service=~"httproute-{namespace}-{name}-.*-svc-.*"}}',
            1.0,
        )
    cluster = f"httproute/{namespace}/{name}/rule/0/backend/0"
    return f'envoy_cluster_upstream_rq_time_bucket{{envoy_cluster_name="{cluster}"}}', 0.001


def between(found: list[dict[str, Any]], unit: float) -> tuple[float, float]:
    """The edges around the quantile, in seconds; of all series together."""
    counts: dict[float, float] = {}
    for one in found:
        edge = one["metric"]["le"]
        at = math.inf if re.fullmatch(r"\+?Inf", edge) else float(edge) * unit
        counts[at] = counts.get(at, 0.0) + float(one["value"][1])
    if not counts:
        return math.nan, math.nan
    wanted, low = QUANTILE * counts[max(counts)], 0.0
    for edge in sorted(counts):
        if counts[edge] >= wanted:
            return low, edge
        low = edge
    return low, math.inf
