"""The metric of TorchMetrics, by the real library: the same numbers as the monitor's, whatever the batches are."""

from __future__ import annotations

import math
import pathlib
import pickle
from typing import Any

import numpy as np
import pytest
from series_reading import value_of
from torch_kinds import monitor_of, torch

from activation_health import Layer

torchmetrics: Any = pytest.importorskip("torchmetrics", reason="pip install './telemetry[torchmetrics]'")

from activation_health.adapters.torchmetrics import ActivationHealth  # noqa: E402 - needs torchmetrics


def rows(count: int, *shape: int, seed: int = 0) -> Any:
    """Some units that never fire, and NaN in others."""
    drawn = torch.relu(torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed)))
    drawn[:, 1::4] = 0
    drawn[::5, 2] = float("nan")
    return drawn


@pytest.mark.parametrize("shape", [(8,), (8, 3, 3)])
@pytest.mark.parametrize("tau", [None, 0.3])
@pytest.mark.parametrize("sizes", [(23,), (1, 2, 5, 15), (5, 5, 5, 5, 3)])
def test_it_says_what_the_monitor_says(shape: tuple[int, ...], tau: float | None, sizes: tuple[int, ...]) -> None:
    metric, monitor = ActivationHealth(5, dormant_tau=tau), monitor_of()
    monitor.add_layer(Layer("h", dormant_tau=tau))
    for batch in rows(sum(sizes), *shape).split(sizes):
        metric.update(batch)
        monitor.observe("h", batch.numpy())
    found = {name: float(value) for name, value in metric.compute().items()}

    def of(name: str, *kind: str) -> float:
        return value_of(monitor, f"model_activation_{name}_total", "h", *kind)

    assert found["dead"] == of("window_dead_neurons") / of("window_neurons") > 0
    assert found["zero"] == of("zero_elements") / of("elements") > 0
    assert found["nonfinite"] == (of("nonfinite_elements", "nan") + of("nonfinite_elements", "inf")) / of("elements")
    assert found["windows"] == of("windows") == 4


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric:UserWarning")
def test_a_step_value_leaves_the_open_window_alone() -> None:
    """`forward` resets the metric in between and puts its states back."""
    plain, stepped = ActivationHealth(5), ActivationHealth(5)
    for batch in rows(24, 8).split(6):
        plain.update(batch)
        assert float(stepped(batch)["windows"]) == 1  # of this batch alone
    assert {name: float(value) for name, value in plain.compute().items()} == {
        name: float(value) for name, value in stepped.compute().items()
    }
    stepped.reset()
    assert float(stepped.compute()["windows"]) == 0
    assert math.isnan(float(stepped.compute()["dead"]))


def _worker(rank: int, folder: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    metric = ActivationHealth(5)
    metric.update(rows(10 + 7 * rank, 8, seed=rank))
    (pathlib.Path(folder) / f"{rank}").write_text(str(int(metric.compute()["windows"])))
    metric.update(rows(3, 8))
    assert int(metric.filled) == (3, 0)[rank]  # its own window, two rows of which were there before in process 1
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_processes_are_summed_and_each_keeps_its_open_window(tmp_path: pathlib.Path) -> None:
    torch.multiprocessing.spawn(_worker, (str(tmp_path),), nprocs=2)
    assert [(tmp_path / rank).read_text() for rank in "01"] == ["5", "5"]


def test_a_collection_and_a_pickle_carry_it() -> None:
    one = pickle.loads(pickle.dumps(ActivationHealth(5)))
    collection = torchmetrics.MetricCollection({"relu": one, "gelu": ActivationHealth(5, dormant_tau=0.025)})
    collection.update(rows(5, 8))
    assert {name for name in collection.compute() if "dead" in name} == {"relu_dead", "gelu_dead"}


def test_a_collection_keeps_apart_what_differs_in_its_settings_or_its_layer() -> None:
    """It takes metrics for one whose states are equal after the first batch, in which no window may be full."""
    given = {
        "window": ActivationHealth(25),
        "tau": ActivationHealth(10, dormant_tau=0.9),
        "plain": ActivationHealth(10),
    }
    collection = torchmetrics.MetricCollection(given)
    for batch in rows(50, 8).split(5):
        collection.update(batch)
    found = collection.compute()
    alone = {name: metric.clone() for name, metric in given.items()}
    for name, metric in alone.items():
        metric.reset()
        metric.update(rows(50, 8))
        assert all(float(found[f"{name}_{key}"]) == float(value) for key, value in metric.compute().items())
    assert float(found["window_windows"]) == 2
    assert float(found["tau_dead"]) > float(found["plain_dead"])


def test_one_collection_has_a_metric_for_each_layer() -> None:
    named = {name: ActivationHealth(5, layer=name) for name in ("first", "second")}
    collection = torchmetrics.MetricCollection(named)
    empty = torch.zeros(5, 8)
    collection.update({"first": empty, "second": empty})
    collection.update({"first": empty, "second": torch.ones(5, 8)})
    found = collection.compute()
    assert (float(found["first_dead"]), float(found["second_dead"])) == (1, 0.5)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (torch.ones(3), r"shape \(3,\) have no units on axis 1"),
        (torch.ones(2, 3).int(), "torch.int32: give a dense float tensor"),
        ([1.0], "a list"),
        ({"a": torch.ones(2, 3)}, "a mapping of layers: say which one is this metric's with layer=NAME"),
    ],
)
def test_what_holds_no_values_is_refused(given: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        ActivationHealth().update(given)


def test_a_layer_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="layer 'b' is not among them; they are a"):
        ActivationHealth(layer="b").update({"a": torch.ones(2, 3)})


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"window": 0}, "window=0"),
        ({"window": True}, "window=True"),
        ({"dormant_tau": 1}, "dormant_tau=1"),
        ({"channel_axis": 0}, "is the batch"),
    ],
)
def test_a_wrong_setting_is_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        ActivationHealth(**options)


def test_one_metric_is_one_layer_and_no_rows_are_none() -> None:
    metric = ActivationHealth()
    metric.update(torch.ones(2, 3))
    metric.update(torch.ones(0, 3))
    with pytest.raises(ValueError, match="4 units, 3 before"):
        metric.update(torch.ones(2, 4))
    assert np.isclose(float(metric.compute()["zero"]), 0)
