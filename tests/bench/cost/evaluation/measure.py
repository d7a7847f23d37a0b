"""CPU of one evaluation after some time of a rollout: fetched samples are merged, and every gate is judged."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any, cast

from modelrollout.adapters.prometheus.answer import AnswerReader, series_of
from modelrollout.adapters.prometheus.going_on import LastAnswer
from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.core.evaluation import Evaluation, EvaluationRequest
from modelrollout.runtime.evaluation.evaluator import Evaluator, whose
from modelrollout.runtime.evaluation.past import LATE
from modelrollout.runtime.evaluation.question import judge, selections
from tests.bench.cost.evaluation.world import START, World, answer_of, request

AGES = (600.0, 3600.0, 8 * 3600.0)
LOOKS = 20
"""Evaluations that are measured at each age, one after the other as a rollout has them."""
READS = 5
"""Answers that are read at each age, after the first."""
SERVER = PrometheusServer(name="default", url="http://none.test")


@dataclass(frozen=True)
class Cost:
    """CPU in milliseconds; what goes on is the mean over LOOKS."""

    after: float
    """Seconds since the rollout's start."""
    series: int
    scratch: float
    """Gates judged by a process that keeps nothing: what every evaluation cost before, and the first one does."""
    goes_on: float
    """Samples merged and gates judged by one that keeps what the evaluation before has worked out."""
    read: float
    """Of its answers: from the bytes to samples."""
    kept: float
    """MiB that it keeps for that, beside the samples."""


def cost_of(seconds: float, gates: tuple[dict[str, str], ...], layers: int, looks: int = LOOKS) -> Cost:
    """What an evaluation costs `seconds` after a rollout's start."""
    world = World(seconds + (looks + 3) * 15.0, layers=layers)
    return asyncio.run(_measured(world, seconds, request(gates), looks))


async def _measured(world: World, seconds: float, asked: EvaluationRequest, looks: int) -> Cost:
    evaluator = Evaluator(cast("Any", world), OperatorConfig(prometheus=[SERVER]))
    times = [START + seconds + 15.0 * look + 9 for look in range(looks + 3)]
    costs = [await _one(evaluator, world, asked, now) for now in times]
    memory = evaluator._memories[whose(asked)]
    stores, began = memory.past.stores(), time.process_time()
    for _ in range(3):
        judge(asked, stores, SERVER, memory.looked, {}, times[-1])
    scratch = 1000 * (time.process_time() - began) / 3
    read, kept = await _read(world, asked, times[-1]), memory.running.bytes / 2**20
    return Cost(seconds, world.series, scratch, sum(costs[3:]) / looks, read, kept)


async def _one(evaluator: Evaluator, world: World, asked: EvaluationRequest, now: float) -> float:
    world.spent, began = 0.0, time.process_time()
    found = await evaluator.evaluate(asked, now)
    spent = time.process_time() - began - world.spent
    assert isinstance(found, Evaluation), found
    return 1000 * spent


async def _read(world: World, asked: EvaluationRequest, now: float) -> float:
    """The answers of one evaluation: what is new, and LATE seconds again; the mean of those that follow the first."""
    spent, last = list[float](), [LastAnswer() for _ in selections(asked, SERVER)]
    for look in range(READS + 1):
        end = now - (READS - look) * asked.interval
        start = end - asked.interval - LATE
        pairs = zip(selections(asked, SERVER), last, strict=True)
        answers = [
            (bytearray(answer_of(await world.range(SERVER, one.text, start, end))), known) for one, known in pairs
        ]
        began = time.process_time()
        for body, known in answers:
            series_of(AnswerReader(last=known).read(body), start, end)
        spent.append(1000 * (time.process_time() - began))
    return sum(spent[1:]) / READS
