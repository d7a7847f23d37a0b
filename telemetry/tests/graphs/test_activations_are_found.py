"""An activation is found as one operator and as the formulas exporters write; what only looks like one is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper
from onnx_models import Watched, convolutional, model_of, one, run

from activation_health.graphs.instrument import listed

NUMBERS = {"zero": 0, "one": 1, "half": 0.5, "three": 3, "six": 6, "root": 2**0.5, "quick": 1.702, "slope": [0.1]}
C = {name: np.array(value, np.float32) for name, value in NUMBERS.items()}

N = helper.make_node


def last(operator: str, *inputs: str) -> Any:
    return N(operator, inputs, ["y"], name="act")


def middle(operator: str, *inputs: str) -> Any:
    return N(operator, inputs[:-1], inputs[-1:])


ERF = [middle("Div", "x", "root", "a"), middle("Erf", "a", "b"), middle("Add", "b", "one", "c")]
CLIPPED = [middle("Add", "x", "three", "a"), middle("Clip", "a", "zero", "six", "b")]
FORMS: dict[str, tuple[str, list[Any]]] = {
    "Clip from 0": ("Relu", [last("Clip", "x", "zero")]),
    "Clip from 0 to 6": ("ReLU6", [last("Clip", "x", "zero", "six")]),
    "Max with 0 of a sum": ("Relu", [middle("Add", "x", "one", "a"), last("Max", "a", "zero")]),
    "PRelu": ("PRelu", [last("PRelu", "x", "slope")]),
    "erf GELU, halved last": ("Gelu", [*ERF, middle("Mul", "x", "c", "d"), last("Mul", "d", "half")]),
    "erf GELU, halved first": ("Gelu", [*ERF, middle("Mul", "c", "half", "d"), last("Mul", "x", "d")]),
    "erf GELU of x / 2": ("Gelu", [*ERF, middle("Mul", "x", "half", "d"), last("Mul", "d", "c")]),
    "SiLU": ("SiLU", [middle("Sigmoid", "x", "a"), last("Mul", "x", "a")]),
    "quick GELU": ("QuickGelu", [middle("Mul", "x", "quick", "a"), middle("Sigmoid", "a", "b"), last("Mul", "b", "x")]),
    "HardSwish by HardSigmoid": ("HardSwish", [middle("HardSigmoid", "x", "a"), last("Mul", "x", "a")]),
    "HardSwish by Clip": ("HardSwish", [*CLIPPED, middle("Mul", "x", "b", "c"), last("Div", "c", "six")]),
    "HardSwish, gate first": ("HardSwish", [*CLIPPED, middle("Div", "b", "six", "c"), last("Mul", "x", "c")]),
    "Mish": ("Mish", [middle("Softplus", "x", "a"), middle("Tanh", "a", "b"), last("Mul", "x", "b")]),
}
SINGLE = ("Relu", "LeakyRelu", "ThresholdedRelu", "Elu", "Selu", "HardSwish", "Softplus", "Gelu", "Mish")
OTHERS: dict[str, list[Any]] = {
    "a gate of something else": [middle("Neg", "x", "a"), middle("Sigmoid", "a", "b"), last("Mul", "x", "b")],
    "a Clip from 3": [last("Clip", "x", "three", "six")],
    "a variance": [middle("Sub", "x", "one", "a"), last("Max", "a", "zero")],
    "an error function": [*ERF[:2], last("Add", "b", "half")],
}


def formula(nodes: list[Any]) -> Any:
    used = {name for node in nodes for name in node.input}
    return model_of(nodes, ["n", 4], weights={name: C[name] for name in C if name in used}, opset=14)


@pytest.mark.parametrize("form", FORMS)
def test_a_formula_is_one_activation_and_answers_are_kept(form: str) -> None:
    kind, nodes = FORMS[form]
    (found,) = listed(formula(nodes)).layers
    assert (found.name, found.kind, found.tensor, found.units) == ("act", kind, "y", 4)
    x = np.linspace(-4, 8, 24, dtype=np.float32).reshape(6, 4)
    watched = Watched(formula(nodes))
    assert watched.outputs(x=x)["y"].tobytes() == run(formula(nodes), x=x)["y"].tobytes()


@pytest.mark.parametrize("operator", SINGLE)
def test_a_single_operator_is_found(operator: str) -> None:
    (found,) = listed(model_of([one(operator)], ["n", 4], opset=20)).layers
    assert (found.kind, found.dormant_tau) == (operator, None if operator in {"Relu", "ThresholdedRelu"} else 0.025)


@pytest.mark.parametrize("form", OTHERS)
def test_what_looks_like_one_is_none(form: str) -> None:
    with pytest.raises(ValueError, match="no activation was found"):
        listed(formula(OTHERS[form]))


def test_layers_are_named_by_their_nodes_and_chosen_by_pattern() -> None:
    assert [layer.name for layer in listed(convolutional()).layers] == ["first/relu", "second/relu", "third/leaky"]
    assert [layer.name for layer in listed(convolutional(), names=["*relu"]).layers] == ["first/relu", "second/relu"]
    assert [layer.name for layer in listed(convolutional(), names="l").layers] == ["third/leaky"]


def test_nodes_without_names_and_with_one_name_are_told_apart() -> None:
    nodes = [N("Relu", ["x"], ["a"]), N("Relu", ["a"], ["b"], name="r"), N("Relu", ["b"], ["y"], name="r")]
    assert [layer.name for layer in listed(model_of(nodes, ["n", 4])).layers] == ["a", "r", "r#2"]


def test_units_are_a_convolutions_channels_and_a_products_features() -> None:
    weights = {"w": np.ones((4, 6), np.float32)}
    tokens = model_of([N("MatMul", ["x", "w"], ["a"]), one("Relu", "a")], ["n", "t", 4], weights=weights)
    assert (listed(tokens).layers[0].axis, listed(tokens).layers[0].units) == (2, 6)
    assert listed(tokens, channel_axis={"act": -1}).layers[0].axis == 2
    kernel = {"w": np.ones((6, 4, 1), np.float32)}
    sound = model_of([N("Conv", ["x", "w"], ["a"]), one("Relu", "a")], ["n", 4, "t"], weights=kernel)
    assert (listed(sound).layers[0].axis, listed(sound).layers[0].units) == (1, 6)
