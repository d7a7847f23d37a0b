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


def counted(model: Any, *, shape: tuple[int, ...] = (4,)) -> dict[str, float]:
    """Rows counted by layer, of one answer to seven rows."""
    monitor = monitor_of()
    with adapter.attach(model, monitor) as attachment:
        answer(model, np.ones((7, *shape), np.float32))
    return {name: value_of(monitor, SAMPLES, name) for name in attachment.layers}


class Block(layers.Layer):
    """A layer made of layers, which Keras does not list among the model's own."""

    def __init__(self) -> None:
        super().__init__(name="block")
        self.dense = layers.Dense(4, "relu", name="dense")

    def call(self, x: Any) -> Any:
        return self.dense(x)


def test_layers_inside_layers_and_operations_between_them_are_found() -> None:
    given = layers.Input((4,))
    turned = keras.ops.leaky_relu(layers.Dense(4, name="plain")(Block()(given)))
    assert counted(keras.Model(given, turned)) == {"block/dense": 7, "leaky_relu": 7}


def test_an_activation_may_be_a_layer_and_a_layer_that_is_shared_is_one() -> None:
    shared = layers.ReLU(name="shared")
    inner = keras.Sequential([layers.Input((4,)), shared], name="inner")
    given = layers.Input((4,))
    out = layers.Dense(3, activation=layers.LeakyReLU(), name="last")(inner(shared(given)))
    assert counted(keras.Model(given, out)) == {"shared": 14, "last": 7}


def test_what_is_called_for_each_step_is_one_layer_and_its_rows_are_the_requests() -> None:
    steps = [
        layers.Input((5, 4)),
        layers.TimeDistributed(layers.Dense(3, "relu"), name="each"),
        layers.RNN(layers.LSTMCell(3, activation="relu"), name="own"),
    ]
    assert counted(keras.Sequential(steps), shape=(5, 4)) == {"each": 7}
    lstm = keras.Sequential([layers.Input((5, 4)), layers.LSTM(3, activation="relu", name="lstm")])
    assert counted(lstm, shape=(5, 4)) == {"lstm": 7}


def test_two_monitors_watch_one_model_and_either_may_leave_first() -> None:
    model, first, second = network(), monitor_of(), monitor_of()
    one, other = adapter.attach(model, first), adapter.attach(model, second)
    answer(model)
    one.detach()
    answer(model)
    other.detach()
    answer(model)
    assert [value_of(each, SAMPLES, "first") for each in (first, second)] == [7, 14]
    assert "call" not in model.get_layer("first").__dict__


@pytest.mark.filterwarnings("ignore::UserWarning")  # of Keras's, about layers that it leaves as they are
def test_a_layer_that_is_quantized_while_it_is_watched_is_watched_on() -> None:
    model, monitor = keras.Sequential([layers.Input((4,)), layers.Dense(6, "relu", name="first")]), monitor_of()
    with adapter.attach(model, monitor):
        model.quantize("int8")
        answer(model)
    assert value_of(monitor, SAMPLES, "first") == 7
    answer(model)
    assert value_of(monitor, SAMPLES, "first") == 7
