"""Which layers of a Keras model are activations, at any depth, and how one is watched without being replaced."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

ZERO = frozenset({"relu", "relu6", "threshold"})
DORMANT = frozenset(
    {"leaky_relu", "prelu", "elu", "selu", "celu", "gelu", "silu", "swish", "mish", "softplus"}
    | {"hard_silu", "hard_swish", "squareplus"}
)
LAYERS = {"ReLU": "relu", "LeakyReLU": "leaky_relu", "PReLU": "prelu", "ELU": "elu"}
DEEPEST = 32


def paths(model: Any) -> Iterator[tuple[str, Any]]:
    """Each layer once, with its first path: `encoder/dense` of a nested model, `block/dense` of a layer made of layers.

    What has an activation of its own is one layer, whatever it is made of; a recurrent layer's cell, which is called
    for each step, and what TimeDistributed calls are not looked into.
    """
    return _below(model, "", set(), 0)


def _below(model: Any, above: str, seen: set[int], depth: int) -> Iterator[tuple[str, Any]]:
    for layer in _parts(model):
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        name = f"{above}{layer.name}"
        yield name, layer
        if depth < DEEPEST and not kind_of(layer) and not isinstance(layer, keras.layers.RNN):
            yield from _below(layer, f"{name}/", seen, depth + 1)


def _parts(model: Any) -> Iterable[Any]:
    """Layers, and of a functional model what `keras.ops` put between them."""
    if isinstance(model, keras.Model):
        return list(getattr(model, "operations", None) or model.layers)
    inner = getattr(model, "_flatten_layers", None)
    return list(inner(include_self=False, recursive=False)) if inner is not None else ()


def kind_of(layer: Any) -> str:
    """The activation's name, as Keras has it; "" for none."""
    if isinstance(layer, keras.layers.TimeDistributed):
        return kind_of(layer.layer)
    name = type(layer).__name__
    if not isinstance(layer, keras.layers.Layer):  # an operation of keras.ops, such as Relu and LeakyRelu
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    activation = getattr(layer, "activation", None)
    if name in LAYERS or activation is None:
        return LAYERS.get(name, "")
    if isinstance(activation, keras.layers.Layer):
        return kind_of(activation)
    return str(getattr(activation, "__name__", "")) if callable(activation) else ""


class _Watched:
    """In place of a layer's `call` (or what it calls once it is quantized), until nobody watches any more."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call = call
        self.seen: list[Callable[[Any], None]] = []

    def __call__(self, *args: Any, **options: Any) -> Any:
        output = self.call(*args, **options)
        for one in self.seen:
            one(output)
        return output


CALLS = ("call", "quantized_call")


def watch(layer: Any, seen: Callable[[Any], None]) -> None:
    """Show `seen` what the layer gives, from now on, beside whoever watches it already."""
    for name in CALLS:
        if hasattr(layer, name):
            if not isinstance(layer.__dict__.get(name), _Watched):
                setattr(layer, name, _Watched(getattr(layer, name)))
            layer.__dict__[name].seen.append(seen)


def leave(layer: Any, seen: Callable[[Any], None]) -> None:
    """Undo `watch` of the same two; the layer is as it was once nobody watches it."""
    for name in CALLS:
        watched = layer.__dict__.get(name)
        if isinstance(watched, _Watched):
            watched.seen = [one for one in watched.seen if one is not seen]
            if not watched.seen:
                delattr(layer, name)
