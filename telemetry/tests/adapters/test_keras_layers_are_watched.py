"""Keras 3, the real library on the PyTorch backend: layers are found, counted, and left as they were."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from series_reading import value_of
from torch_kinds import SAMPLES, dropped, monitor_of

os.environ["KERAS_BACKEND"] = "torch"
keras: Any = pytest.importorskip("keras", reason="keras is not installed: pip install './telemetry[keras]'")

from activation_health.adapters import keras as adapter  # noqa: E402 - needs keras

# Keras itself asks NumPy for an array in a way that PyTorch is told to leave.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
layers: Any = keras.layers
ROWS = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)


def network() -> Any:
    keras.utils.set_random_seed(0)
    inner = keras.Sequential([layers.Input((6,)), layers.Dense(5, "gelu", name="wide")], name="inner")
    return keras.Sequential(
        [
            layers.Input((4,)),
            layers.Dense(6, "relu", name="first"),
            inner,
            layers.Dense(3, name="plain"),
            layers.PReLU(name="prelu"),
            layers.Dense(2, "softmax", name="last"),
        ]
    )


def answer(model: Any, x: Any = ROWS) -> Any:
    return keras.ops.convert_to_numpy(model(x))


def test_layers_are_found_by_what_activates_them_and_answers_are_the_same() -> None:
    model, monitor = network(), monitor_of()
    expected = answer(model)
    with adapter.attach(model, monitor) as attachment:
        assert np.array_equal(answer(model), expected)
        model.predict(ROWS, verbose=0)
    assert attachment.layers == ["first", "inner/wide", "prelu"]
    assert [value_of(monitor, SAMPLES, name) for name in attachment.layers] == [14, 14, 14]
    assert value_of(monitor, "model_activation_elements_total", "inner/wide") == 14 * 5
    answer(model)
    attachment.detach()
    assert value_of(monitor, SAMPLES, "first") == 14
    assert dropped(monitor) == {}


def test_a_dead_unit_is_found() -> None:
    model, monitor = network(), monitor_of()
    kernel, bias = model.get_layer("first").get_weights()
    model.get_layer("first").set_weights([kernel * [1, 0, 1, 1, 0, 1], bias - [0, 1, 0, 0, 1, 0]])
    with adapter.attach(model, monitor, names="first"):
        answer(model)
    assert value_of(monitor, "model_activation_window_dead_neurons_total", "first") >= 2
    assert value_of(monitor, "model_activation_layer_info", "first", "zero") == 1


def test_convolutions_of_either_layout_have_their_units_on_the_axis_that_is_given() -> None:
    model = keras.Sequential([layers.Input((8, 8, 1)), layers.Conv2D(4, 3, activation="relu", name="conv")])
    monitor = monitor_of()
    with adapter.attach(model, monitor):
        answer(model, np.ones((5, 8, 8, 1), np.float32))
    assert value_of(monitor, "model_activation_window_neurons_total", "conv") == 4
    other = monitor_of()
    with adapter.attach(model, other, channel_axis={"conv": 1}):
        answer(model, np.ones((5, 8, 8, 1), np.float32))
    assert value_of(other, "model_activation_window_neurons_total", "conv") == 6


def test_a_saved_model_and_a_functional_one_built_on_it_are_as_without(tmp_path: Any) -> None:
    model, monitor = network(), monitor_of()
    expected = answer(model)
    with adapter.attach(model, monitor):
        model.save(tmp_path / "model.keras")
        inputs = keras.Input((4,))
        built = keras.Model(inputs, model(inputs))
        assert value_of(monitor, SAMPLES, "first") == 0
        assert np.allclose(answer(built), expected)
        assert value_of(monitor, SAMPLES, "first") == 7  # it is the same layer
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert np.allclose(answer(loaded), expected)
    assert value_of(monitor, SAMPLES, "first") == 7


def test_what_cannot_be_measured_costs_no_answer() -> None:
    class Odd(layers.Layer):
        def call(self, x: Any) -> Any:
            return {"logits": x}

    model, monitor = keras.Sequential([layers.Input((4,)), Odd(name="odd")]), monitor_of()
    with adapter.attach(model, monitor, names=["odd"]):
        assert set(model(ROWS)) == {"logits"}
    assert sum(dropped(monitor).values()) == 1


@pytest.mark.parametrize(
    ("model", "options", "error", "named"),
    [
        ("model", {}, TypeError, "model=str must be a keras.Model"),
        (None, {"names": ["x*"]}, ValueError, "no layer that could be watched; .* out of first, inner, inner/wide"),
        (None, {"monitor": 3}, TypeError, "monitor=int"),
        (None, {"channel_axis": 0}, ValueError, "channel_axis 0 is the batch"),
    ],
)
def test_a_refused_attach_changes_nothing(model: Any, options: dict[str, Any], error: Any, named: str) -> None:
    made = network()
    monitor = options.pop("monitor", None) or monitor_of()
    with pytest.raises(error, match=named):
        adapter.attach(model or made, monitor, **options)
    assert not any("call" in vars(layer) for layer in made.layers)
