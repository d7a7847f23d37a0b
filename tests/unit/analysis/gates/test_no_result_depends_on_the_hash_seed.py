"""Every process reads the same: random worlds, judged by processes with other hash seeds, give one evaluation."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modelrollout.core.analysis.gates.registry import gate_types
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.postmortem import summarize
from modelrollout.core.analysis.metrics.series import make_series
from tests.unit.analysis.metrics.worlds import delivered, process, table_of
from tests.unit.analysis.recorded import START, Recording, look, request_of, scrapes, spec_of

ROOT = Path(__file__).parents[4]
WORLDS = 5
GATES: tuple[dict[str, Any], ...] = (
    {"name": "errors", "type": "ErrorRate"},
    {"name": "slow", "type": "Latency", "max": "500ms", "versusStable": {"buckets": 1}},
    {"name": "drift", "type": "Drift", "max": "20%"},
    {"name": "dead", "type": "DeadNeurons"},
    {"name": "zeros", "type": "ZeroRatio"},
    {"name": "nan", "type": "NonFinite"},
    {"name": "negatives", "type": "NegativeRatio"},
    {"name": "accuracy", "type": "Accuracy"},
    {"name": "query", "type": "Query", "query": "x", "max": "10"},
    {"name": "webhook", "type": "Webhook"},
)
LAYERS = ("relu", "encoder.0", "encoder.1", "head")
EDGES = (("0.25", "0.5", "1", "+Inf"), (".5", "1.0", "2", "Inf"), ("0.50", "1e0", "inf"), ("0.3", "+Inf"))
QUERIED = [(START + 15.0 * n, 9.5 + n % 3) for n in range(1, 17)]
BAD = (float("nan"), float("inf"), -1.0)


def recordings(rng: random.Random) -> list[Recording]:
    """Pods of both versions with every series there is, other edges, labels and bad samples."""
    found = []
    for pod in range(4):
        one = Recording(scrapes(240, before=120), f"10.0.0.{pod}:8000")
        own: dict[str, Any] = {"model": "digits", "version": "12"[pod % 2], "zone": rng.choice("ab")}
        for metric in (s.SUCCESS, s.FAILURE, s.REQUESTS, s.REQUEST_ERRORS):
            one.growing(metric, rng.randrange(60), **own)
        for metric in (s.EVALS, s.CORRECT):
            one.growing(metric, rng.randrange(60), source="labels", **own)
        _histogram(one, rng, s.DURATION, own)
        for layer in rng.sample(LAYERS, rng.choice([3, 4, 4, 4])):
            _layer(one, rng, {**own, "layer": layer})
        for key in rng.sample(sorted(one.points), 4):
            at = rng.randrange(len(one.points[key]))
            one.points[key][at] = (one.points[key][at][0], rng.choice(BAD), one.points[key][at][2])
        found.append(one)
    return found


def _histogram(one: Recording, rng: random.Random, metric: str, labels: dict[str, Any]) -> None:
    grown = 0
    for edge in rng.choice(EDGES):
        grown += rng.randrange(20)
        one.growing(metric, grown, le=edge, **labels)


def _layer(one: Recording, rng: random.Random, labels: dict[str, Any]) -> None:
    for metric in (s.SAMPLES, s.ELEMENTS, s.ZEROS, s.NEGATIVES, s.WINDOWS, s.WINDOW_NEURONS, s.WINDOW_DEAD):
        one.growing(metric, rng.randrange(1, 100), **labels)
    one.growing(s.NONFINITE, rng.randrange(2), kind=rng.choice(["nan", "inf"]), **labels)
    one.reading(s.WINDOW_SIZE, 100, **labels)
    one.reading(s.LAYER_INFO, 1, dead_if=rng.choice(["zero", "negative"]), **labels)
    one.reading(s.INFO, 1, digest=rng.choice(["aa", "bb"]), **{k: v for k, v in labels.items() if k != "layer"})
    _histogram(one, rng, s.MAGNITUDES, labels)


async def read(seed: int) -> str:
    """Everything that is made of one world, as text."""
    rng = random.Random(seed)
    found = recordings(rng)
    rng.shuffle(found)
    answer = [make_series({}, rng.sample(QUERIED, len(QUERIED)))]
    evaluation = await look(request_of(spec_of(*GATES), dialect=None), 240, *found, values=answer)
    pods = [process(rng, pod) for pod in range(3)]
    table = table_of(delivered([one for pod in pods for one in pod.series(rng)], rng))
    growth = {channel: grown.tolist() for channel, grown in table.growth.items()}
    return repr((START, evaluation, growth, sorted(table.left_out.items()), summarize(table)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hash_seeds", "worlds"), [(range(3), WORLDS), *((range(first, first + 3), 1) for first in range(3, 21, 3))]
)
def test_every_hash_seed_gives_one_evaluation(hash_seeds, worlds):
    code = "import asyncio; from tests.unit.analysis.gates import test_no_result_depends_on_the_hash_seed as t; "
    code += f"[print(asyncio.run(t.read(seed))) for seed in range({worlds})]"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in hash_seeds
    ]
    texts = {one.communicate(timeout=120)[0] for one in running}
    assert {one.returncode for one in running} == {0}
    assert len(texts) == 1
    assert texts.pop().count("Evaluation(") == worlds


def test_every_gate_type_is_read():
    assert {gate["type"] for gate in GATES} == set(gate_types())


@pytest.mark.slow
def test_the_order_of_answers_gives_one_evaluation():
    for seed in range(WORLDS):
        rng = random.Random(seed)
        found = recordings(rng)
        request = request_of(spec_of(*GATES), dialect=None)
        one = asyncio.run(look(request, 240, *found))
        for recording in found:
            recording.points = dict(rng.sample(list(recording.points.items()), len(recording.points)))
        assert one == asyncio.run(look(request, 240, *rng.sample(found, len(found))))
