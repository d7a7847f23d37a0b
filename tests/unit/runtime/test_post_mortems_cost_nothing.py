"""A post-mortem is written after the record, beside everything else: whatever is wrong with it is a line in the log."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.series import Series
from modelrollout.ports import Conflict, LedgerFailure, Unreachable
from modelrollout.runtime import postmortems
from modelrollout.runtime.postmortems import MAX_BYTES, MOST_WAITING, Postmortems, _summary
from tests.unit.analysis.recorded import request_of, spec_of
from tests.unit.borders.cluster import ROLLOUT, ROUTE, Rollout, at_25_percent
from tests.unit.borders.test_whatever_comes_in_traffic_is_lowered import TRIGGERS

NOW = 1_700_001_000.0
REQUEST = request_of(spec_of({"name": "d", "type": "DeadNeurons"}))


def many(layers: int, edges: int, name: str = "layer-{}", points: int = 60) -> tuple[Series, ...]:
    """Layers of a candidate that each have bucket edges of their own, scraped for 15 minutes."""
    times = (np.linspace(NOW - 899, NOW - 1, points) * 1000).astype(np.int64)
    values = np.arange(points, dtype=float)
    rows = []
    for number in range(layers):
        base = {"model": "digits", "version": "2", "layer": name.format(number), "instance": "p", "job": "m"}
        rows += [base | {"__name__": metric} for metric in (s.ELEMENTS, s.WINDOWS)]
        rows += [base | {"__name__": s.MAGNITUDES, "le": str(number * 1000 + edge)} for edge in range(edges)]
    return tuple(Series(tuple(sorted(labels.items())), times, values) for labels in rows)


@dataclass
class Ledger:
    answer: Any = field(default_factory=lambda: many(2, 3))
    wait: float = 0.0
    asked: int = 0

    async def range(self, *_: Any) -> Any:
        self.asked += 1
        await asyncio.sleep(self.wait)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def steps(self, *_: Any) -> Any:
        return ()


@dataclass
class Store:
    saved: dict[str, dict[str, str]] = field(default_factory=dict)
    failure: Exception | None = None

    async def save(self, _obj: dict[str, Any], name: str, data: dict[str, str]) -> None:
        if self.failure:
            raise self.failure
        self.saved[name] = data


def made(ledger: Ledger | None = None, store: Store | None = None) -> Postmortems:
    config = OperatorConfig(prometheus=[PrometheusServer(url="http://prometheus.test")])
    return Postmortems(ledger or Ledger(), store or Store(), config)


async def with_postmortems(keeper: Postmortems) -> Rollout:
    """At 25 %, its pollers pointed at the rollout, and an abort asked for."""
    rollout = at_25_percent()
    rollout.reconciler.writer.postmortems = keeper
    await rollout.run()
    rollout.api.writes.clear()
    TRIGGERS["abort"](rollout, "")
    return rollout


def cpu(layers: int, edges: int) -> float:
    rows, began = many(layers, edges), time.process_time()
    assert _summary(REQUEST, rows, (NOW - 900, NOW), 15.0)
    return time.process_time() - began


@pytest.mark.slow
def test_twice_as_many_series_take_twice_as_long():
    cpu(10, 10)
    half, whole = cpu(100, 48), min(cpu(200, 48) for _ in range(2))
    print(f"ten thousand series: {whole:.2f} s of CPU")
    assert whole < 3.0, "three times what is promised"
    assert whole < 4 * half + 0.1, "four times would be quadratic"


async def test_a_rollback_is_recorded_before_its_post_mortem_is_begun_and_waits_for_nothing_of_it():
    ledger = Ledger(wait=60)
    rollout = await with_postmortems(made(ledger))
    began = time.monotonic()
    await rollout.run()
    assert time.monotonic() - began < 10, "what it must not wait for takes sixty seconds"
    assert rollout.weight == 0
    assert rollout.status["phase"] == "RolledBack"
    assert "snapshot" not in rollout.status["history"][-1]
    assert ledger.asked == 0, "the record was first"


async def test_the_next_pass_links_what_was_kept_and_a_new_leader_does_not_keep_it_again():
    ledger, store = Ledger(), Store()
    keeper = made(ledger, store)
    rollout = await with_postmortems(keeper)
    await rollout.run()
    await keeper.wait()
    assert rollout.watch.wake.is_set()
    await rollout.run()
    name = rollout.status["history"][-1]["snapshot"]
    layers = json.loads(store.saved[name]["snapshot.json"])["layers"]
    assert set(layers["candidate"]) == {"layer-0", "layer-1"}
    rollout.watch.kept = None
    for _ in range(3):
        await rollout.run()
    assert ledger.asked == 1


async def test_what_is_kept_belongs_to_the_rollout_that_ended_not_to_a_later_one():
    keeper = made()
    rollout = await with_postmortems(keeper)
    rollout.watch.kept = ("digits-snapshot-7", 12.0)
    await rollout.run()
    assert all("snapshot" not in entry for entry in rollout.status["history"])


@pytest.mark.parametrize(
    ("ledger", "store"),
    [
        (Ledger(LedgerFailure("PrometheusError", "no")), Store()),
        (Ledger(RuntimeError("a defect")), Store()),
        (Ledger(("no series",)), Store()),
        (Ledger(), Store(failure=Conflict("taken"))),
        (Ledger(), Store(failure=Unreachable("ApiForbidden", "no"))),
        (Ledger(), Store(failure=KeyError("uid"))),
    ],
)
async def test_a_failure_is_a_line_in_the_log(ledger: Ledger, store: Store, caplog: pytest.LogCaptureFixture):
    keeper = made(ledger, store)
    rollout = await with_postmortems(keeper)
    with caplog.at_level(logging.WARNING):
        await rollout.run()
        await keeper.wait()
        await rollout.run()
    assert rollout.status["phase"] == "RolledBack"
    assert "snapshot" not in rollout.status["history"][-1]
    assert [record.levelname for record in caplog.records if "snapshot" in record.message] == ["WARNING"]


async def test_one_that_cannot_even_begin_stops_no_rollback(monkeypatch: pytest.MonkeyPatch):
    keeper = made()
    rollout = await with_postmortems(keeper)

    def broken(*_: Any) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(keeper, "begin", broken)
    await rollout.run()
    assert rollout.api.writes[0] == ("PATCH", ROUTE)
    assert rollout.status["phase"] == "RolledBack"
    assert "modelrollout.dev/command" not in rollout.api.objects[ROLLOUT]["metadata"]["annotations"]


@pytest.mark.slow
async def test_the_loop_goes_on_while_ten_thousand_series_are_summarized(monkeypatch: pytest.MonkeyPatch):
    """A Lease is renewed and an abort takes effect meanwhile: the summary ends only once the loop has gone on."""
    goes_on, waited = threading.Event(), []

    def work(*given: Any) -> Any:
        waited.append(goes_on.wait(60))
        return _summary(*given)

    monkeypatch.setattr(postmortems, "_summary", work)
    monkeypatch.setattr(postmortems, "PATIENCE", 60)  # how long it takes is not the point here
    keeper = made(Ledger(many(200, 48)))
    keeper.begin({}, ["x-snapshot-0"], REQUEST, NOW, lambda _: None)
    waiting = asyncio.create_task(keeper.wait())
    await asyncio.sleep(0.1)
    goes_on.set()
    await waiting
    assert waited == [True]


@pytest.mark.slow
async def test_time_number_and_size_are_bounded(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    store = Store()
    keeper = made(Ledger(many(48, 64, "λ" * 120 + "{}")), store)
    keeper.begin({}, ["large"], REQUEST, NOW, lambda _: None)
    await keeper.wait()
    assert store.saved == {} or len(store.saved["large"]["snapshot.json"]) <= MAX_BYTES
    monkeypatch.setattr(postmortems, "PATIENCE", 0.05)
    hanging = made(Ledger(wait=60), store)
    for number in range(MOST_WAITING + 3):
        hanging.begin({}, [f"hanging-{number}"], REQUEST, NOW, lambda _: None)
    assert sum("too many are under way" in record.message for record in caplog.records) == 3
    await asyncio.wait(set(hanging._tasks), timeout=30)
    assert sum("it took too long" in record.message for record in caplog.records) == MOST_WAITING
    assert "hanging-0" not in store.saved


async def test_more_samples_than_a_thread_should_take_are_not_summarized(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(postmortems, "MOST_SAMPLES", 10)
    assert _summary(REQUEST, many(2, 3), (NOW - 900, NOW), 15.0) is None


@pytest.mark.parametrize("edge", ["nan", "", "evil"])
def test_an_edge_that_is_no_number_is_left_out(edge: str):
    labels = {"__name__": s.MAGNITUDES, "model": "digits", "version": "2", "layer": "layer-0", "le": edge, "job": "m"}
    odd = Series(tuple(sorted(labels.items())), many(1, 0)[0].times, many(1, 0)[0].values)
    text = _summary(REQUEST, (*many(1, 2), odd), (NOW - 900, NOW), 15.0)
    histogram = json.loads(text or "{}")["layers"]["candidate"]["layer-0"]["histogram"]
    assert {"0", "1"} <= set(histogram) <= {"0", "1", "+Inf"}
