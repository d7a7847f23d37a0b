"""CPU of one evaluation after some time of a rollout: fetched samples are merged, and every gate is judged."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any, cast

from modelrollout.adapters.prometheus.answer import AnswerReader, series_of
from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.core.evaluation import Evaluation
from modelrollout.runtime.evaluation.evaluator import Evaluator
from modelrollout.runtime.evaluation.past import LATE
from modelrollout.runtime.evaluation.question import selections
from tests.bench.cost.evaluation.world import FIVE, START, World, answer_of, request

AGES = (600.0, 3600.0, 8 * 3600.0)
LOOKS = 20
"""Evaluations that are measured at each age, one after the other as a rollout has them."""


@dataclass(frozen=True)
class Cost:
    """CPU in milliseconds of one evaluation, the mean over LOOKS."""

    after: float
    series: int
    first: float
    """Of a process that has just started."""
    judged: float
    """Of one that goes on: samples merged and gates judged."""
    read: float
    """Of its two answers: from the bytes to samples."""
    held: float
    """MiB."""


def cost_of(seconds: float, gates: tuple[dict[str, str], ...] = FIVE, layers: int = 64, looks: int = LOOKS) -> Cost:
    """What an evaluation costs `seconds` after a rollout's start."""
    world = World(seconds + (looks + 3) * 15.0, layers=layers)
    return asyncio.run(_measured(world, seconds, gates, looks))


async def _measured(world: World, seconds: float, gates: tuple[dict[str, str], ...], looks: int) -> Cost:
    asked = request(gates)
    server = PrometheusServer(name="default", url="http://none.test")
    evaluator = Evaluator(cast("Any", world), OperatorConfig(prometheus=[server]))
    times = [START + seconds + 15.0 * look + 9 for look in range(looks + 3)]
    costs = [await _one(evaluator, world, asked, now) for now in times]
    return Cost(
        seconds, world.series, costs[0], sum(costs[3:]) / looks, await _read(world, times[-1]), evaluator.held / 2**20
    )


async def _one(evaluator: Evaluator, world: World, asked: Any, now: float) -> float:
    world.spent, began = 0.0, time.process_time()
    found = await evaluator.evaluate(asked, now)
    spent = time.process_time() - began - world.spent
    assert isinstance(found, Evaluation), found
    return 1000 * spent


async def _read(world: World, now: float) -> float:
    start = now - 15 - LATE
    answers = [
        answer_of(tuple(each for each in one))
        for one in [await world.range(None, name, start, now) for name in _selectors()]
    ]
    began = time.process_time()
    for body in answers:
        series_of(AnswerReader().read(body), start, now)
    return 1000 * (time.process_time() - began)


def _selectors() -> tuple[str, str]:
    server = PrometheusServer(name="default", url="http://none.test")
    gateway, model = (one.text for one in selections(request(), server))
    return gateway, model


def main() -> None:
    for seconds in AGES:
        one = cost_of(seconds, looks=6)
        print(one)


if __name__ == "__main__":
    main()
